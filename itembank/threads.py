"""Threads that work for a request or task on its behalf: what they log has its request id, and what they send too.

A thread begins with an empty context otherwise. Connections to the database and the reader's language stay with the
thread that they belong to.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class ThreadPool(ThreadPoolExecutor):
    """Each call runs in a copy of the context of whoever asks for it, be it by `submit` or by `map`."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        return super().submit(partial(copy_context().run, fn, *args, **kwargs))


def start_thread(target: Callable[[], object], *, name: str) -> threading.Thread:
    """A started thread, which no end of the process waits for, in a copy of this context."""
    thread = threading.Thread(target=copy_context().run, args=(target,), name=name, daemon=True)
    thread.start()
    return thread
