"""What dead workers left: each of their questions goes on from what the ledger says, and nothing is sent here."""

import logging

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from groundtruth.judging import ledger
from groundtruth.judging.jobs import hold_job
from groundtruth.judging.landing import conclude
from groundtruth.judging.leases import finish, lease_length, waiting
from groundtruth.models import JudgeQuestion, LedgerEntry

logger = logging.getLogger(__name__)

State = JudgeQuestion.State


def recover() -> int:
    """Free the questions whose lease ran out; returns how many. One that cannot be mended pauses its job."""
    mended = 0
    for pk, job_id in _left_behind():
        try:
            mended += _recover(pk)
        except Exception as error:  # the others are not to wait for this one
            logger.exception("Question %d of job %d cannot be recovered", pk, job_id)
            hold_job(job_id, f"{type(error).__name__}: {error}")
    return mended


def _left_behind() -> list[tuple[int, int]]:
    """(question, job): of leases that ran out, and of calls older than any lease that nobody works on."""
    old = Now() - lease_length()
    calls = LedgerEntry.objects.filter(question=OuterRef("pk"), state__in=ledger.OPEN, batch=None, reserved_at__lt=old)
    forgotten = ~Q(state=State.LEASED) & Q(Exists(calls))
    overdue = Q(state=State.LEASED, lease_until__lt=Now())
    return list(JudgeQuestion.objects.filter(overdue | forgotten).order_by("pk").values_list("pk", "job_id"))


@transaction.atomic
def _recover(pk: int) -> bool:
    """Whether it was still left behind: its worker may have come back, or another sweep."""
    rows = JudgeQuestion.objects.filter(Q(lease_until=None) | Q(lease_until__lt=Now()), pk=pk)
    locked = rows.select_for_update(no_key=True, skip_locked=True, of=("self",))
    question = locked.select_related("job__prompt").first()
    if question is None:
        return False
    leased = question.state == State.LEASED
    if leased:
        JudgeQuestion.objects.filter(pk=pk).update(**waiting())
    entries = list(LedgerEntry.objects.filter(question=question, state__in=ledger.OPEN, batch=None))
    for entry in entries:
        _close(entry, question)
    return leased or bool(entries)


def _close(entry: LedgerEntry, question: JudgeQuestion) -> None:
    if entry.state == LedgerEntry.State.RESERVED:
        ledger.release(entry, _("The worker ended before the request was sent."))
    elif entry.state == LedgerEntry.State.SENT:
        error = _("The request was sent, then the worker ended: nobody knows whether it was answered.")
        ledger.mark_unknown(entry, error)
        finish(question, State.UNKNOWN, error=error)
    elif entry.http_status is not None and 200 <= entry.http_status < 300:
        conclude(entry, question)
    else:
        ledger.settle(entry, charged=ledger.NOTHING, error=_("The provider answered with an error."))
