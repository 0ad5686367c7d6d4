"""Judge jobs as the admin and commands use them: the services, with a doorbell rung once the change is committed."""

from collections.abc import Collection
from decimal import Decimal
from functools import partial

from django.contrib.auth.models import User
from django.db import transaction

from groundtruth import judge_services
from groundtruth.judge_services import JudgeStateError, cancel_job, pause_job
from groundtruth.models import JudgeJob, JudgeQuestion
from groundtruth.tasks import ring, sweep

__all__ = ["JudgeStateError", "cancel_job", "confirm_job", "pause_job", "resume_job", "retry_failed", "sweep"]


def confirm_job(*, job: JudgeJob, user: User, cap_usd: Decimal | None = None) -> JudgeJob:
    """See judge_services.confirm_job."""
    return _rung(judge_services.confirm_job(job=job, user=user, cap_usd=cap_usd))


def resume_job(*, job: JudgeJob, user: User) -> JudgeJob:
    """See judge_services.resume_job."""
    return _rung(judge_services.resume_job(job=job, user=user))


def retry_failed(
    *, job: JudgeJob, user: User, states: Collection[str] = frozenset({JudgeQuestion.State.FAILED})
) -> JudgeJob:
    """See judge_services.retry_failed."""
    return _rung(judge_services.retry_failed(job=job, user=user, states=states))


def _rung(job: JudgeJob) -> JudgeJob:
    transaction.on_commit(partial(ring, job.pk))
    return job
