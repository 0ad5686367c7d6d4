"""What happens around messages and workers: the request id goes along, workers give signs of life, logs stay ours."""

import logging.config
import os
import time
from typing import Any

import psutil
from celery.signals import (
    before_task_publish,
    heartbeat_sent,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_shutdown,
    worker_shutting_down,
)
from django.conf import settings

from itembank import heartbeats, request_ids
from itembank.broker import BrokerError
from itembank.processes import WORKER_ROLES

logger = logging.getLogger(__name__)

ID_HEADER = "request_id"

_name = ""  # of this worker, as Celery knows it
_last_beat = 0.0
_stopping = False


# ---- request ids


@before_task_publish.connect
def send_id(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """A message of nobody's request, such as a doorbell of the sweep, gets an id of its own."""
    if headers is not None:
        headers[ID_HEADER] = request_ids.sane(request_ids.current())


@task_prerun.connect
def take_id(task: Any = None, **_: Any) -> None:
    request_ids.work_for(request_ids.sane(getattr(task.request, ID_HEADER, None)))


@task_postrun.connect
def drop_id(**_: Any) -> None:
    request_ids.work_for("")


# ---- logs


@setup_logging.connect
def use_our_logging(**_: Any) -> None:
    """Celery would put handlers of its own where ours are not set up yet."""
    logging.config.dictConfig(settings.LOGGING)


# ---- signs of life


@worker_init.connect
def take_name(sender: Any, **_: Any) -> None:
    global _name  # noqa: PLW0603 - one worker a process
    _name = str(sender.hostname)


@heartbeat_sent.connect
def tell(**_: Any) -> None:
    """Celery sends this from the loop that takes messages, every two seconds."""
    global _last_beat  # noqa: PLW0603
    now = time.monotonic()
    if _name and not _stopping and now - _last_beat >= heartbeats.BEAT_SECONDS:
        _last_beat = now
        _beat()


@worker_shutting_down.connect
def tell_of_the_end(**_: Any) -> None:
    """The loop stands still from here on, until the last task has ended."""
    global _stopping  # noqa: PLW0603
    _stopping = True
    role = WORKER_ROLES.get(_name.partition("@")[0])
    _beat(stopping=True, alive_seconds=heartbeats.ALIVE_SECONDS + (role.stop_seconds if role else 0))


@worker_shutdown.connect
def leave(**_: Any) -> None:
    try:
        heartbeats.forget(_name)
    except BrokerError:
        logger.debug("The broker does not hear that this worker ends")


def _beat(*, stopping: bool = False, alive_seconds: float = heartbeats.ALIVE_SECONDS) -> None:
    try:
        heartbeats.beat(_name, _figures() | {"stopping": stopping}, alive_seconds=alive_seconds)
    except BrokerError:  # the worker's own loop says so, and goes on trying
        logger.debug("The broker does not take this worker's sign of life")
    except Exception:  # it must not end the loop that takes messages
        logger.exception("This worker cannot tell its figures")


def _figures() -> dict[str, Any]:
    """Of this process: tasks under way, seconds since the oldest of them began, bytes of main memory."""
    began = _tasks_began()
    return {
        "pid": os.getpid(),
        "tasks": len(began),
        "task_seconds": round(max(0.0, time.time() - min(began)), 1) if began else 0.0,
        "resident_bytes": int(psutil.Process().memory_info().rss),
    }


def _tasks_began() -> list[float]:
    """When the tasks under way began, in seconds since the epoch."""
    from celery.worker.state import active_requests

    while True:
        try:
            return [float(request.time_start or time.time()) for request in list(active_requests)]
        except RuntimeError:  # a thread of the pool took a task meanwhile
            continue
