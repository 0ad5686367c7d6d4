"""Money is put aside before a call, under two limits, and what is left comes back."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from groundtruth.judging import ledger
from groundtruth.models import JudgeJob, JudgeQuestion, LedgerEntry, SpendDay
from tests.groundtruth.judging import add_question, assert_books_balance, at_once, running_job

pytestmark = pytest.mark.django_db
ONE = Decimal(1)


def reserve(question: JudgeQuestion, *, hash_: str = "", amount: Decimal = ONE) -> LedgerEntry:
    wanted = hash_ or f"{question.pk:064d}"
    return ledger.reserve(question=question, question_hash=wanted, model="gpt-4o-mini", amount=amount)


def received(question: JudgeQuestion, **fields: Any) -> LedgerEntry:
    entry = reserve(question, **fields)
    ledger.mark_sent(entry)
    ledger.save_reply(entry, raw="{}", http_status=200)
    return entry


def questions(count: int, cap: Decimal) -> list[JudgeQuestion]:
    return list(JudgeQuestion.objects.filter(job=running_job(count, pairs=1, cap_usd=cap)))


@pytest.mark.django_db(transaction=True)
def test_twenty_workers_with_budget_for_five_calls_get_exactly_five() -> None:
    asked = questions(20, cap=Decimal(5))
    results = at_once(20, lambda number: reserve(asked[number]))
    assert sum(isinstance(each, LedgerEntry) for each in results) == 5
    assert sum(isinstance(each, ledger.JobCapReachedError) for each in results) == 15
    assert LedgerEntry.objects.count() == 5
    assert_books_balance(asked[0].job)
    assert asked[0].job.held_usd == 5


@pytest.mark.django_db(transaction=True)
def test_twenty_workers_of_two_jobs_share_the_limit_of_the_day(settings: Any) -> None:
    settings.LLM_DAILY_CAP_USD = Decimal("5.5")
    asked = questions(10, cap=Decimal(100)) + questions(10, cap=Decimal(100))
    results = at_once(20, lambda number: reserve(asked[number]))
    assert sum(isinstance(each, LedgerEntry) for each in results) == 5
    assert sum(isinstance(each, ledger.DayCapReachedError) for each in results) == 15
    assert SpendDay.objects.get().held_usd == 5
    assert_books_balance(asked[0].job)
    assert_books_balance(asked[10].job)


@pytest.mark.django_db(transaction=True)
def test_of_twenty_who_ask_the_same_one_pays() -> None:
    asked = questions(10, cap=Decimal(100)) + questions(10, cap=Decimal(100))
    results = at_once(20, lambda number: reserve(asked[number], hash_="a" * 64))
    assert sum(isinstance(each, LedgerEntry) for each in results) == 1
    assert sum(isinstance(each, ledger.BeingAskedError) for each in results) == 19
    assert SpendDay.objects.get().held_usd == 1


@pytest.mark.django_db(transaction=True)
def test_an_entry_is_settled_once_by_twenty_who_try() -> None:
    (question,) = questions(1, cap=Decimal(5))
    entry = received(question)
    results = at_once(20, lambda _number: ledger.settle(LedgerEntry.objects.get(pk=entry.pk), charged=Decimal("0.25")))
    assert sum(isinstance(each, ledger.EntryMovedError) for each in results) == 19
    assert_books_balance(question.job)
    assert question.job.held_usd == Decimal("0.25")


@pytest.mark.django_db(transaction=True)
def test_settling_and_reserving_at_once_never_waits_in_a_ring() -> None:
    first, second = questions(8, cap=Decimal(100)), questions(8, cap=Decimal(100))
    entries = [received(each) for each in (*first[:4], *second[:4])]
    waiting = [*first[4:], *second[4:]]

    def settle_and_reserve(number: int) -> None:
        ledger.settle(entries[number], charged=Decimal("0.1"))
        reserve(waiting[number])

    assert at_once(8, settle_and_reserve) == [None] * 8
    assert_books_balance(first[0].job)
    assert_books_balance(second[0].job)


def test_a_refusal_puts_nothing_aside(settings: Any) -> None:
    settings.LLM_DAILY_CAP_USD = Decimal("0.5")
    (question,) = questions(1, cap=Decimal(5))
    with pytest.raises(ledger.DayCapReachedError):
        reserve(question)
    assert not LedgerEntry.objects.exists()
    assert_books_balance(question.job)


def test_a_limit_says_whether_calls_under_way_may_make_room() -> None:
    asked = questions(3, cap=Decimal("1.5"))
    entry = reserve(asked[0])
    with pytest.raises(ledger.JobCapReachedError) as refused:
        reserve(asked[1])
    assert refused.value.calls_under_way
    ledger.mark_sent(entry)
    ledger.mark_unknown(entry, "cut")
    with pytest.raises(ledger.JobCapReachedError) as refused:
        reserve(asked[2])
    assert not refused.value.calls_under_way


@pytest.mark.parametrize("state", ["draft", "paused", "cancelled"])
def test_a_job_that_is_not_running_spends_nothing(state: str) -> None:
    (question,) = questions(1, cap=Decimal(5))
    JudgeJob.objects.update(state=state)
    with pytest.raises(ledger.JobNotRunningError):
        reserve(question)
    assert not LedgerEntry.objects.exists()


def test_an_unknown_call_is_charged_at_its_highest() -> None:
    (question,) = questions(1, cap=Decimal(5))
    entry = reserve(question)
    ledger.mark_sent(entry)
    ledger.mark_unknown(entry, "cut")
    entry.refresh_from_db()
    assert (entry.state, entry.charged_usd) == ("unknown", 1)
    assert_books_balance(question.job)
    assert question.job.held_usd == 1


def test_a_call_that_was_not_sent_gives_all_of_it_back() -> None:
    (question,) = questions(1, cap=Decimal(5))
    ledger.release(reserve(question))
    assert_books_balance(question.job)
    assert question.job.held_usd == 0


def test_the_day_that_was_charged_is_the_day_of_the_reservation() -> None:
    (question,) = questions(1, cap=Decimal(5))
    entry = received(question)
    yesterday = ledger.today() - timedelta(days=1)
    SpendDay.objects.create(day=yesterday, held_usd=1)
    LedgerEntry.objects.update(day=yesterday)
    SpendDay.objects.filter(day=ledger.today()).update(held_usd=0)
    ledger.settle(LedgerEntry.objects.get(pk=entry.pk), charged=Decimal("0.25"))
    assert dict(SpendDay.objects.values_list("day", "held_usd")) == {yesterday: Decimal("0.25"), ledger.today(): 0}


def test_what_cost_more_than_was_put_aside_is_charged_and_pauses_the_job() -> None:
    (question,) = questions(1, cap=Decimal("1.5"))
    ledger.settle(received(question), charged=Decimal(2))
    question.job.refresh_from_db()
    assert (question.job.state, question.job.held_usd) == ("paused", Decimal("1.5"))
    assert "price" in question.job.error
    assert SpendDay.objects.get().held_usd == 2


def test_a_question_that_was_answered_is_not_paid_again() -> None:
    first, second = questions(2, cap=Decimal(5))
    ledger.settle(received(first, hash_="a" * 64), charged=ONE, usable=True)
    with pytest.raises(ledger.BeingAskedError):
        reserve(second, hash_="a" * 64)


def test_an_answer_of_no_use_may_be_asked_for_again() -> None:
    first, second = questions(2, cap=Decimal(5))
    ledger.settle(received(first, hash_="a" * 64), charged=ONE, usable=False)
    assert reserve(second, hash_="a" * 64).state == "reserved"


def unknown(question: JudgeQuestion) -> None:
    entry = reserve(question, hash_="a" * 64)
    ledger.mark_sent(entry)
    ledger.mark_unknown(entry, "cut")
    JudgeQuestion.objects.filter(pk=question.pk).update(state="unknown")


def test_a_twin_of_an_unknown_call_is_not_sent_in_its_place() -> None:
    first, second = questions(2, cap=Decimal(5))
    (third,) = questions(1, cap=Decimal(5))
    unknown(first)
    for twin in (second, third):
        with pytest.raises(ledger.OutcomeUnknownError):
            reserve(twin, hash_="a" * 64)
    assert LedgerEntry.objects.count() == 1


def test_a_job_that_was_confirmed_after_an_unknown_call_may_ask_the_same() -> None:
    (first,) = questions(1, cap=Decimal(5))
    unknown(first)
    later = add_question(running_job(0, confirmed_at=timezone.now() + timedelta(seconds=1)), "뒤에")
    assert reserve(later, hash_="a" * 64, amount=Decimal("0.5")).state == "reserved"


def test_an_answer_that_the_database_cannot_hold_is_kept_as_far_as_it_can() -> None:
    (question,) = questions(1, cap=Decimal(5))
    entry = reserve(question)
    ledger.mark_sent(entry)
    ledger.save_reply(entry, raw="a\x00b\ud800c", http_status=200)
    assert LedgerEntry.objects.get().raw == "a\N{REPLACEMENT CHARACTER}b?c"
