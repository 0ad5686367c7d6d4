"""What is paid, and the two limits on it. Money is put aside in the same transaction as its entry, before each call.

Rows are locked in one order: question, job, day. All changes ask what state the entry is in: two never settle it twice.
"""

from datetime import UTC, date, datetime
from decimal import ROUND_UP, Decimal

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, Subquery
from django.db.models.functions import Least
from django.utils import timezone
from django.utils.translation import gettext as _

from groundtruth.judging.parameters import JudgeError
from groundtruth.models import JudgeBatch, JudgeJob, JudgeQuestion, LedgerEntry, SpendDay

State = LedgerEntry.State
OPEN = (State.RESERVED, State.SENT, State.RECEIVED)
SMALLEST = Decimal("0.00000001")
NOTHING = Decimal(0)


class LimitReachedError(JudgeError):
    """The next call could cost more than is left; the message names the limit.

    `calls_under_way`: calls that count against it had their highest cost put aside and may give most of it back.
    """

    def __init__(self, message: str, *, calls_under_way: bool) -> None:
        super().__init__(message)
        self.calls_under_way = calls_under_way


class JobCapReachedError(LimitReachedError):
    pass


class DayCapReachedError(LimitReachedError):
    pass


class JobNotRunningError(JudgeError):
    """The job was paused or cancelled meanwhile."""


class BeingAskedError(JudgeError):
    """Another call, perhaps of a batch, asks the same question just now, or has its answer: nothing is paid here."""

    def __init__(self, message: str, *, batch: bool) -> None:
        super().__init__(message)
        self.batch = batch


class OutcomeUnknownError(JudgeError):
    """The same question was sent before and nobody knows what became of it: a person decides."""


class EntryMovedError(Exception):
    """Somebody else has changed the entry, such as the sweep that took its worker for dead."""


def today() -> date:
    """The day of the daily limit, in UTC."""
    return timezone.now().astimezone(UTC).date()


@transaction.atomic
def reserve(
    *, question: JudgeQuestion, question_hash: str, model: str, amount: Decimal, batch: JudgeBatch | None = None
) -> LedgerEntry:
    """Put aside `amount` dollars, the most that the call can cost. Nothing may be sent before this is committed.

    Raises JobNotRunningError, JobCapReachedError, DayCapReachedError, BeingAskedError, OutcomeUnknownError, with
    nothing put aside.
    """
    amount = amount.quantize(SMALLEST, ROUND_UP)
    day = today()
    _hold_for_job(question.job_id, amount)
    _hold_for_day(day, amount)
    try:
        with transaction.atomic():
            entry = LedgerEntry.objects.create(
                job_id=question.job_id,
                question=question,
                batch=batch,
                question_hash=question_hash,
                model=model,
                day=day,
                reserved_usd=amount,
            )
    except IntegrityError as error:
        asked = LedgerEntry.objects.filter(question_hash=question_hash, state__in=OPEN, batch__isnull=False)
        message = _("The same question is being asked, or was answered.")
        raise BeingAskedError(message, batch=asked.exists()) from error
    _refuse_unknown(entry)
    return entry


def _hold_for_job(job_id: int, amount: Decimal) -> None:
    """The row stays locked to the end of the transaction, refused or not, so that no call ends between two looks."""
    job = JudgeJob.objects.select_for_update(no_key=True).only("state", "held_usd", "cap_usd").get(pk=job_id)
    if job.state != JudgeJob.State.RUNNING:
        raise JobNotRunningError(_("Job %(id)s is not running.") % {"id": job_id})
    within = JudgeJob.objects.filter(pk=job_id, held_usd__lte=F("cap_usd") - amount)
    if not within.update(held_usd=F("held_usd") + amount):
        message = _("The next call could cost $%(amount)s, more than is left of the job's limit.")
        under_way = _calls_under_way(job_id=job_id)
        raise JobCapReachedError(message % {"amount": amount.normalize()}, calls_under_way=under_way)


def _hold_for_day(day: date, amount: Decimal) -> None:
    SpendDay.objects.bulk_create([SpendDay(day=day)], ignore_conflicts=True)
    SpendDay.objects.select_for_update(no_key=True).get(pk=day)
    within = SpendDay.objects.filter(pk=day, held_usd__lte=settings.LLM_DAILY_CAP_USD - amount)
    if not within.update(held_usd=F("held_usd") + amount):
        message = _("The next call could cost $%(amount)s, more than is left of today's limit (by UTC).")
        under_way = _calls_under_way(day=day)
        raise DayCapReachedError(message % {"amount": amount.normalize()}, calls_under_way=under_way)


def _calls_under_way(**which: object) -> bool:
    """Batches are left out: they take hours."""
    return LedgerEntry.objects.filter(state__in=OPEN, batch=None, **which).exists()


def _refuse_unknown(entry: LedgerEntry) -> None:
    """A twin of the question whose outcome is unknown, in this job or since its confirmation, stops the question too.

    The twin gave up its place in the unique index and became unknown in one transaction, so it is seen here.
    """
    confirmed = JudgeJob.objects.filter(pk=entry.job_id).values("confirmed_at")
    twins = LedgerEntry.objects.filter(question_hash=entry.question_hash, state=State.UNKNOWN)
    twins = twins.filter(question__state=JudgeQuestion.State.UNKNOWN).exclude(question_id=entry.question_id)
    twins = twins.exclude(job__state=JudgeJob.State.CANCELLED)
    twin = twins.filter(Q(job_id=entry.job_id) | Q(settled_at__gte=Subquery(confirmed))).first()
    if twin is not None:
        raise OutcomeUnknownError(
            _("Job %(id)s has sent the same question and its outcome is unknown. Try that one again first.")
            % {"id": twin.job_id}
        )


def mark_sent(entry: LedgerEntry) -> None:
    """From here on the call may have reached the provider. Raises EntryMovedError."""
    _move(entry, [State.RESERVED], state=State.SENT, sent_at=timezone.now())


def mark_batch_sent(batch: JudgeBatch, *, before: datetime | None) -> bool:
    """The same for all of a batch: True for one who may now ask the provider to make it, False for all others.

    `before` is when it was asked for last, None if never. Must be committed before it is asked for.
    """
    entries = LedgerEntry.objects.filter(batch=batch, sent_at=before, state=State.SENT if before else State.RESERVED)
    return bool(entries.update(state=State.SENT, sent_at=timezone.now()))


def save_reply(entry: LedgerEntry, *, raw: str, http_status: int | None) -> None:
    """Keep what came back, before anybody reads it. Raises EntryMovedError."""
    received = {"raw": storable(raw), "http_status": http_status, "received_at": timezone.now()}
    _move(entry, [State.SENT], state=State.RECEIVED, **received)


@transaction.atomic
def settle(
    entry: LedgerEntry,
    *,
    charged: Decimal,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    usable: bool = False,
    error: str = "",
) -> None:
    """Charge what the answer cost and give the rest back to the job and the day. Raises EntryMovedError.

    What cost more than was put aside, as a wrong price or count would, is charged all the same and pauses the job.
    """
    charged = charged.quantize(SMALLEST, ROUND_UP)
    _lock_job(entry)
    _move(
        entry,
        [State.RECEIVED],
        state=State.SETTLED,
        charged_usd=charged,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        usable=usable,
        error=storable(error),
        settled_at=timezone.now(),
    )
    _give_back(entry, entry.reserved_usd - charged)


@transaction.atomic
def mark_unknown(entry: LedgerEntry, error: str) -> None:
    """Nobody knows whether the provider did the work: charged at the most it can cost. Raises EntryMovedError."""
    _move(
        entry,
        [State.SENT],
        state=State.UNKNOWN,
        charged_usd=entry.reserved_usd,
        error=storable(error),
        settled_at=timezone.now(),
    )


@transaction.atomic
def release(entry: LedgerEntry, error: str = "") -> None:
    """Give all of it back: nothing reached the provider. Raises EntryMovedError."""
    _lock_job(entry)
    _move(
        entry,
        [State.RESERVED, State.SENT],
        state=State.RELEASED,
        error=storable(error),
        settled_at=timezone.now(),
    )
    _give_back(entry, entry.reserved_usd)


def storable(text: str) -> str:
    """What PostgreSQL can keep: no NUL and no half of a surrogate pair, which a broken answer may hold."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _move(entry: LedgerEntry, before: list[LedgerEntry.State], **changes: object) -> None:
    if not LedgerEntry.objects.filter(pk=entry.pk, state__in=before).update(**changes):
        raise EntryMovedError(f"Ledger entry {entry.pk} is no longer {' or '.join(before)}")
    for name, value in changes.items():
        setattr(entry, name, value)


def _lock_job(entry: LedgerEntry) -> None:
    JudgeJob.objects.select_for_update(no_key=True).only("pk").get(pk=entry.job_id)


def _give_back(entry: LedgerEntry, rest: Decimal) -> None:
    JudgeJob.objects.filter(pk=entry.job_id).update(held_usd=Least(F("held_usd") - rest, F("cap_usd")))
    SpendDay.objects.filter(pk=entry.day).update(held_usd=F("held_usd") - rest)
    if rest < 0:
        JudgeJob.objects.filter(pk=entry.job_id, state=JudgeJob.State.RUNNING).update(
            state=JudgeJob.State.PAUSED,
            error=_("A call cost more than was put aside for it. Look at the price of the model."),
        )
