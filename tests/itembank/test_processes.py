"""Commands that start workers end them, however they are ended themselves."""

import os
import signal

import pytest

from itembank.processes import ended_like_ctrl_c


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_kill_and_a_closed_terminal_do_what_ctrl_c_does(signals_of_a_terminal: None, how: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), ended_like_ctrl_c():
        os.kill(os.getpid(), how)
    assert signal.getsignal(how) == signal.SIG_DFL


def test_a_process_that_has_a_rule_of_its_own_keeps_it(signals_of_a_terminal: None) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with ended_like_ctrl_c():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
