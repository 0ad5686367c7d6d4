"""Jobs in batch mode, at half the price. Each step is committed before the next, so that a crash sends nothing twice:

questions reserved | file uploaded | sent | (batch made) | its id saved | ... | ended there | answers saved | landed |
its files deleted there

A batch has its key in the provider's metadata: where a process died between "sent" and "its id saved", the batch is
looked for by its key, for a time, before it is asked for once more.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import IO

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from groundtruth.judging import batch_client, ledger
from groundtruth.judging.batch_client import CallError, Remote
from groundtruth.judging.batch_collecting import abandon, collect
from groundtruth.judging.batch_filling import Filling, open_entries, take_out, write_again
from groundtruth.judging.client import Reply, ReplyKind, provider
from groundtruth.judging.jobs import finish_job, hold_job, slow_down
from groundtruth.judging.landing import refuse_frozen
from groundtruth.judging.leases import claimable
from groundtruth.judging.outcomes import ATTEMPTS, delay
from groundtruth.judging.parameters import JudgeError
from groundtruth.models import JudgeBatch, JudgeJob, JudgeQuestion, LedgerEntry
from groundtruth.set_services import SetError
from itembank.alone import Work, alone_on

logger = logging.getLogger(__name__)

State = JudgeBatch.State
OPEN = (State.PREPARING, State.SUBMITTED)
CHECK_EVERY = timedelta(minutes=1)
# The provider's list may lag behind; a request for a batch has ended long before, one way or the other.
LOOK_FOR = timedelta(minutes=10)
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
ENDING = ENDED | {"cancelling"}
# The provider has said no, or was not asked.
NOT_MADE = frozenset({ReplyKind.RATE_LIMITED, ReplyKind.OUT_OF_QUOTA, ReplyKind.REJECTED, ReplyKind.UNREACHABLE})
NEEDS_A_PERSON = frozenset({ReplyKind.OUT_OF_QUOTA, ReplyKind.REJECTED})
TRIES = ATTEMPTS[ReplyKind.UNREACHABLE]


def due_jobs() -> QuerySet[JudgeJob]:
    """Batch jobs with questions to send, and those, in whatever state, with a batch to be looked after."""
    due = Q(not_before=None) | Q(not_before__lte=Now())
    asked = JudgeQuestion.objects.filter(due, job=OuterRef("pk"), state=JudgeQuestion.State.PENDING)
    to_send = Q(due, Exists(asked), state=JudgeJob.State.RUNNING)
    to_check = Q(Exists(_to_check().filter(job=OuterRef("pk"))))
    return JudgeJob.objects.filter(to_send | to_check, mode=JudgeJob.Mode.BATCH).order_by("pk")


def _to_check() -> QuerySet[JudgeBatch]:
    return JudgeBatch.objects.filter(Q(checked_at=None) | Q(checked_at__lt=Now() - CHECK_EVERY), state__in=OPEN)


def work_on(job_id: int, stopping: threading.Event) -> bool:
    """Look after the job's batches and send what waits. Returns whether it is a batch job.

    One process at a time does; one that cannot go on is paused with the reason.
    """
    if not JudgeJob.objects.filter(pk=job_id, mode=JudgeJob.Mode.BATCH).exists():
        return False
    with alone_on(Work.JUDGE_BATCH, job_id) as alone:
        if alone:
            _work(JudgeJob.objects.select_related("prompt").get(pk=job_id), stopping)
    return True


def _work(job: JudgeJob, stopping: threading.Event) -> None:
    for batch in _to_check().filter(job=job).select_related("job__prompt").order_by("pk"):
        with _held_on_error(job.pk):
            _look_after(batch)
    with _held_on_error(job.pk):
        while not stopping.is_set() and _send_next(job, stopping):
            pass
    finish_job(job.pk)


@contextmanager
def _held_on_error(job_id: int) -> Iterator[None]:
    try:
        yield
    except (JudgeError, SetError) as error:  # no price, no key, a frozen set
        hold_job(job_id, str(error))
    except (OperationalError, InterfaceError):
        raise  # the sweep comes back to it
    except Exception as error:  # a person has to look
        logger.exception("Job %d cannot go on and is paused", job_id)
        hold_job(job_id, f"{type(error).__name__}: {error}")


def _look_after(batch: JudgeBatch) -> None:
    try:
        if batch.state == State.PREPARING:
            _go_on_sending(batch)
        else:
            _poll(batch)
    except CallError as error:
        logger.warning("Batch %s: %s", batch, error)
        _note(batch, error=str(error))
        if error.reply.kind in NEEDS_A_PERSON:
            hold_job(batch.job_id, str(error))


# ---- sending


def _send_next(job: JudgeJob, stopping: threading.Event) -> bool:
    """Whether a batch was filled, so that there may be questions for another."""
    if not claimable(job.pk).exists():
        return False
    provider()
    with TemporaryFile() as file:
        filling = Filling(job, file)
        batch = filling.fill(stopping)
        if batch is not None:
            _send(batch, file, before=None)
    if filling.reason:
        hold_job(job.pk, filling.reason)
    return batch is not None


def _go_on_sending(batch: JudgeBatch) -> None:
    """Of a batch that another process began, or of which we do not know whether it was made. Raises CallError."""
    remote = batch_client.find(batch.key)
    if remote is not None:
        _submitted(batch, remote)
        return
    asked_at = _asked_at(batch)
    if asked_at is not None and timezone.now() - asked_at < LOOK_FOR:
        _note(batch, error=_("It is not known whether the provider has this batch; it is being looked for."))
    elif batch.job.state != JudgeJob.State.RUNNING:
        batch_client.delete_files(batch_client.uploads(batch.key))
        _take_back(batch, _("The job was stopped before the batch was sent."))
    else:
        refuse_frozen(batch.job)
        with TemporaryFile() as file:
            if write_again(batch, file):
                _send(batch, file, before=asked_at)
            else:
                batch_client.delete_files(batch_client.uploads(batch.key))
                _take_back(batch, _("Nothing is left of the batch."))


def _asked_at(batch: JudgeBatch) -> datetime | None:
    """When the provider was last asked to make it; None: never."""
    sent = LedgerEntry.objects.filter(batch=batch, state=LedgerEntry.State.SENT)
    newest: datetime | None = sent.aggregate(newest=Max("sent_at"))["newest"]
    return newest


def _send(batch: JudgeBatch, file: IO[bytes], *, before: datetime | None) -> None:
    file.seek(0)
    try:
        file_id = batch_client.upload(file, batch.key)
    except CallError as error:  # a file costs nothing
        _not_made(batch, error.reply)
        return
    if not _may_ask(batch, before):
        batch_client.delete_files([file_id])
        return
    try:
        remote = batch_client.create(file_id, key=batch.key, job_id=batch.job_id)
    except CallError as error:
        if error.reply.kind in NOT_MADE:
            _not_made(batch, error.reply)
            batch_client.delete_files([file_id])
        else:
            _note(batch, error=str(error))  # and look for it in a minute
    else:
        _submitted(batch, remote)


def _may_ask(batch: JudgeBatch, before: datetime | None) -> bool:
    """Committed: from here on the batch may be there. False where the job was stopped, or another process asks."""
    with transaction.atomic(durable=True):
        job = JudgeJob.objects.select_for_update(no_key=True).get(pk=batch.job_id)
        running = job.state == JudgeJob.State.RUNNING
        asks = running and ledger.mark_batch_sent(batch, before=before)
    if not running:
        _take_back(batch, _("The job was stopped before the batch was sent."))
    return asks


def _submitted(batch: JudgeBatch, remote: Remote) -> None:
    _note(batch, state=State.SUBMITTED, remote_id=remote.id, remote_state=remote.state, error="")


def _not_made(batch: JudgeBatch, reply: Reply) -> None:
    """The provider does not have the batch. Its questions wait for another one, or for a person."""
    sent = JudgeQuestion.objects.filter(ledger__batch=batch, state=JudgeQuestion.State.IN_BATCH)
    attempts = sent.aggregate(most=Max("attempts", default=1))["most"]
    if reply.kind in NEEDS_A_PERSON or attempts >= TRIES:
        hold_job(batch.job_id, reply.error)
        _take_back(batch, reply.error)
    else:
        slow_down(batch.job_id, delay(attempts, reply.retry_after))
        _take_back(batch, reply.error, afresh=False)


def _take_back(batch: JudgeBatch, error: str, *, afresh: bool = True) -> None:
    """Nothing of it was done: all its money is given back. `afresh`: its questions count as never sent."""
    changes = {"attempts": 0} if afresh else {}
    for entry in open_entries(batch):
        take_out(entry, error, **changes)
    _note(batch, state=State.FAILED, error=error)


# ---- looking after


def _poll(batch: JudgeBatch) -> None:
    """Ask how far it is, cancel it where the job was cancelled, and take in what an ended one did. Raises CallError."""
    try:
        remote = batch_client.retrieve(batch.remote_id, batch.key)
        if batch.job.state == JudgeJob.State.CANCELLED and remote.state not in ENDING:
            remote = batch_client.cancel(batch.remote_id)
    except CallError as error:
        if error.reply.status != 404 or batch.job.state != JudgeJob.State.CANCELLED:
            raise
        abandon(batch, str(error))
        _note(batch, state=State.FAILED, error=str(error))
        return
    _note(batch, remote_state=remote.state, error="")
    if remote.state in ENDED:
        _end(batch, remote)


def _end(batch: JudgeBatch, remote: Remote) -> None:
    if remote.state == "failed":
        reason = remote.error or _("The provider failed the batch.")
        hold_job(batch.job_id, reason)
    elif remote.state == "cancelled":  # by us the job is cancelled too, which no reason changes
        reason = _("The batch was cancelled at the provider.")
        hold_job(batch.job_id, reason)
    else:
        reason = ""
    collect(batch, remote)
    _tidy(batch, remote)
    _note(batch, state=State.FAILED if remote.state == "failed" else State.COLLECTED, error=reason)


def _tidy(batch: JudgeBatch, remote: Remote) -> None:
    """Delete its files there, now that each of its answers is ours. Before it counts as collected, so that a process
    that dies here is followed by one that tries again."""
    if LedgerEntry.objects.filter(batch=batch, state=LedgerEntry.State.UNKNOWN).exists():
        logger.warning("The files of batch %s stay with the provider: some of its questions have no answer", batch)
        return
    files = [*remote.files, remote.source, *batch_client.uploads(batch.key)]
    batch_client.delete_files(dict.fromkeys(filter(None, files)))


def _note(batch: JudgeBatch, **changes: str) -> None:
    """What was seen of it, just now."""
    for name, value in changes.items():
        setattr(batch, name, value)
    JudgeBatch.objects.filter(pk=batch.pk).update(checked_at=Now(), **changes)
