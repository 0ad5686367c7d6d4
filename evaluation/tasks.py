"""Celery tasks. Their messages are doorbells: an id at most, and no harm done by one that is lost, doubled or late."""

import logging
import time

from celery import shared_task
from django.conf import settings
from kombu.exceptions import OperationalError

from evaluation.engine.run import work_on
from evaluation.models import EvaluationRun
from evaluation.run_services import silent_runs

logger = logging.getLogger(__name__)

SLICE_SECONDS = 60.0


@shared_task(name="evaluation.run")
def run_evaluation(run_id: int) -> None:
    """Work on the run for a while, then ring for what is left of it."""
    if work_on(run_id, until=time.monotonic() + SLICE_SECONDS):
        ring(EvaluationRun.objects.get(pk=run_id))


@shared_task(name="evaluation.sweep")
def sweep() -> None:
    """Ring for runs whose message was lost or whose worker died; one that is alive loses nothing by it."""
    for run in silent_runs():
        ring(run)


def ring(run: EvaluationRun) -> None:
    """Tell a worker about the run: of the GPU where it reranks. Without a broker that is left to the sweeper."""
    queue = "gpu.batch" if run.configuration.get("reranker") else "cpu"
    try:
        run_evaluation.apply_async((run.pk,), queue=queue, expires=max(60, 2 * settings.SWEEP_SECONDS))
    except OperationalError as error:
        logger.warning("The broker does not answer (%s); run %d goes on with the next sweep", error, run.pk)
