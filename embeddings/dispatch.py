"""Jobs as the admin, the API and commands use them: the services, with a doorbell rung once the change is committed."""

from collections.abc import Iterable
from functools import partial

from django.contrib.auth.models import User
from django.db import transaction
from kombu.exceptions import OperationalError

from embeddings import job_services
from embeddings.job_services import JobStateError, cancel_job, pause_job
from embeddings.models import EmbeddingJob, Encoder
from embeddings.tasks import build_indexes, ring, sweep

__all__ = [
    "JobStateError",
    "build_indexes_soon",
    "cancel_job",
    "pause_job",
    "resume_job",
    "retry_failed",
    "start_job",
    "sweep",
]


def start_job(
    *, encoder: Encoder, scope: str, user: User | None = None, item_ids: Iterable[int] | None = None
) -> EmbeddingJob:
    """See job_services.start_job."""
    return _rung(job_services.start_job(encoder=encoder, scope=scope, user=user, item_ids=item_ids))


def resume_job(*, job: EmbeddingJob) -> EmbeddingJob:
    """See job_services.resume_job."""
    return _rung(job_services.resume_job(job=job))


def retry_failed(*, job: EmbeddingJob) -> EmbeddingJob:
    """See job_services.retry_failed."""
    return _rung(job_services.retry_failed(job=job))


def build_indexes_soon() -> bool:
    """Ask the cpu worker to build the indexes that are wanted, which it also does by itself; False without a broker."""
    try:
        build_indexes.apply_async(expires=60)
    except OperationalError:
        return False
    return True


def _rung(job: EmbeddingJob) -> EmbeddingJob:
    transaction.on_commit(partial(ring, job.pk))
    return job
