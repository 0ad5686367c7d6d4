"""`manage.py up` as a user runs it: real processes, a home of its own, a signal to stop."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from itembank.embedded import EmbeddedServices
from tests.waiting import wait_until

pytestmark = pytest.mark.fault


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/admin/login/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def child_running(parent: psutil.Process, *words: str) -> psutil.Process | None:
    for child in parent.children():
        if child.status() != psutil.STATUS_ZOMBIE and all(word in " ".join(child.cmdline()) for word in words):
            return child
    return None


def replaced(parent: psutil.Process, words: tuple[str, ...], old_pid: int) -> bool:
    child = child_running(parent, *words)
    return child is not None and child.pid != old_pid


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[tuple[psutil.Process, int, EmbeddedServices]]:
    """A running bank: the process of `up`, its port, its servers."""
    port = free_port()
    command = [sys.executable, "manage.py", "up", "--port", str(port)]
    environment = {**os.environ, "ITEMBANK_HOME": str(tmp_path), "SWEEP_SECONDS": "1"}
    with (tmp_path / "up.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: answers(port), seconds=90)
        yield psutil.Process(process.pid), port, EmbeddedServices(tmp_path)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def test_up_restarts_what_dies_and_stops_everything(bank: tuple[psutil.Process, int, EmbeddedServices]) -> None:
    up, port, servers = bank
    for words in (("gunicorn",), ("worker", "cpu")):
        victim = child_running(up, *words)
        assert victim is not None
        victim.kill()
        wait_until(partial(replaced, up, words, victim.pid))
    wait_until(lambda: answers(port))

    servers.stop_broker(immediately=True)
    wait_until(servers.broker_running)

    descendants = up.children(recursive=True)
    up.send_signal(signal.SIGINT)
    assert up.wait(60) == 0
    assert not [child for child in descendants if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not servers.postgres_running()
    assert not servers.broker_running()


def test_up_refuses_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment = {**os.environ, "ITEMBANK_HOME": str(tmp_path)}
        command = [sys.executable, "manage.py", "up", "--port", str(port)]
        result = subprocess.run(
            command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
    assert result.returncode == 1
    assert "--port" in result.stderr
