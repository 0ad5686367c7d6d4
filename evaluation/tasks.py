"""Celery tasks. Their messages are doorbells: an id at most, and no harm done by one that is lost, doubled or late."""

import logging
import threading
import time

from celery import shared_task
from django.conf import settings
from kombu.exceptions import OperationalError

from evaluation.engine.run import work_on
from evaluation.models import EvaluationRun
from evaluation.run_services import silent_runs

logger = logging.getLogger(__name__)

GPU = "gpu.batch"
SLICE_SECONDS = 60.0
# The threads of a gpu worker are for people's queries too: runs take one of them, however many were asked for.
_at_work = threading.Lock()


@shared_task(name="evaluation.run")
def run_evaluation(run_id: int) -> None:
    """Work on the run for a while, then ring for what waits next. Where this process is at work on another run, that
    one rings in its turn.
    """
    if not _at_work.acquire(blocking=False):
        return
    try:
        left = work_on(run_id, until=time.monotonic() + SLICE_SECONDS)
    finally:
        _at_work.release()
    if left:
        ring(EvaluationRun.objects.get(pk=run_id))
    else:
        _ring_next(run_id)


def _ring_next(run_id: int) -> None:
    """Ring for the oldest run that needs the device of the one that has ended; the sweeper is slower."""
    ended = EvaluationRun.objects.filter(pk=run_id).first()
    if ended is not None and _queue(ended) == GPU:
        waiting = EvaluationRun.objects.filter(state=EvaluationRun.State.WAITING).exclude(configuration__reranker="")
        for run in waiting.order_by("pk")[:1]:
            ring(run)


@shared_task(name="evaluation.sweep")
def sweep() -> None:
    """Ring for runs whose message was lost or whose worker died; one that is alive loses nothing by it."""
    for run in silent_runs():
        ring(run)


def _queue(run: EvaluationRun) -> str:
    return GPU if run.configuration.get("reranker") else "cpu"


def ring(run: EvaluationRun) -> None:
    """Tell a worker about the run: of the GPU where it reranks. Without a broker that is left to the sweeper."""
    try:
        run_evaluation.apply_async((run.pk,), queue=_queue(run), expires=max(60, 2 * settings.SWEEP_SECONDS))
    except OperationalError as error:
        logger.warning("The broker does not answer (%s); run %d goes on with the next sweep", error, run.pk)
