"""The time of each stage of a search."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    """Adds the milliseconds to those that the stage took before."""
    started = time.perf_counter()
    yield
    timings[stage] = timings.get(stage, 0) + (time.perf_counter() - started) * 1000
