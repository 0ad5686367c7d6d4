"""Workers of judge jobs that die by SIGKILL at a chosen point of the ledger: a process of its own, told by its input.

Each line of input is a Command in JSON. For each of its jobs a child is forked from this warm process and works on the
job. Printed, a line each: the children's process ids; when all have ended, what `waitpid` made of each: -9 of one that
was killed, 0 of one whose work was over.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any, NoReturn

WORK_SECONDS = 60.0
NOT_DEAD = 3  # came past the point alive: the test is wrong about what happens there

# Where a worker dies: in which function, and whether as it is called or with its changes made but not committed.
POINTS = {
    "reserving": ("ledger", "reserve", False),
    "reserved": ("ledger", "mark_sent", False),
    "sent": ("client", "send", True),
    "answered": ("ledger", "save_reply", False),
    "saved": ("ledger", "settle", False),
    # Of batches.
    "filled": ("batch_client", "upload", True),
    "uploaded": ("ledger", "mark_batch_sent", False),
    "asked-for": ("batch_client", "create", True),
    "made": ("batch", "_submitted", True),
}


@dataclass(frozen=True)
class Command:
    """Work on jobs, a process for each; die at a point of POINTS when it is reached for the `call`-th time."""

    jobs: list[int]
    url: str
    key: str
    point: str = ""
    call: int = 1
    daily_cap_usd: str = "20"
    batch: bool = False

    def as_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


def main() -> None:
    import django

    django.setup()
    from groundtruth.judging import batch, run

    for line in sys.stdin:
        command = Command(**json.loads(line))
        warm_up(command)
        work_on = partial(work_in_batches, batch.work_on) if command.batch else run.work_on
        children = [fork(partial(work, work_on, job, command)) for job in command.jobs]
        print(json.dumps(children), flush=True)
        print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]), flush=True)


def warm_up(command: Command) -> None:
    """What every child needs is made once: the settings, and the client with its certificates."""
    from django.conf import settings

    from groundtruth.judging import client

    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = command.url, command.key
    settings.LLM_DAILY_CAP_USD = Decimal(command.daily_cap_usd)
    client.provider()


def fork(target: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            target()
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    return child


def work(work_on: Callable[..., Any], job: int, command: Command) -> None:
    if command.point:
        arm(*POINTS[command.point], call=command.call)
    work_on(job, time.monotonic() + WORK_SECONDS, threading.Event())


def work_in_batches(work_on: Callable[..., Any], job: int, _deadline: float, stopping: threading.Event) -> None:
    work_on(job, stopping)


def arm(module: str, name: str, at_once: bool, *, call: int) -> None:
    """Wherever the program holds the function, it holds one that dies."""
    original = getattr(sys.modules[f"groundtruth.judging.{module}"], name)
    calls = count(1)  # next() is atomic

    def dying(*args: Any, **kwargs: Any) -> Any:
        if next(calls) != call:
            return original(*args, **kwargs)
        return die() if at_once else die_before_commit(lambda: original(*args, **kwargs))

    for each in [module for key, module in sys.modules.items() if key.startswith("groundtruth.")]:
        for held in [held for held, value in vars(each).items() if value is original]:
            setattr(each, held, dying)


def die_before_commit(change: Callable[[], Any]) -> NoReturn:
    """Make the changes, in the transaction they belong to, and die before it is committed."""
    from django.db import connection, connections

    def guard(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not connection.in_atomic_block and sql.startswith(("UPDATE", "INSERT")):
            die()  # this statement would commit itself
        return execute(sql, params, many, context)

    connections["default"].commit = die  # type: ignore[method-assign]
    with connection.execute_wrapper(guard):
        change()
    if connection.in_atomic_block:
        die()
    os._exit(NOT_DEAD)


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(WORK_SECONDS)
    os._exit(NOT_DEAD)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
