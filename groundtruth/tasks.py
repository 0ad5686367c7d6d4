"""Celery tasks. Their messages are doorbells: an id at most, and no harm done by one that is lost, doubled or late."""

import logging

from celery import shared_task
from django.conf import settings
from kombu.exceptions import OperationalError

from groundtruth import worker
from groundtruth.build_tasks import sweep_builds
from groundtruth.judging import batch
from groundtruth.judging.jobs import ended_jobs, finish_job, ready_jobs
from groundtruth.judging.recovery import recover

logger = logging.getLogger(__name__)


# Acknowledged when it begins: rows and the sweeper bring work back sooner than the broker would (embeddings/tasks.py).
@shared_task(name="groundtruth.run_judge_job", acks_late=False)
def run_judge_job(job_id: int) -> None:
    """Ask the job's questions for a while, then ring for what is left of them; of a batch job, see judging/batch.py."""
    if worker.work_on(job_id) and ready_jobs().filter(pk=job_id).exists():
        ring(job_id)


@shared_task(name="groundtruth.sweep")
def sweep() -> None:
    """Mend what lost messages and dead workers left, and ring for whatever waits."""
    recover()
    for job_id in ended_jobs().values_list("pk", flat=True):
        finish_job(job_id)
    for job in (*ready_jobs(), *batch.due_jobs()):
        ring(job.pk)
    sweep_builds()


def ring(job_id: int) -> None:
    """Tell a worker about the job. Without a broker that is left to the sweeper."""
    try:
        run_judge_job.apply_async((job_id,), expires=max(60, 2 * settings.SWEEP_SECONDS))
    except OperationalError as error:
        logger.warning("The broker does not answer (%s); job %d goes on with the next sweep", error, job_id)
