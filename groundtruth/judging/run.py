"""Asking the questions of a job. Each step is committed before the next, so that a crash anywhere pays nothing twice:

claim | reserve | sent | (the call) | raw answer saved | read, charged and landed
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from django.db import InterfaceError, OperationalError, connection, connections, transaction
from django.db.models import F
from django.utils import timezone

from groundtruth.judging import ledger
from groundtruth.judging.client import Reply, ReplyKind, provider, send
from groundtruth.judging.jobs import finish_job, hold_job
from groundtruth.judging.landing import built_from, conclude, refuse_frozen, reuse
from groundtruth.judging.leases import Lease, LeaseLostError, finish
from groundtruth.judging.outcomes import close_call, no_pairs_left
from groundtruth.judging.parameters import JudgeError, JudgeParameters
from groundtruth.judging.pricing import maximum_cost, price_of
from groundtruth.judging.questions import Question
from groundtruth.models import JudgeJob, JudgeQuestion, LedgerEntry
from groundtruth.set_services import SetError
from itembank.threads import ThreadPool

logger = logging.getLogger(__name__)

State, Failure = JudgeQuestion.State, JudgeQuestion.Failure
LONGEST_WAIT = 1.0  # seconds between two looks at a job whose questions wait
SOON = timedelta(seconds=1)  # until calls under way may have made room, or answered the same question
AFTER_BATCH = timedelta(minutes=5)
OUTAGE_SECONDS = 45.0  # a paid answer in hand waits so long for the database, within the lease's margin
FIRST_PAUSE, LAST_PAUSE = 0.2, 5.0


def work_on(job_id: int, deadline: float, stopping: threading.Event) -> bool:
    """Ask the questions of a running live job, several at once, until the deadline (of time.monotonic).

    Returns whether there was such a job. One that cannot go on is paused with the reason.
    """
    job = JudgeJob.objects.filter(pk=job_id, state=JudgeJob.State.RUNNING, mode=JudgeJob.Mode.LIVE).first()
    if job is None:
        return False
    try:
        threads = JudgeParameters.from_json(job.parameters).concurrency
        provider()
        price_of(job.model)
    except JudgeError as error:
        hold_job(job_id, str(error))
        return True
    with ThreadPool(threads, thread_name_prefix=f"judge-{job_id}") as pool:
        loops = [pool.submit(_Asker(job_id, deadline, stopping)) for _each in range(threads)]
    for loop in loops:
        loop.result()
    finish_job(job_id)
    return True


class _Asker:
    """One thread's loop over the questions of a job, one at a time, on a database connection of its own."""

    def __init__(self, job_id: int, deadline: float, stopping: threading.Event) -> None:
        self.job_id = job_id
        self.deadline = deadline
        self.stopping = stopping
        self.lease = Lease()

    def __call__(self) -> None:
        try:
            while not self.stopping.is_set() and time.monotonic() < self.deadline:
                question = self.lease.claim(self.job_id)
                if question is not None:
                    self._ask_guarded(question)
                elif not self._wait():
                    break
        finally:
            connections.close_all()

    def _wait(self) -> bool:
        """Wait for a question that is to be asked later; False where none will be within our time."""
        seconds = _seconds_to_next(self.job_id)
        if seconds is None or time.monotonic() + seconds > self.deadline:
            return False
        self.stopping.wait(min(max(seconds, 0.01), LONGEST_WAIT))
        return True

    def _ask_guarded(self, question: JudgeQuestion) -> None:
        try:
            self._ask(question)
        except (LeaseLostError, ledger.EntryMovedError) as error:
            logger.warning("Job %d: %s", self.job_id, error)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # a person has to look; what was sent is found by the sweep
            logger.exception("Job %d cannot go on and is paused", self.job_id)
            hold_job(self.job_id, f"{type(error).__name__}: {error}")

    def _ask(self, question: JudgeQuestion) -> None:
        try:
            built = self._prepared(question)
            entry = self._reserve(question, built) if built is not None else None
        except ledger.JobNotRunningError:
            self.lease.give_back(question)
        except ledger.BeingAskedError as error:
            self.lease.give_back(question, after=AFTER_BATCH if error.batch else SOON)
        except ledger.LimitReachedError as error:
            self._wait_for_room(question, error)
        except ledger.OutcomeUnknownError as error:
            self._end(question, State.UNKNOWN, error=str(error))
        except (JudgeError, SetError) as error:  # no price, a frozen set
            self._stop(question, str(error))
        else:
            if built is not None and entry is not None:
                self._call(question, built, entry)

    def _prepared(self, question: JudgeQuestion) -> Question | None:
        """What to send, its pictures opened; None where the question has its end already, without paying."""
        built = built_from(question)
        if built is None:
            self._end(question, State.FAILED, failure=Failure.UNASKABLE, error=no_pairs_left())
            return None
        refuse_frozen(question.job)
        with transaction.atomic():
            self.lease.hold(question)
            if reuse(question, built):
                return None
        try:
            built.messages()
        except JudgeError as error:  # a broken picture, which costs nothing and concerns no other question
            self._end(question, State.FAILED, failure=Failure.UNASKABLE, error=str(error))
            return None
        return built

    def _reserve(self, question: JudgeQuestion, built: Question) -> LedgerEntry:
        """Money put aside, committed. What stands in the way raises; see ledger.reserve."""
        model, parameters = question.job.model, JudgeParameters.from_json(question.job.parameters)
        amount = maximum_cost(built, price_of(model), parameters, batch=False).usd
        with transaction.atomic(durable=True):
            self.lease.hold(question)
            entry = ledger.reserve(question=question, question_hash=built.hash, model=model, amount=amount)
            self.lease.count_attempt(question)
        return entry

    def _call(self, question: JudgeQuestion, built: Question, entry: LedgerEntry) -> None:
        with transaction.atomic(durable=True):
            self.lease.hold(question)
            ledger.mark_sent(entry)
        connections.close_all()  # a call takes seconds, and connections are few
        reply = _sent(question, built, entry)
        if reply.status is not None and reply.kind != ReplyKind.UNKNOWN:
            _through_outages(lambda: ledger.save_reply(entry, raw=reply.raw, http_status=reply.status))
        if reply.kind == ReplyKind.ANSWERED:
            _through_outages(lambda: self._conclude(entry, question))
        else:
            _through_outages(lambda: close_call(entry, question, reply, self.lease))

    @transaction.atomic
    def _conclude(self, entry: LedgerEntry, question: JudgeQuestion) -> None:
        self.lease.hold(question)
        conclude(entry, question)

    def _wait_for_room(self, question: JudgeQuestion, error: ledger.LimitReachedError) -> None:
        """Calls under way may give back most of what is put aside for them; without any, the job has to stop."""
        if error.calls_under_way:
            self.lease.give_back(question, after=SOON)
        else:
            self._stop(question, str(error))

    def _stop(self, question: JudgeQuestion, reason: str) -> None:
        self.lease.give_back(question)
        hold_job(self.job_id, reason)

    @transaction.atomic
    def _end(self, question: JudgeQuestion, state: str, *, failure: str = "", error: str = "") -> None:
        self.lease.hold(question)
        finish(question, state, failure=failure, error=error)


def _sent(question: JudgeQuestion, built: Question, entry: LedgerEntry) -> Reply:
    """The reply of the provider, asked once. An error of ours before anything was sent is no connection."""
    try:
        return send(built, JudgeParameters.from_json(question.job.parameters), entry_id=entry.pk)
    except JudgeError as error:
        return Reply(ReplyKind.UNREACHABLE, error=str(error))
    except Exception as error:
        logger.exception("Call %s ended with an error of our own", entry.pk)
        return Reply(ReplyKind.UNKNOWN, error=f"{type(error).__name__}: {error}")


def _through_outages(step: Callable[[], None]) -> None:
    """Do it; while the database is away, wait and try again: what the provider was paid for is in our hands."""
    until, pause = time.monotonic() + OUTAGE_SECONDS, FIRST_PAUSE
    while True:
        try:
            return step()
        except (OperationalError, InterfaceError) as error:
            connection.close()
            if time.monotonic() + pause > until:
                raise
            logger.warning("The database does not answer (%s); trying again in %.1f s", error, pause)
        time.sleep(pause)
        pause = min(2 * pause, LAST_PAUSE)


def _seconds_to_next(job_id: int) -> float | None:
    """Seconds until a waiting question of the running job may be asked; None where none waits."""
    pending = JudgeQuestion.objects.filter(job_id=job_id, job__state=JudgeJob.State.RUNNING, state=State.PENDING)
    rows = pending.values_list("not_before", "job__not_before")
    soonest = rows.order_by(F("not_before").asc(nulls_first=True)).first()
    if soonest is None:
        return None
    waits = [each for each in soonest if each is not None]
    return max(0.0, (max(waits) - timezone.now()).total_seconds()) if waits else 0.0
