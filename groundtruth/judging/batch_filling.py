"""Putting questions into batches: money is put aside for each, then its line is written to the batch's file."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from groundtruth.judging import ledger
from groundtruth.judging.client import request_body
from groundtruth.judging.landing import built_from, refuse_frozen, reuse
from groundtruth.judging.leases import FREE, claimable, finish, waiting
from groundtruth.judging.outcomes import no_pairs_left
from groundtruth.judging.parameters import JudgeError, JudgeParameters
from groundtruth.judging.pricing import maximum_cost, price_of
from groundtruth.judging.questions import Question
from groundtruth.models import JudgeBatch, JudgeJob, JudgeQuestion, LedgerEntry, ModelPrice

# The provider takes 50,000 requests and 200 MB in a file.
MAX_REQUESTS, MAX_BYTES = 50_000, 180_000_000
AFTER_TWIN = timedelta(minutes=5)  # until the same question, asked elsewhere, may have its answer

State, Failure = JudgeQuestion.State, JudgeQuestion.Failure


class FullError(Exception):
    """The question has no room in this batch."""


class TakenError(Exception):
    """Somebody else has the question."""


@dataclass
class Filling:
    """One new batch of a running job, in `batch` unless nothing is to be sent; `reason` says why a limit ended it.

    What it reserves is committed question by question: of a process that dies, the batch is sent as far as it came.
    """

    job: JudgeJob
    file: IO[bytes]
    batch: JudgeBatch | None = None
    reason: str = ""
    requests: int = 0
    size: int = 0
    price: ModelPrice = field(init=False)
    parameters: JudgeParameters = field(init=False)

    def __post_init__(self) -> None:
        self.price, self.parameters = price_of(self.job.model), JudgeParameters.from_json(self.job.parameters)

    def fill(self, stopping: threading.Event) -> JudgeBatch | None:
        """Take questions until there are no more, none fits, or the process is to stop.

        Raises SetFrozenError before the first. A question that cannot be asked fails, and keeps no other from it.
        """
        refuse_frozen(self.job)
        for pk in list(claimable(self.job.pk).order_by("position").values_list("pk", flat=True)):
            if stopping.is_set() or not self._take(pk):
                break
        return self.batch

    def _take(self, pk: int) -> bool:
        """Whether there may be room for another."""
        question = JudgeQuestion.objects.select_related("job__prompt").get(pk=pk)
        try:
            self._add(question)
        except TakenError:
            return True
        except ledger.BeingAskedError:
            _change(question, **waiting(AFTER_TWIN))
        except ledger.OutcomeUnknownError as error:
            _end(question, State.UNKNOWN, error=str(error))
        except ledger.LimitReachedError as error:
            self.reason = "" if error.calls_under_way else str(error)
            return False
        except (FullError, ledger.JobNotRunningError):
            return False
        return True

    def _add(self, question: JudgeQuestion) -> None:
        built = built_from(question)
        if built is None:
            _end(question, State.FAILED, failure=Failure.UNASKABLE, error=no_pairs_left())
        elif not _reused(question, built):
            try:
                body = request_body(built, self.parameters)
            except JudgeError as error:  # a broken picture, which concerns no other question
                _end(question, State.FAILED, failure=Failure.UNASKABLE, error=str(error))
            else:
                self._write(question, built, body)

    def _write(self, question: JudgeQuestion, built: Question, body: dict[str, Any]) -> None:
        size = len(line_of(UUID(int=0), body))
        if size > MAX_BYTES:
            error = _("The question is larger than a batch may be. Choose smaller images.")
            _end(question, State.FAILED, failure=Failure.UNASKABLE, error=error)
            return
        if self.requests >= MAX_REQUESTS or self.size + size > MAX_BYTES:
            raise FullError
        entry = self._reserve(question, built)
        self.file.write(line_of(entry.pk, body))
        self.requests, self.size = self.requests + 1, self.size + size

    def _reserve(self, question: JudgeQuestion, built: Question) -> LedgerEntry:
        amount = maximum_cost(built, self.price, self.parameters, batch=True).usd
        with transaction.atomic(durable=True):
            _hold(question)
            batch = self.batch or JudgeBatch.objects.create(job=self.job)
            entry = ledger.reserve(
                question=question, question_hash=built.hash, model=self.job.model, amount=amount, batch=batch
            )
            _change(question, **FREE | {"state": State.IN_BATCH, "attempts": F("attempts") + 1})
        self.batch = batch
        return entry


def write_again(batch: JudgeBatch, file: IO[bytes]) -> int:
    """The lines of a batch that another process filled; returns how many. What would be another question by now, since
    its items were edited, is taken out."""
    written = 0
    parameters = JudgeParameters.from_json(batch.job.parameters)
    for entry in open_entries(batch):
        line = _line_again(entry, parameters)
        if line is None:
            take_out(entry, _("The items were edited before the batch was sent."))
        else:
            file.write(line)
            written += 1
    return written


def _line_again(entry: LedgerEntry, parameters: JudgeParameters) -> bytes | None:
    built = built_from(entry.question)
    if built is None or built.hash != entry.question_hash:
        return None
    try:
        return line_of(entry.pk, request_body(built, parameters))
    except JudgeError:
        return None


def open_entries(batch: JudgeBatch) -> Iterator[LedgerEntry]:
    """Those of the batch without an answer so far, in order."""
    return entries_of(batch, LedgerEntry.State.RESERVED, LedgerEntry.State.SENT)


def entries_of(batch: JudgeBatch, *states: str) -> Iterator[LedgerEntry]:
    """Read one by one: a batch may have 50,000, each with its answer."""
    entries = LedgerEntry.objects.filter(batch=batch, state__in=states)
    for pk in list(entries.order_by("question__position").values_list("pk", flat=True)):
        yield from entries.select_related("question__job__prompt").filter(pk=pk)


@transaction.atomic
def take_out(entry: LedgerEntry, reason: str, **changes: Any) -> None:
    """Nothing of it was done: its money is given back and its question waits. Raises EntryMovedError."""
    lock(entry.question)
    ledger.release(entry, reason)
    JudgeQuestion.objects.filter(pk=entry.question_id).update(**waiting() | changes)


def lock(question: JudgeQuestion) -> None:
    """For the rest of the transaction. Rows are locked in one order: question, job, day, truth set."""
    JudgeQuestion.objects.select_for_update(no_key=True).only("pk").get(pk=question.pk)


def line_of(entry_id: UUID, body: dict[str, Any]) -> bytes:
    """One request of a batch's file."""
    line = {"custom_id": str(entry_id), "method": "POST", "url": "/v1/chat/completions", "body": body}
    text = json.dumps(line, ensure_ascii=False)
    for other_end in "\x85\u2028\u2029":  # some readers take these for ends of lines
        text = text.replace(other_end, f"\\u{ord(other_end):04x}")
    return text.encode() + b"\n"


@transaction.atomic
def _reused(question: JudgeQuestion, built: Question) -> bool:
    _hold(question)
    return reuse(question, built)


@transaction.atomic
def _end(question: JudgeQuestion, state: str, *, failure: str = "", error: str = "") -> None:
    _hold(question)
    finish(question, state, failure=failure, error=error)


def _hold(question: JudgeQuestion) -> None:
    """Lock a question that waits. Raises TakenError where it does so no more."""
    rows = JudgeQuestion.objects.select_for_update(no_key=True, skip_locked=True)
    if not rows.filter(pk=question.pk, state=State.PENDING).exists():
        raise TakenError


def _change(question: JudgeQuestion, **changes: Any) -> None:
    JudgeQuestion.objects.filter(pk=question.pk, state=State.PENDING).update(**changes)
