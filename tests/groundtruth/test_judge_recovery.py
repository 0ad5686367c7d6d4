"""What dead workers leave goes on from what the ledger says: no unknown call is sent again, no answer is lost."""

import threading
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from groundtruth.judging import ledger, run
from groundtruth.judging.landing import built_from
from groundtruth.judging.leases import Lease
from groundtruth.judging.recovery import recover
from groundtruth.models import JudgeJob, JudgeQuestion, LedgerEntry, TruthPair, TruthSet
from groundtruth.tasks import sweep
from tests.groundtruth import judge_faults as faults
from tests.groundtruth.factories import make_price
from tests.groundtruth.judge_server import JudgeServer
from tests.groundtruth.judging import assert_books_balance, at_once, meanwhile, running_job, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _price() -> None:
    make_price()


def claimed(job: JudgeJob) -> JudgeQuestion:
    question = Lease().claim(job.pk)
    assert question is not None
    return question


def reserved(job: JudgeJob) -> LedgerEntry:
    question = claimed(job)
    built = built_from(question)
    assert built is not None
    return ledger.reserve(question=question, question_hash=built.hash, model=job.model, amount=Decimal("0.01"))


def sent(job: JudgeJob) -> LedgerEntry:
    entry = reserved(job)
    ledger.mark_sent(entry)
    return entry


def lease_over() -> None:
    """As if so much time had gone by."""
    JudgeQuestion.objects.filter(state="leased").update(lease_until=timezone.now() - timedelta(seconds=1))


def only_question() -> JudgeQuestion:
    return JudgeQuestion.objects.get()


def test_a_question_of_a_dead_worker_waits_again(judge_server: JudgeServer) -> None:
    job = running_job(1)
    claimed(job)
    lease_over()
    assert recover() == 1
    assert only_question().state == "pending"
    assert work(job).state == "completed"


def test_money_put_aside_for_what_was_not_sent_comes_back(judge_server: JudgeServer) -> None:
    job = running_job(1)
    entry = reserved(job)
    lease_over()
    recover()
    entry.refresh_from_db()
    assert (entry.state, only_question().state) == ("released", "pending")
    assert_books_balance(job)
    assert job.held_usd == 0
    assert work(job).state == "completed"


def test_what_was_sent_is_unknown_charged_at_its_highest_and_not_sent_again(judge_server: JudgeServer) -> None:
    job = running_job(1)
    entry = sent(job)
    lease_over()
    recover()
    entry.refresh_from_db()
    assert (entry.state, entry.charged_usd, only_question().state) == ("unknown", entry.reserved_usd, "unknown")
    assert_books_balance(job)
    work(job)
    recover()
    assert work(job).state == "failures"
    assert not judge_server.asked


def raw_answer(judge_server: JudgeServer) -> str:
    """The saved answer to a question like the next one; its job is gone from the books."""
    other = work(running_job(1))
    raw = LedgerEntry.objects.get(job=other).raw
    LedgerEntry.objects.filter(job=other).update(question_hash="0" * 64)
    judge_server.asked.clear()
    return raw


def test_an_answer_that_was_saved_lands_without_asking(judge_server: JudgeServer) -> None:
    raw = raw_answer(judge_server)
    job = running_job(1)
    entry = sent(job)
    ledger.save_reply(entry, raw=raw, http_status=200)
    lease_over()
    recover()
    entry.refresh_from_db()
    question = JudgeQuestion.objects.get(job=job)
    assert (entry.state, entry.usable, question.state) == ("settled", True, "answered")
    assert 0 < entry.charged_usd < entry.reserved_usd
    assert not TruthPair.objects.filter(pk__in=question.pairs, relevance=None).exists()
    assert_books_balance(job)
    assert work(job).state == "completed"
    assert not judge_server.asked


def test_an_error_that_was_saved_costs_nothing_and_is_tried_again(judge_server: JudgeServer) -> None:
    job = running_job(1)
    entry = sent(job)
    ledger.save_reply(entry, raw='{"error": {}}', http_status=500)
    lease_over()
    recover()
    entry.refresh_from_db()
    assert (entry.state, entry.charged_usd, only_question().state) == ("settled", 0, "pending")
    assert_books_balance(job)
    assert work(job).state == "completed"


def test_a_worker_that_is_alive_is_left_alone() -> None:
    job = running_job(1)
    entry = sent(job)
    assert recover() == 0
    entry.refresh_from_db()
    assert (entry.state, only_question().state) == ("sent", "leased")


def test_a_call_that_nobody_works_on_is_found_by_its_age() -> None:
    job = running_job(1)
    entry = sent(job)
    JudgeQuestion.objects.update(state="pending", lease_token=None, lease_until=None)
    assert recover() == 0
    LedgerEntry.objects.update(reserved_at=timezone.now() - timedelta(hours=1))
    assert recover() == 1
    entry.refresh_from_db()
    assert (entry.state, only_question().state) == ("unknown", "unknown")


def test_of_many_sweeps_at_once_one_mends() -> None:
    job = running_job(1)
    sent(job)
    lease_over()
    assert sorted(at_once(8, lambda _number: recover())) == [0] * 7 + [1]
    assert_books_balance(job)


def test_one_that_cannot_be_mended_pauses_its_job_and_holds_up_no_other() -> None:
    bad, good = running_job(1), running_job(1)
    entry = sent(bad)
    ledger.save_reply(entry, raw="{}", http_status=200)
    reserved(good)
    TruthSet.objects.filter(pk=bad.truth_set_id).update(frozen_at=timezone.now(), fingerprint="f")
    JudgeJob.objects.filter(pk=bad.pk).update(parameters={"candidates": -1})
    lease_over()
    assert recover() == 1
    bad.refresh_from_db()
    assert bad.state == "paused"
    assert "candidates" in bad.error
    assert JudgeQuestion.objects.get(job=good).state == "pending"


def swept_while_out() -> None:
    lease_over()
    recover()


def test_a_worker_that_comes_back_too_late_lands_nothing(judge_server: JudgeServer) -> None:
    judge_server.arrived = meanwhile(swept_while_out)
    job = work(running_job(1))
    entry, question = LedgerEntry.objects.get(), only_question()
    assert (entry.state, entry.charged_usd, question.state) == ("unknown", entry.reserved_usd, "unknown")
    assert job.state == "failures"
    assert set(TruthPair.objects.values_list("relevance", flat=True)) == {None}
    assert len(judge_server.asked) == 1
    assert_books_balance(job)


@pytest.mark.parametrize("fault", [faults.fails(500), faults.cut, faults.rate_limited(0)])
def test_a_worker_that_comes_back_too_late_with_an_error_changes_nothing(
    judge_server: JudgeServer, fault: faults.Fault
) -> None:
    judge_server.always, judge_server.arrived = fault, meanwhile(swept_while_out)
    job = work(running_job(1))
    assert (LedgerEntry.objects.get().state, only_question().state) == ("unknown", "unknown")
    assert len(judge_server.asked) == 1
    assert_books_balance(job)


def test_a_lease_is_taken_by_one_of_twenty() -> None:
    job = running_job(3)
    claims = at_once(20, lambda _number: Lease().claim(job.pk))
    assert sum(each is not None for each in claims) == 3
    assert len({each.pk for each in claims if each is not None}) == 3


def test_a_lease_that_was_taken_sends_nothing(judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker slept between the reservation and the call."""
    reserve = ledger.reserve

    def reserve_and_sleep(**asked: Any) -> LedgerEntry:
        entry = reserve(**asked)
        JudgeQuestion.objects.update(lease_token="00000000-0000-0000-0000-000000000000")
        return entry

    monkeypatch.setattr(ledger, "reserve", reserve_and_sleep)
    work(running_job(1), seconds=2)
    assert not judge_server.asked
    assert LedgerEntry.objects.get().state == "reserved"


def test_a_lease_outlives_the_longest_call() -> None:
    job = running_job(1)
    question = claimed(job)
    question.refresh_from_db()
    assert question.lease_until is not None
    assert question.lease_until > timezone.now() + timedelta(seconds=240)


def test_a_job_whose_worker_died_at_the_very_end_is_ended_by_the_sweep(judge_server: JudgeServer) -> None:
    job = running_job(1)
    JudgeQuestion.objects.update(state="answered")
    sweep()
    job.refresh_from_db()
    assert job.state == "completed"


def test_twenty_workers_on_one_job_ask_each_question_once(judge_server: JudgeServer) -> None:
    job = running_job(30, pairs=1)
    at_once(20, lambda _number: run.work_on(job.pk, time.monotonic() + 30, threading.Event()))
    job.refresh_from_db()
    assert job.state == "completed"
    assert len(judge_server.asked) == len({each.text for each in judge_server.asked}) == 30
    assert_books_balance(job)
