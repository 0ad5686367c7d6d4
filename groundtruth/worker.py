"""The llm worker process: it works on several jobs at once, on each with the threads that the job asks for."""

import threading
import time
from typing import Any

from celery.signals import worker_shutting_down

from groundtruth.judging import batch, run

SLICE_SECONDS = 60.0

_stopping = threading.Event()
_in_work: set[int] = set()
_lock = threading.Lock()


def work_on(job_id: int) -> bool:
    """Ask the job's questions for a slice of time. Returns False at once where this process does so already."""
    with _lock:
        if job_id in _in_work:
            return False
        _in_work.add(job_id)
    try:
        if batch.work_on(job_id, _stopping):
            return True
        return run.work_on(job_id, time.monotonic() + SLICE_SECONDS, _stopping)
    finally:
        with _lock:
            _in_work.discard(job_id)


@worker_shutting_down.connect
def stop(**_: Any) -> None:
    """Send nothing more; calls under way are waited for as long as the process may live."""
    _stopping.set()
