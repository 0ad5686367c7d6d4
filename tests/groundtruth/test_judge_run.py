"""What becomes of a job's questions, whatever the provider does: their state, their next try, their money."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from groundtruth.judging import outcomes, run
from groundtruth.models import JudgeJob, Judgement, JudgeQuestion, LedgerEntry, TruthPair, TruthSet
from itembank import request_ids
from itembank.logs import RequestIdFilter
from itembank.models import Item
from itembank.services import save_item
from tests.factories import make_image, make_item
from tests.groundtruth import judge_faults as faults
from tests.groundtruth.factories import make_pair, make_price, make_prompt, make_query
from tests.groundtruth.judge_server import JudgeServer
from tests.groundtruth.judging import add_question, assert_books_balance, meanwhile, running_job, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _price_and_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    make_price(image_base_tokens=2833, image_tile_tokens=5667)  # as the server counts
    monkeypatch.setattr(outcomes, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(run, "SOON", timedelta(seconds=0.1))


def only_question() -> JudgeQuestion:
    return JudgeQuestion.objects.get()


def states(job: JudgeJob) -> list[str]:
    return list(JudgeQuestion.objects.filter(job=job).order_by("position").values_list("state", flat=True))


def charged(job: JudgeJob) -> Decimal:
    return sum((each.charged_usd for each in LedgerEntry.objects.filter(job=job)), Decimal(0))


# ---- answers


def test_a_job_asks_each_question_once_and_pays_what_the_provider_counted(judge_server: JudgeServer) -> None:
    job = work(running_job(6, concurrency=3))
    assert (job.state, states(job)) == ("completed", ["answered"] * 6)
    assert job.finished_at is not None
    assert sorted(judge_server.ids()) == sorted(str(pk) for pk in LedgerEntry.objects.values_list("pk", flat=True))
    assert charged(job) == judge_server.charged(Decimal("0.15"), Decimal("0.60")) > 0
    assert_books_balance(job)
    assert job.held_usd == charged(job)


def test_what_the_threads_of_a_job_log_has_the_id_of_the_request_that_rang(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_question: JudgeQuestion) -> None:
        raise RuntimeError

    monkeypatch.setattr(run, "built_from", broken)
    caplog.handler.addFilter(RequestIdFilter())
    with request_ids.working_for("the-request"):
        job = work(running_job(1))
    (said,) = [each for each in caplog.records if "is paused" in each.getMessage()]
    assert said.threadName == f"judge-{job.pk}_0"
    assert said.__dict__["request_id"] == "the-request"


def test_an_answer_is_written_to_its_pairs_with_the_call_that_was_paid(judge_server: JudgeServer) -> None:
    job = running_job(0)
    query = make_query(job.truth_set, make_item(text="삼각형의 넓이를 구하시오."))
    same = make_pair(query, make_item(text="삼각형의 넓이를 구하시오."))
    other = make_pair(query, make_item(text="Read the passage"))
    JudgeQuestion.objects.create(job=job, position=0, query=query, pairs=[other.pk, same.pk], question_hash="0" * 64)
    work(job)
    same.refresh_from_db()
    other.refresh_from_db()
    assert (same.relevance, same.score) == (3, 3.0)
    assert (other.relevance, other.score) == (0, 0.0)
    said = Judgement.objects.get(pair=same)
    assert (said.source, said.judge, said.relevance, said.prompt) == ("model", "gpt-4o-mini", 3, job.prompt)
    assert said.entry == LedgerEntry.objects.get()
    assert said.reason


def test_a_pair_is_scored_from_one_to_five(judge_server: JudgeServer) -> None:
    job = running_job(0, prompt=make_prompt("pairwise"))
    query = make_query(job.truth_set, make_item(text="원의 둘레를 구하시오."))
    pair = make_pair(query, make_item(text="원의 둘레를 구하시오."))
    for item in (query.item, pair.item):
        make_image(item)
    JudgeQuestion.objects.create(job=job, position=0, query=query, pairs=[pair.pk], question_hash="0" * 64)
    assert work(job).state == "completed"
    pair.refresh_from_db()
    said = Judgement.objects.get()
    assert said.overall_score == pair.score
    assert said.concept_score is not None
    assert said.image_score is not None
    assert pair.relevance == said.relevance


def test_the_other_order_is_judged_but_lands_in_no_pair(judge_server: JudgeServer) -> None:
    job = running_job(0)
    add_question(job, "평행사변형의 성질", swapped=True)
    assert work(job).state == "completed"
    assert set(Judgement.objects.values_list("swapped", flat=True)) == {True}
    assert set(TruthPair.objects.values_list("relevance", flat=True)) == {None}


def test_a_trial_leaves_its_answer_in_the_ledger_only(judge_server: JudgeServer) -> None:
    job = work(running_job(1, purpose="trial"))
    assert (job.state, LedgerEntry.objects.get().usable) == ("completed", True)
    assert not Judgement.objects.exists()
    assert set(TruthPair.objects.values_list("relevance", flat=True)) == {None}


def test_an_answer_without_a_count_is_charged_at_its_highest(judge_server: JudgeServer) -> None:
    def uncounted(_server: JudgeServer, good: faults.Answer) -> faults.Answer:
        return faults.Answer(200, {name: value for name, value in good.body.items() if name != "usage"})

    judge_server.always = uncounted
    job = work(running_job(1))
    entry = LedgerEntry.objects.get()
    assert (job.state, entry.charged_usd, entry.usable) == ("completed", entry.reserved_usd, True)


# ---- answers of no use


def test_a_refusal_fails_the_question_and_is_paid_once(judge_server: JudgeServer) -> None:
    judge_server.always = faults.refuses
    job = work(running_job(1))
    question = only_question()
    assert (question.state, question.failure, job.state) == ("failed", "refused", "failures")
    assert len(judge_server.asked) == 1
    assert charged(job) > 0
    assert_books_balance(job)


def test_a_cut_answer_fails_the_question_and_says_what_to_raise(judge_server: JudgeServer) -> None:
    judge_server.always = faults.truncates
    job = work(running_job(1))
    question = only_question()
    assert (question.state, question.failure, job.state) == ("failed", "truncated", "failures")
    assert "max_output_tokens" in question.error
    assert len(judge_server.asked) == 1


@pytest.mark.parametrize("fault", [faults.malformed, faults.wrong_schema])
def test_a_malformed_answer_is_asked_for_once_more(judge_server: JudgeServer, fault: faults.Fault) -> None:
    judge_server.next_faults.append(fault)
    job = work(running_job(1))
    assert (job.state, len(judge_server.asked)) == ("completed", 2)
    assert charged(job) == judge_server.charged(Decimal("0.15"), Decimal("0.60"))
    assert_books_balance(job)


def test_a_second_malformed_answer_fails_the_question(judge_server: JudgeServer) -> None:
    judge_server.always = faults.malformed
    job = work(running_job(1))
    question = only_question()
    assert (question.state, question.failure, job.state) == ("failed", "malformed", "failures")
    assert len(judge_server.asked) == 2
    assert LedgerEntry.objects.filter(state="settled", usable=False, charged_usd__gt=0).count() == 2
    assert all(each.raw for each in LedgerEntry.objects.all())


# ---- no answer


def test_a_busy_provider_is_asked_again_when_it_says(judge_server: JudgeServer) -> None:
    judge_server.next_faults.append(faults.rate_limited(0.5))
    began = time.monotonic()
    job = work(running_job(1))
    assert time.monotonic() - began >= 0.5
    assert (job.state, len(judge_server.asked)) == ("completed", 2)
    assert set(LedgerEntry.objects.values_list("http_status", flat=True)) == {200, 429}
    assert LedgerEntry.objects.get(http_status=429).charged_usd == 0
    assert_books_balance(job)


def test_a_busy_provider_holds_the_whole_job_for_a_while(judge_server: JudgeServer) -> None:
    judge_server.next_faults.append(faults.rate_limited(30))
    job = work(running_job(3), seconds=2)
    assert (job.state, states(job)) == ("running", ["pending"] * 3)
    assert job.not_before is not None
    assert job.not_before > timezone.now() + timedelta(seconds=20)
    assert len(judge_server.asked) == 1


def test_a_provider_that_stays_busy_fails_the_question(judge_server: JudgeServer) -> None:
    judge_server.always = faults.rate_limited(0)
    job = work(running_job(1))
    question = only_question()
    assert (question.state, question.failure, job.state) == ("failed", "rate-limited", "failures")
    assert len(judge_server.asked) == 6
    assert charged(job) == job.held_usd == 0


def test_an_account_without_money_pauses_the_job(judge_server: JudgeServer) -> None:
    judge_server.next_faults.append(faults.out_of_quota)
    job = work(running_job(2))
    assert (job.state, states(job)) == ("paused", ["pending", "pending"])
    assert "insufficient_quota" in job.error
    assert job.held_usd == 0
    JudgeJob.objects.update(state="running")
    assert work(job).state == "completed"


def test_a_provider_that_fails_is_asked_four_times(judge_server: JudgeServer) -> None:
    judge_server.always = faults.fails(500)
    job = work(running_job(1))
    question = only_question()
    assert (question.state, question.failure, job.state) == ("failed", "server-error", "failures")
    assert len(judge_server.asked) == 4
    assert job.held_usd == 0


def test_a_request_that_is_rejected_fails_alone(judge_server: JudgeServer) -> None:
    judge_server.when["첫째"] = faults.fails(400, "context_length_exceeded")
    job = work(running_job(2, texts=["첫째 문항", "둘째 문항"]))
    assert (job.state, states(job)) == ("failures", ["failed", "answered"])
    failed = JudgeQuestion.objects.get(state="failed")
    assert failed.failure == "rejected"
    assert "context_length_exceeded" in failed.error
    assert_books_balance(job)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_valid_pauses_the_job(judge_server: JudgeServer, status: int) -> None:
    judge_server.always = faults.fails(status)
    job = work(running_job(2))
    assert (job.state, states(job), job.held_usd) == ("paused", ["pending", "pending"], 0)
    assert job.error
    assert len(judge_server.asked) == 1


def test_a_provider_that_cannot_be_reached_pauses_the_job_after_six_tries(settings: Any) -> None:
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = "http://127.0.0.1:9/v1", "key"
    job = work(running_job(2))
    assert (job.state, states(job), job.held_usd) == ("paused", ["pending", "pending"], 0)
    assert "OPENAI_BASE_URL" in job.error
    assert list(LedgerEntry.objects.values_list("state", flat=True)) == ["released"] * 6


def test_without_a_key_the_job_is_paused_and_nothing_is_put_aside(settings: Any) -> None:
    settings.OPENAI_API_KEY = ""
    job = work(running_job(1))
    assert job.state == "paused"
    assert "OPENAI_API_KEY" in job.error
    assert not LedgerEntry.objects.exists()


def test_a_model_without_a_price_pauses_the_job(judge_server: JudgeServer) -> None:
    job = work(running_job(1, model="gpt-unpriced"))
    assert job.state == "paused"
    assert "gpt-unpriced" in job.error
    assert not judge_server.asked


# ---- unknown


@pytest.fixture(params=["cut", "silent", "timeout"])
def lost(request: pytest.FixtureRequest, judge_server: JudgeServer, settings: Any) -> Iterator[JudgeServer]:
    """A provider that takes the first request and then breaks off, ends without a word, or says nothing."""
    settings.LLM_TIMEOUT_SECONDS = 1
    silent: faults.Fault = lambda _server, good: faults.Answer(200, good.body, silent=True)  # noqa: E731
    judge_server.next_faults.append({"cut": faults.cut, "silent": silent, "timeout": faults.hangs}[request.param])
    yield judge_server
    judge_server.let_go()


def test_a_call_of_unknown_outcome_is_charged_and_never_sent_again(lost: JudgeServer) -> None:
    job = work(running_job(1))
    question, entry = only_question(), LedgerEntry.objects.get()
    assert (question.state, entry.state, job.state) == ("unknown", "unknown", "failures")
    assert entry.charged_usd == entry.reserved_usd == job.held_usd > 0
    JudgeJob.objects.update(state="running")
    work(job)
    assert len(lost.asked) == 1


# ---- paying once


def test_another_job_pays_nothing_for_the_same_questions(judge_server: JudgeServer) -> None:
    first = work(running_job(2))
    second = running_job(0, truth_set=first.truth_set, prompt=first.prompt)
    for question in JudgeQuestion.objects.filter(job=first):
        question.pk, question.job, question.state = None, second, "pending"
        question.save()
    TruthPair.objects.update(relevance=None)
    second = work(second)
    assert (second.state, states(second)) == ("completed", ["reused", "reused"])
    assert len(judge_server.asked) == 2
    assert second.held_usd == 0
    assert not LedgerEntry.objects.filter(job=second).exists()
    assert not TruthPair.objects.filter(relevance=None).exists()


def test_a_question_that_is_in_a_job_twice_is_paid_once(judge_server: JudgeServer) -> None:
    job = running_job(1, concurrency=2)
    question = only_question()
    question.pk, question.position = None, 1
    question.save()
    assert sorted(states(work(job))) == ["answered", "reused"]
    assert len(judge_server.asked) == 1


def test_an_edited_item_is_asked_about_as_it_is_now(judge_server: JudgeServer) -> None:
    job = running_job(1, texts=["옛 문장"])
    edit("옛 문장", "새 문장")
    work(job)
    (asked,) = judge_server.asked
    assert "새 문장" in asked.text
    assert "옛 문장" not in asked.text


def edit(old: str, new: str) -> None:
    for item in Item.objects.filter(text=old):
        item.text = new
        save_item(item=item)


def test_an_item_that_is_edited_while_its_question_is_out_is_asked_about_anew(judge_server: JudgeServer) -> None:
    judge_server.arrived = meanwhile(lambda: edit("옛 문장", "새 문장"))
    job = work(running_job(1, texts=["옛 문장"]))
    assert ["새 문장" in asked.text for asked in judge_server.asked] == [False, True]
    assert only_question().state == "answered"
    assert set(Judgement.objects.values_list("entry__question_hash", flat=True)) == {
        LedgerEntry.objects.order_by("reserved_at").last().question_hash  # type: ignore[union-attr]
    }
    assert_books_balance(job)


# ---- limits


def test_a_job_stops_at_its_limit_and_says_so(judge_server: JudgeServer) -> None:
    work(running_job(1))
    one = LedgerEntry.objects.get().reserved_usd
    job = work(running_job(8, concurrency=4, cap_usd=one * Decimal("1.02")))
    assert job.state == "paused"
    assert "limit" in job.error
    assert sorted(states(job)) == ["answered"] + ["pending"] * 7
    assert_books_balance(job)


def test_what_calls_give_back_is_spent_on_the_next(judge_server: JudgeServer) -> None:
    work(running_job(1))
    one = LedgerEntry.objects.get().reserved_usd
    job = running_job(4, concurrency=4, cap_usd=one * Decimal("1.8"))
    work(job)
    assert states(job).count("answered") > 1
    assert_books_balance(job)


def test_the_limit_of_the_day_stops_a_job(judge_server: JudgeServer, settings: Any) -> None:
    settings.LLM_DAILY_CAP_USD = Decimal("0.0000001")
    job = work(running_job(1))
    assert (job.state, job.held_usd) == ("paused", 0)
    assert "today" in job.error
    assert not judge_server.asked


# ---- people


def freeze(job: JudgeJob) -> None:
    TruthSet.objects.filter(pk=job.truth_set_id).update(frozen_at=timezone.now(), fingerprint="f")


def test_a_job_that_is_paused_sends_nothing_more(judge_server: JudgeServer) -> None:
    job = running_job(5)
    judge_server.arrived = meanwhile(lambda: JudgeJob.objects.update(state="paused"))
    job = work(job)
    assert (job.state, len(judge_server.asked)) == ("paused", 1)
    assert states(job) == ["answered"] + ["pending"] * 4


def test_a_worker_that_is_told_to_stop_finishes_its_call_only(judge_server: JudgeServer) -> None:
    stopping = threading.Event()
    judge_server.arrived = lambda _asked: stopping.set()
    job = running_job(3)
    run.work_on(job.pk, time.monotonic() + 20, stopping)
    assert states(job) == ["answered", "pending", "pending"]


def test_a_frozen_set_is_not_asked_about(judge_server: JudgeServer) -> None:
    job = running_job(1)
    freeze(job)
    job = work(job)
    assert (job.state, states(job)) == ("paused", ["pending"])
    assert "frozen" in job.error
    assert not judge_server.asked


def test_a_set_that_is_frozen_while_a_question_is_out_stays_as_it_was(judge_server: JudgeServer) -> None:
    job = running_job(1)
    judge_server.arrived = meanwhile(lambda: freeze(job))
    job = work(job)
    assert (job.state, states(job)) == ("paused", ["pending"])
    assert "frozen" in job.error
    assert set(TruthPair.objects.values_list("relevance", flat=True)) == {None}
    assert not Judgement.objects.exists()
    entry = LedgerEntry.objects.get()
    assert (entry.state, entry.usable) == ("settled", True)
    assert_books_balance(job)


def test_a_broken_picture_fails_its_question_before_anything_is_paid(judge_server: JudgeServer) -> None:
    job = running_job(0, prompt=make_prompt("pairwise"))
    query = make_query(job.truth_set)
    pair = make_pair(query)
    image = make_image(pair.item)
    JudgeQuestion.objects.create(job=job, position=0, query=query, pairs=[pair.pk], question_hash="0" * 64)
    image.file.delete(save=False)
    job = work(job)
    assert (job.state, states(job)) == ("failures", ["failed"])
    assert pair.item.code in only_question().error
    assert not LedgerEntry.objects.exists()
