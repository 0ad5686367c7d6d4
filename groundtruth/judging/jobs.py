"""The states of a job as its workers change them. What people do with jobs is in groundtruth/judge_services.py."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from groundtruth.models import JudgeJob, JudgeQuestion

State = JudgeJob.State
UNFINISHED = (JudgeQuestion.State.PENDING, JudgeQuestion.State.LEASED, JudgeQuestion.State.IN_BATCH)
NOT_ANSWERED = (JudgeQuestion.State.FAILED, JudgeQuestion.State.UNKNOWN)


def ready_jobs() -> QuerySet[JudgeJob]:
    """Running jobs of live calls with a question that may be asked now, oldest first."""
    due = Q(not_before=None) | Q(not_before__lte=Now())
    waiting = JudgeQuestion.objects.filter(due, job=OuterRef("pk"), state=JudgeQuestion.State.PENDING)
    running = JudgeJob.objects.filter(due, state=State.RUNNING, mode=JudgeJob.Mode.LIVE)
    return running.filter(Exists(waiting)).order_by("pk")


def ended_jobs() -> QuerySet[JudgeJob]:
    """Running jobs that have nothing left to do, such as those whose worker died at the very end."""
    unfinished = JudgeQuestion.objects.filter(job=OuterRef("pk"), state__in=UNFINISHED)
    return JudgeJob.objects.filter(~Exists(unfinished), state=State.RUNNING)


@transaction.atomic
def finish_job(job_id: int) -> bool:
    """End a running job that has nothing left to do; one with a question that has no answer never reads completed."""
    locked = JudgeJob.objects.select_for_update(no_key=True).filter(pk=job_id, state=State.RUNNING).first()
    questions = JudgeQuestion.objects.filter(job_id=job_id)
    if locked is None or questions.filter(state__in=UNFINISHED).exists():
        return False
    failed = questions.filter(state__in=NOT_ANSWERED).exists()
    locked.state = State.COMPLETED_WITH_FAILURES if failed else State.COMPLETED
    locked.finished_at = timezone.now()
    locked.save(update_fields=["state", "finished_at"])
    return True


def hold_job(job_id: int, reason: str) -> None:
    """Pause a job that cannot go on, with the reason; nothing where a person was faster."""
    JudgeJob.objects.filter(pk=job_id, state=State.RUNNING).update(state=State.PAUSED, error=reason)


def slow_down(job_id: int, delay: timedelta) -> None:
    """Let the whole job wait, because the provider asks for patience; a longer wait stands."""
    until = Now() + delay
    JudgeJob.objects.filter(pk=job_id).update(not_before=Greatest("not_before", until))  # a NULL is passed over
