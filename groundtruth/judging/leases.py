"""Who works on which question. A worker holds one by a token until a time; the sweep takes it from one that is dead."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from groundtruth.models import JudgeJob, JudgeQuestion

State = JudgeQuestion.State
MARGIN = timedelta(seconds=60)

# What a question says that nobody works on.
FREE: dict[str, Any] = {"lease_token": None, "lease_until": None, "updated_at": Now()}


class LeaseLostError(Exception):
    """The question is no longer ours: the sweep took this worker for dead."""


def lease_length() -> timedelta:
    """Longer than any call: the client waits so long for its request to leave, and again for each part of an answer."""
    return 2 * timedelta(seconds=settings.LLM_TIMEOUT_SECONDS) + MARGIN


def claimable(job_id: int) -> QuerySet[JudgeQuestion]:
    """Questions of a running job that may be asked now."""
    due = (Q(not_before=None) | Q(not_before__lte=Now())) & (Q(job__not_before=None) | Q(job__not_before__lte=Now()))
    return JudgeQuestion.objects.filter(due, job_id=job_id, job__state=JudgeJob.State.RUNNING, state=State.PENDING)


@dataclass(frozen=True)
class Lease:
    """What one thread holds. Rows are locked in one order: question, job, day, truth set."""

    token: uuid.UUID = field(default_factory=uuid.uuid4)

    @transaction.atomic
    def claim(self, job_id: int) -> JudgeQuestion | None:
        """The next question of the job, if one may be asked now."""
        waiting = claimable(job_id).select_related("job__prompt").order_by("position")
        question = waiting.select_for_update(skip_locked=True, no_key=True, of=("self",)).first()
        if question is not None:
            JudgeQuestion.objects.filter(pk=question.pk).update(
                state=State.LEASED, lease_token=self.token, lease_until=Now() + lease_length(), updated_at=Now()
            )
        return question

    def hold(self, question: JudgeQuestion) -> None:
        """Lock the question for the rest of the transaction and put off the lease's end. Raises LeaseLostError."""
        if not self._ours(question).update(lease_until=Now() + lease_length(), updated_at=Now()):
            raise LeaseLostError(f"Question {question} was taken from a worker that was slow")

    def count_attempt(self, question: JudgeQuestion) -> None:
        self._ours(question).update(attempts=F("attempts") + 1)
        question.attempts += 1

    def give_back(self, question: JudgeQuestion, *, after: timedelta = timedelta(0), **changes: Any) -> None:
        """Let the question wait again, at least so long; nothing where it is no longer ours."""
        self._ours(question).update(**waiting(after), **changes)

    def _ours(self, question: JudgeQuestion) -> QuerySet[JudgeQuestion]:
        return JudgeQuestion.objects.filter(pk=question.pk, state=State.LEASED, lease_token=self.token)


def waiting(after: timedelta = timedelta(0)) -> dict[str, Any]:
    """What a question says that waits, for at least so long."""
    return {"state": State.PENDING, "not_before": Now() + after if after else None, **FREE}


def finish(question: JudgeQuestion, state: str, *, failure: str = "", error: str = "") -> None:
    """The end of a question whose row the transaction has locked."""
    JudgeQuestion.objects.filter(pk=question.pk).update(
        state=state, failure=failure, error=error, not_before=None, **FREE
    )
