"""What a call without an answer means for its question and its job, and when the next try is."""

import random
from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from groundtruth.judging import ledger
from groundtruth.judging.client import Reply, ReplyKind
from groundtruth.judging.jobs import hold_job, slow_down
from groundtruth.judging.leases import Lease, finish
from groundtruth.models import JudgeQuestion, LedgerEntry

State, Failure = JudgeQuestion.State, JudgeQuestion.Failure

FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0  # seconds
LONGEST_PATIENCE = 3600.0  # whatever Retry-After says
NO_ENTRY = frozenset({401, 403})
# How often a question is sent before it fails, or before a provider that cannot be reached pauses the job.
ATTEMPTS = {ReplyKind.RATE_LIMITED: 6, ReplyKind.SERVER_ERROR: 4, ReplyKind.UNREACHABLE: 6}
FAILURES = {
    ReplyKind.RATE_LIMITED: Failure.RATE_LIMITED,
    ReplyKind.SERVER_ERROR: Failure.SERVER_ERROR,
    ReplyKind.UNREACHABLE: Failure.UNREACHABLE,
    ReplyKind.REJECTED: Failure.REJECTED,
}


@transaction.atomic
def close_call(entry: LedgerEntry, question: JudgeQuestion, reply: Reply, lease: Lease) -> None:
    """Settle a call without an answer and decide what its question does. Raises LeaseLostError, EntryMovedError."""
    lease.hold(question)
    error = ledger.storable(reply.error)
    if reply.kind == ReplyKind.UNKNOWN:
        ledger.mark_unknown(entry, error)
        finish(question, State.UNKNOWN, error=error)
        return
    if reply.kind == ReplyKind.UNREACHABLE:
        ledger.release(entry, error)
    else:
        ledger.settle(entry, charged=ledger.NOTHING, error=error)
    _decide(question, reply, lease, error)


def _decide(question: JudgeQuestion, reply: Reply, lease: Lease, error: str) -> None:
    if _stops_the_job(question, reply):
        lease.give_back(question, attempts=0, failure=FAILURES.get(reply.kind, ""), error=error)
        hold_job(question.job_id, error)
    elif question.attempts >= ATTEMPTS.get(reply.kind, 1):
        finish(question, State.FAILED, failure=FAILURES[reply.kind], error=error)
    else:
        pause = delay(question.attempts, reply.retry_after)
        lease.give_back(question, after=pause, failure=FAILURES[reply.kind], error=error)
        if reply.kind != ReplyKind.SERVER_ERROR:
            slow_down(question.job_id, pause)


def _stops_the_job(question: JudgeQuestion, reply: Reply) -> bool:
    """What would come of every other question too: a person has to look."""
    if reply.kind == ReplyKind.UNREACHABLE:
        return question.attempts >= ATTEMPTS[reply.kind]
    return reply.kind == ReplyKind.OUT_OF_QUOTA or (reply.kind == ReplyKind.REJECTED and reply.status in NO_ENTRY)


def delay(attempts: int, retry_after: float | None) -> timedelta:
    """Longer with each attempt, at least what the provider asks for, and not the same for all who were turned away."""
    backoff = min(FIRST_PAUSE * 2 ** (attempts - 1), LAST_PAUSE)
    wanted = backoff if retry_after is None else min(retry_after, LONGEST_PATIENCE)
    return timedelta(seconds=wanted + random.uniform(0, backoff / 4))  # noqa: S311 - jitter, not a secret


def no_pairs_left() -> str:
    return _("The set has none of its pairs any more.")
