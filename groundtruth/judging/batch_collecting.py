"""What becomes of a batch that has ended: each answer is saved first, then read, charged and landed as live ones are.

Any step may be the last of a process: what is saved is not saved again, and what is settled is not charged again.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from groundtruth.judging import ledger
from groundtruth.judging.batch_client import CallError, Remote, results
from groundtruth.judging.batch_filling import entries_of, lock, open_entries, take_out
from groundtruth.judging.client import ReplyKind, refusal
from groundtruth.judging.landing import conclude
from groundtruth.judging.leases import Lease, LeaseLostError, finish
from groundtruth.judging.outcomes import ATTEMPTS, close_call
from groundtruth.models import JudgeBatch, JudgeQuestion, LedgerEntry

logger = logging.getLogger(__name__)

NOT_IN_TIME = frozenset({"batch_expired", "batch_cancelled"})

State, Failure = JudgeQuestion.State, JudgeQuestion.Failure


def collect(batch: JudgeBatch, remote: Remote) -> None:
    """Take in all that an ended batch did. Raises CallError where its files cannot be fetched just now."""
    whole = _save_results(batch, remote)
    for entry in entries_of(batch, LedgerEntry.State.RECEIVED):
        _land(entry)
    for entry in open_entries(batch):
        _close_unnamed(entry, remote, whole)


def abandon(batch: JudgeBatch, error: str) -> None:
    """The provider does not know the batch any more: nobody can tell what it did."""
    for entry in open_entries(batch):
        _unknown(entry, error)


def _save_results(batch: JudgeBatch, remote: Remote) -> bool:
    """Whether the files were there; they are kept for a time only."""
    if not LedgerEntry.objects.filter(batch=batch, state=LedgerEntry.State.SENT).exists():
        return True
    whole = True
    for file_id in remote.files:
        try:
            for line in results(file_id):
                _save(batch, line)
        except CallError as error:
            if error.reply.status != 404:
                raise
            whole = False
    return whole


def _save(batch: JudgeBatch, line: Mapping[str, Any]) -> None:
    entry = _entry_of(batch, line.get("custom_id"))
    if entry is None:
        return
    response, error = line.get("response"), line.get("error")
    if isinstance(response, Mapping):
        raw = json.dumps(response.get("body"), ensure_ascii=False)
        ledger.save_reply(entry, raw=raw, http_status=_status(response.get("status_code")))
    else:
        told = error if isinstance(error, Mapping) else {}
        expired = told.get("code") in NOT_IN_TIME
        reason = ledger.storable(str(told.get("message") or told.get("code") or ""))
        _close_unpaid(entry, Failure.EXPIRED if expired else Failure.SERVER_ERROR, reason)


def _entry_of(batch: JudgeBatch, custom_id: object) -> LedgerEntry | None:
    """The entry that waits for the line; None for a line that was read before, or is none of ours."""
    try:
        pk = UUID(str(custom_id))
    except ValueError:
        return None
    sent = LedgerEntry.objects.filter(batch=batch, pk=pk, state=LedgerEntry.State.SENT)
    return sent.select_related("question").first()


def _status(value: object) -> int:
    """Of a response; one without a sensible status is taken for a failure of the provider."""
    return value if isinstance(value, int) and 100 <= value < 600 else 500


@transaction.atomic
def _land(entry: LedgerEntry) -> None:
    """Just as a live answer."""
    rows = JudgeQuestion.objects.select_for_update(no_key=True, of=("self",)).select_related("job__prompt")
    question = rows.get(pk=entry.question_id)
    status = entry.http_status or 500
    if 200 <= status < 300:
        conclude(entry, question)
        return
    reply = refusal(status, entry.raw)
    if reply.kind == ReplyKind.UNKNOWN:  # the provider itself says how its request ended
        reply = refusal(500, entry.raw)
    close_call(entry, question, reply, _InBatch())


def _close_unnamed(entry: LedgerEntry, remote: Remote, whole: bool) -> None:
    """A question of the batch that no result file names."""
    if remote.state == "failed" and not remote.files:
        take_out(entry, remote.error, attempts=0)
    elif remote.state == "completed" or not whole:
        _unknown(entry, _("The batch has ended, but its results do not name this question."))
    else:
        _close_unpaid(entry, Failure.EXPIRED, _("The batch ended before its turn"))


@transaction.atomic
def _close_unpaid(entry: LedgerEntry, failure: str, reason: str) -> None:
    """It was never answered and costs nothing. One that the provider failed waits for the next batch, a few times; one
    that had no turn waits for a person, who may rather ask it at once in another job."""
    take_out(entry, reason, failure=failure, error=reason)
    if failure == Failure.EXPIRED or entry.question.attempts >= ATTEMPTS[ReplyKind.SERVER_ERROR]:
        finish(entry.question, State.FAILED, failure=failure, error=reason)


@transaction.atomic
def _unknown(entry: LedgerEntry, reason: str) -> None:
    lock(entry.question)
    ledger.mark_unknown(entry, reason)
    finish(entry.question, State.UNKNOWN, error=reason)


class _InBatch(Lease):
    """What holds a question while its batch is at the provider, where a live call has its lease."""

    def hold(self, question: JudgeQuestion) -> None:
        if not self._ours(question).update(updated_at=Now()):
            raise LeaseLostError(f"Question {question} is in no batch")

    def _ours(self, question: JudgeQuestion) -> QuerySet[JudgeQuestion]:
        return JudgeQuestion.objects.filter(pk=question.pk, state=State.IN_BATCH)
