"""Jobs in batch mode: each question is in one batch at the provider, whatever dies when, and costs half."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from groundtruth import dispatch, judge_services
from groundtruth.judging import batch, batch_client, batch_collecting, batch_filling, ledger
from groundtruth.judging.client import Reply, ReplyKind
from groundtruth.judging.landing import built_from
from groundtruth.judging.outcomes import ATTEMPTS
from groundtruth.judging.parameters import JudgeParameters
from groundtruth.judging.pricing import maximum_cost, price_of
from groundtruth.models import JudgeBatch, JudgeJob, JudgeQuestion, LedgerEntry, SpendDay, TruthPair
from groundtruth.tasks import run_judge_job
from itembank.services import save_item
from tests.factories import allow, make_staff
from tests.groundtruth import judge_faults as faults
from tests.groundtruth.factories import make_pair, make_price
from tests.groundtruth.judge_server import JudgeServer, asked_twice
from tests.groundtruth.judging import add_question, assert_books_balance, at_once, running_job, work

pytestmark = pytest.mark.django_db(transaction=True)


class Died(BaseException):
    """No error: what a SIGKILL leaves."""


@pytest.fixture(autouse=True)
def _price() -> None:
    make_price()


def batch_job(questions: int = 3, **fields: Any) -> JudgeJob:
    return running_job(questions, mode="batch", **fields)


def tick(job: JudgeJob) -> JudgeJob:
    """What the worker does at the next sweep, a minute later."""
    JudgeBatch.objects.update(checked_at=None)
    assert batch.work_on(job.pk, threading.Event())
    job.refresh_from_db()
    return job


def die_in(job: JudgeJob) -> None:
    with pytest.raises(Died):
        tick(job)


def states(job: JudgeJob) -> list[str]:
    return list(JudgeQuestion.objects.filter(job=job).order_by("position").values_list("state", flat=True))


def entry_states() -> set[str]:
    return set(LedgerEntry.objects.values_list("state", flat=True))


def only_id(server: JudgeServer) -> str:
    (remote_id,) = server.batches.batches
    return remote_id


def last_id(server: JudgeServer) -> str:
    return list(server.batches.batches)[-1]


def run_all(server: JudgeServer, job: JudgeJob) -> JudgeJob:
    """The provider ends its batches and the job takes them in, until nothing is under way."""
    for _round in range(10):
        for remote_id, remote in server.batches.batches.items():
            if remote["status"] in {"validating", "in_progress"}:
                server.batches.run(remote_id)
        tick(job)
        if not JudgeBatch.objects.filter(state__in=batch.OPEN).exists():
            break
    return job


# ---- the way it should be


def test_a_batch_job_asks_each_question_once_at_half_the_price(judge_server: JudgeServer) -> None:
    job = tick(batch_job(3))
    assert states(job) == ["in-batch"] * 3
    assert entry_states() == {"sent"}
    made = JudgeBatch.objects.get()
    remote = judge_server.batches.batches[only_id(judge_server)]
    assert (made.state, made.remote_id) == ("submitted", remote["id"])
    assert remote["metadata"] == {"itembank_batch": str(made.key), "itembank_job": str(job.pk)}
    run_all(judge_server, job)
    assert (job.state, states(job)) == ("completed", ["answered"] * 3)
    assert sorted(judge_server.ids()) == sorted(str(pk) for pk in LedgerEntry.objects.values_list("pk", flat=True))
    assert all(each.batch for each in judge_server.asked)
    charged = sum(each.charged_usd for each in LedgerEntry.objects.all())
    # Each sum is rounded up to the ledger's smallest.
    assert 0 <= charged - judge_server.charged(Decimal("0.15"), Decimal("0.60")) < 3 * ledger.SMALLEST
    assert job.held_usd == charged > 0
    assert JudgeBatch.objects.get().state == "collected"
    assert not TruthPair.objects.filter(relevance=None).exists()
    assert_books_balance(job)


def test_money_is_put_aside_at_the_price_of_batches(judge_server: JudgeServer) -> None:
    job = tick(batch_job(1))
    built, parameters = built_from(JudgeQuestion.objects.get()), JudgeParameters.from_json(job.parameters)
    assert built is not None
    most = maximum_cost(built, price_of(job.model), parameters, batch=False).usd
    assert 0 <= 2 * LedgerEntry.objects.get().reserved_usd - most <= 2 * ledger.SMALLEST


def test_a_batch_under_way_is_looked_at_once_a_minute_at_most(judge_server: JudgeServer) -> None:
    job = tick(batch_job(1))
    assert not batch.due_jobs().exists()
    judge_server.batches.run(only_id(judge_server))
    batch.work_on(job.pk, threading.Event())
    assert states(job) == ["in-batch"]
    JudgeBatch.objects.update(checked_at=timezone.now() - timedelta(seconds=61))
    assert list(batch.due_jobs()) == [job]
    batch.work_on(job.pk, threading.Event())
    assert states(job) == ["answered"]


def test_the_sweep_rings_for_batch_jobs_that_are_due(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[int] = []
    monkeypatch.setattr("groundtruth.tasks.ring", rung.append)
    job = batch_job(1)
    dispatch.sweep()
    tick(job)
    dispatch.sweep()
    assert rung == [job.pk]


def test_the_worker_of_live_jobs_works_on_batch_jobs_too(judge_server: JudgeServer) -> None:
    job = batch_job(1)
    run_judge_job(job.pk)
    assert states(job) == ["in-batch"]


def test_a_job_larger_than_a_file_goes_out_in_several(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_filling, "MAX_REQUESTS", 2)
    job = tick(batch_job(5))
    sizes = [each["request_counts"]["total"] for each in judge_server.batches.batches.values()]
    assert sizes == [2, 2, 1]
    assert run_all(judge_server, job).state == "completed"
    assert len(judge_server.asked) == 5


def test_a_file_stays_below_its_limit_of_bytes(judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_filling, "MAX_BYTES", 6_000)
    tick(batch_job(5))
    uploads = [data for made, data in judge_server.batches.files.values() if made["purpose"] == "batch"]
    assert len(uploads) > 1
    assert max(map(len, uploads)) <= 6_000


def test_a_question_larger_than_any_file_fails_and_keeps_no_other_from_it(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_filling, "MAX_BYTES", 6_000)
    job = tick(batch_job(2, texts=["가" * 5_000, "짧은 문항"]))
    assert states(job) == ["failed", "in-batch"]


def test_a_line_has_one_end(judge_server: JudgeServer) -> None:
    line = batch_filling.line_of(UUID(int=0), {"text": "한\u2028글\x85\n"}).decode()
    assert len(line.splitlines()) == 1


# ---- nothing is paid twice


def test_a_question_that_was_answered_before_is_in_no_batch(judge_server: JudgeServer) -> None:
    live = work(running_job(2))
    again = batch_job(0, truth_set=live.truth_set, prompt=live.prompt)
    for question in JudgeQuestion.objects.filter(job=live):
        JudgeQuestion.objects.create(
            job=again, position=question.position, query=question.query, pairs=question.pairs, question_hash="0" * 64
        )
    tick(again)
    assert (again.state, states(again), again.held_usd) == ("completed", ["reused"] * 2, 0)
    assert not judge_server.batches.batches


def test_a_question_asked_twice_in_a_job_is_paid_once(judge_server: JudgeServer) -> None:
    job = batch_job(1)
    first = JudgeQuestion.objects.get()
    JudgeQuestion.objects.create(job=job, position=9, query=first.query, pairs=first.pairs, question_hash="0" * 64)
    tick(job)
    assert states(job) == ["in-batch", "pending"]
    run_all(judge_server, job)
    JudgeQuestion.objects.update(not_before=None)
    assert tick(job).state == "completed"
    assert states(job) == ["answered", "reused"]
    assert len(judge_server.asked) == 1


def dies_before(_call: Callable[..., Any]) -> Callable[..., Any]:
    def died(*_args: Any, **_kwargs: Any) -> Any:
        raise Died

    return died


def dies_after(call: Callable[..., Any]) -> Callable[..., Any]:
    def died(*args: Any, **kwargs: Any) -> Any:
        call(*args, **kwargs)
        raise Died

    return died


@pytest.mark.parametrize(
    ("function", "dies", "left"),
    [
        ("upload", dies_before, "reserved"),
        ("upload", dies_after, "reserved"),
        ("create", dies_before, "sent"),
        ("create", dies_after, "sent"),
    ],
)
def test_a_worker_that_dies_while_sending_leaves_one_batch_for_a_key(
    judge_server: JudgeServer,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    dies: Callable[[Any], Any],
    left: str,
) -> None:
    job = batch_job(3)
    with monkeypatch.context() as patch:
        patch.setattr(batch_client, function, dies(getattr(batch_client, function)))
        die_in(job)
    assert (entry_states(), JudgeBatch.objects.get().state) == ({left}, "preparing")
    tick(job)
    LedgerEntry.objects.filter(sent_at__isnull=False).update(sent_at=timezone.now() - batch.LOOK_FOR)
    tick(job)
    made = JudgeBatch.objects.get()
    assert made.remote_id == only_id(judge_server)
    assert judge_server.batches.batches[made.remote_id]["metadata"]["itembank_batch"] == str(made.key)
    assert run_all(judge_server, job).state == "completed"
    assert len(judge_server.asked) == 3
    assert not asked_twice(judge_server.asked)
    assert_books_balance(job)


def test_a_worker_that_dies_while_reserving_leaves_a_batch_of_what_it_reserved(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = batch_job(3)
    with monkeypatch.context() as patch:
        patch.setattr(batch_filling, "MAX_REQUESTS", 1)
        patch.setattr(batch_filling.Filling, "fill", dies_after(batch_filling.Filling.fill))
        die_in(job)
    assert states(job) == ["in-batch", "pending", "pending"]
    tick(job)
    assert [each["request_counts"]["total"] for each in judge_server.batches.batches.values()] == [1, 2]
    assert run_all(judge_server, job).state == "completed"
    assert len(judge_server.asked) == 3


def lost(call: Callable[..., Any]) -> Callable[..., Any]:
    """The provider makes it, and its answer is lost."""

    def made(*args: Any, **kwargs: Any) -> Any:
        call(*args, **kwargs)
        raise batch_client.CallError(Reply(ReplyKind.UNKNOWN, error="test: timeout"))

    return made


def test_a_batch_whose_making_was_not_answered_is_found_by_its_key(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = batch_job(2)
    with monkeypatch.context() as patch:
        patch.setattr(batch_client, "create", lost(batch_client.create))
        tick(job)
    for number in range(250):  # of others, on several pages
        judge_server.batches.batches[f"other_{number}"] = judge_server.batches.batches[only_or_first(judge_server)] | {
            "id": f"other_{number}",
            "metadata": {},
            "status": "completed",
        }
    assert (JudgeBatch.objects.get().state, job.state) == ("preparing", "running")
    tick(job)
    assert JudgeBatch.objects.get().remote_id == only_or_first(judge_server)


def only_or_first(server: JudgeServer) -> str:
    return next(iter(server.batches.batches))


def test_a_batch_that_is_not_listed_yet_is_looked_for_before_it_is_sent_again(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = batch_job(2)
    with monkeypatch.context() as patch:
        patch.setattr(batch_client, "create", lost(batch_client.create))
        patch.setattr(batch_client, "find", lambda _key: None)
        tick(job)
        tick(job)
        LedgerEntry.objects.update(sent_at=timezone.now() - batch.LOOK_FOR + timedelta(seconds=30))
        tick(job)
    assert JudgeBatch.objects.get().error
    tick(job)
    assert JudgeBatch.objects.get().remote_id == only_id(judge_server)


def test_of_those_who_would_send_a_batch_again_one_may(judge_server: JudgeServer) -> None:
    job = batch_job(2)
    tick(job)
    made, sent_at = JudgeBatch.objects.get(), LedgerEntry.objects.values_list("sent_at", flat=True)[0]
    allowed = at_once(8, lambda _number: ledger.mark_batch_sent(made, before=sent_at))
    assert sorted(allowed) == [False] * 7 + [True]


def test_of_many_workers_at_once_one_sends(judge_server: JudgeServer) -> None:
    job = batch_job(3)
    at_once(8, lambda _number: batch.work_on(job.pk, threading.Event()))
    assert len(judge_server.batches.batches) == 1
    assert entry_states() == {"sent"}


def test_an_item_edited_while_its_batch_was_not_sent_is_asked_about_as_it_is_now(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = batch_job(2)
    with monkeypatch.context() as patch:
        patch.setattr(batch_client, "upload", dies_before(batch_client.upload))
        die_in(job)
    item = JudgeQuestion.objects.order_by("position")[0].query.item
    item.text = "고친 문항"
    save_item(item=item)
    tick(job)
    assert run_all(judge_server, job).state == "completed"
    assert sum("고친 문항" in each.text for each in judge_server.asked) == 1
    assert len(judge_server.asked) == 2
    assert_books_balance(job)


# ---- collecting


@pytest.mark.parametrize("dies", ["_save", "_land", "_close_unnamed"])
def test_a_worker_that_dies_while_collecting_charges_nothing_twice(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    job = tick(batch_job(3))
    if dies == "_close_unnamed":
        judge_server.batches.expire(only_id(judge_server), after=1)
        judge_server.batches.batches[only_id(judge_server)]["error_file_id"] = None
    else:
        judge_server.batches.run(only_id(judge_server))
    with monkeypatch.context() as patch:
        patch.setattr(batch_collecting, dies, dies_after(getattr(batch_collecting, dies)))
        die_in(job)
    assert "in-batch" in states(job)
    run_all(judge_server, job)
    answered = 1 if dies == "_close_unnamed" else 3
    assert states(job) == ["answered"] * answered + ["failed"] * (3 - answered)
    assert len(judge_server.asked) == len({each.text for each in judge_server.asked}) == answered
    assert_books_balance(job)


def test_each_of_a_batch_has_its_own_end(judge_server: JudgeServer) -> None:
    judge_server.when = {
        "거절": faults.refuses, "잘림": faults.truncates, "나쁨": faults.fails(400), "고장": faults.fails(500),
        "모양": faults.malformed,
    }  # fmt: skip
    job = tick(batch_job(6, texts=["좋음", "거절", "잘림", "나쁨", "고장", "모양"]))
    judge_server.batches.run(only_id(judge_server))
    JudgeBatch.objects.update(checked_at=None)
    batch.work_on(job.pk, threading.Event())
    # The last two are in a new batch at once, or wait for a moment.
    assert states(job)[:4] == ["answered", "failed", "failed", "failed"]
    assert set(states(job)[4:]) <= {"in-batch", "pending"}
    failures = JudgeQuestion.objects.filter(state="failed").order_by("position").values_list("failure", flat=True)
    assert list(failures) == ["refused", "truncated", "rejected"]
    judge_server.when = {}
    JudgeQuestion.objects.filter(state="pending").update(not_before=None)
    tick(job)
    assert run_all(judge_server, job).state == "failures"
    assert states(job)[4:] == ["answered", "answered"]
    assert_books_balance(job)


def test_a_batch_that_expires_is_paid_for_what_it_did_and_the_rest_waits_for_a_person(
    judge_server: JudgeServer,
) -> None:
    job = tick(batch_job(3))
    judge_server.batches.expire(only_id(judge_server), after=1)
    tick(job)
    assert (job.state, states(job)) == ("failures", ["answered", "failed", "failed"])
    assert set(JudgeQuestion.objects.filter(state="failed").values_list("failure", flat=True)) == {"expired"}
    assert sorted(LedgerEntry.objects.values_list("state", flat=True)) == ["released", "released", "settled"]
    assert_books_balance(job)
    judge_services.retry_failed(job=job, user=allow(make_staff(), "groundtruth.can_spend"))
    tick(job)
    assert run_all(judge_server, job).state == "completed"
    assert len(judge_server.asked) == 3


def test_what_the_provider_failed_without_an_answer_is_tried_a_few_times_and_costs_nothing(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = batch_client.results

    def failed_lines(file_id: str) -> Iterator[Any]:
        return ({"custom_id": each["custom_id"], "error": {"code": "oops", "message": "m"}} for each in lines(file_id))

    monkeypatch.setattr(batch_collecting, "results", failed_lines)
    job = run_all(judge_server, tick(batch_job(1)))
    question = JudgeQuestion.objects.get()
    assert (question.state, question.failure, job.state, job.held_usd) == ("failed", "server-error", "failures", 0)
    assert len(judge_server.batches.batches) == ATTEMPTS[ReplyKind.SERVER_ERROR]


def test_an_answer_that_the_files_do_not_name_is_unknown_and_not_asked_again(judge_server: JudgeServer) -> None:
    job = tick(batch_job(2))
    judge_server.batches.run(only_id(judge_server))
    del judge_server.batches.files[judge_server.batches.batches[only_id(judge_server)]["output_file_id"]]
    tick(job)
    assert (job.state, states(job), entry_states()) == ("failures", ["unknown"] * 2, {"unknown"})
    assert_books_balance(job)
    tick(job)
    assert len(judge_server.batches.batches) == 1


def test_a_batch_that_fails_its_check_pauses_the_job_with_the_reason_and_costs_nothing(
    judge_server: JudgeServer,
) -> None:
    job = tick(batch_job(2))
    judge_server.batches.fail(only_id(judge_server), "Enqueued token limit reached")
    tick(job)
    assert (job.state, job.error, states(job)) == ("paused", "Enqueued token limit reached", ["pending"] * 2)
    assert (job.held_usd, entry_states(), JudgeBatch.objects.get().state) == (0, {"released"}, "failed")
    assert_books_balance(job)


def test_a_batch_cancelled_at_the_provider_pauses_the_job(judge_server: JudgeServer) -> None:
    job = tick(batch_job(2))
    judge_server.batches.cancel(only_id(judge_server))
    tick(job)
    assert (job.state, states(job), job.held_usd) == ("paused", ["failed"] * 2, 0)


# ---- files there


def test_a_batch_whose_answers_are_stored_leaves_no_file_there(judge_server: JudgeServer) -> None:
    judge_server.when = {"나쁨": faults.fails(400)}  # for an error file
    job = tick(batch_job(3, texts=["좋음", "나쁨", "더 좋음"]))
    judge_server.batches.run(only_id(judge_server))
    assert len(judge_server.batches.files) == 3
    tick(job)
    assert not judge_server.batches.files
    assert LedgerEntry.objects.exclude(raw="").count() == 3


def test_a_batch_under_way_keeps_its_file(judge_server: JudgeServer) -> None:
    tick(tick(batch_job(1)))
    assert len(judge_server.batches.files) == 1


@pytest.mark.parametrize(
    "fault", [faults.fails(500), faults.fails(403), faults.cut, lambda _server, good: replace(good, silent=True)]
)
def test_files_that_cannot_be_deleted_are_logged_and_cost_no_answer(
    judge_server: JudgeServer, caplog: pytest.LogCaptureFixture, fault: faults.Fault
) -> None:
    judge_server.deleting = fault
    job = run_all(judge_server, tick(batch_job(2)))
    assert (job.state, states(job)) == ("completed", ["answered"] * 2)
    assert JudgeBatch.objects.get().state == "collected"
    stay = [each.getMessage() for each in caplog.records if "stays with the provider" in each.getMessage()]
    assert len(stay) == len(judge_server.batches.files) == 2


def test_a_provider_that_hangs_over_a_deletion_holds_the_job_up_for_a_moment_only(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_client, "TIDY_SECONDS", 0.2)
    judge_server.deleting = faults.hangs
    assert run_all(judge_server, tick(batch_job(1))).state == "completed"


def test_a_worker_that_dies_before_it_deletes_is_followed_by_one_that_does(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tick(batch_job(2))
    judge_server.batches.run(only_id(judge_server))
    with monkeypatch.context() as patch:
        patch.setattr(batch_client, "delete_files", dies_before(batch_client.delete_files))
        die_in(job)
    assert states(job) == ["answered"] * 2
    tick(job)
    assert not judge_server.batches.files
    assert job.state == "completed"
    assert_books_balance(job)


def test_the_files_of_a_batch_stay_where_an_answer_was_not_found_in_them(
    judge_server: JudgeServer, caplog: pytest.LogCaptureFixture
) -> None:
    job = tick(batch_job(2))
    judge_server.batches.run(only_id(judge_server))
    name = judge_server.batches.batches[only_id(judge_server)]["output_file_id"]
    made, data = judge_server.batches.files[name]
    judge_server.batches.files[name] = (made, data.split(b"\n")[0] + b'\n{"custom_id": \n')
    tick(job)
    assert sorted(states(job)) == ["answered", "unknown"]
    assert len(judge_server.batches.files) == 2
    assert "have no answer" in caplog.text


@pytest.mark.parametrize(("function", "dies"), [("upload", "after"), ("create", "before")])
def test_what_a_dead_worker_uploaded_goes_with_the_batch(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch, function: str, dies: str
) -> None:
    job = batch_job(1)
    other = judge_server.batches._keep(b"{}", "of-another-program.jsonl", "batch")
    with monkeypatch.context() as patch:
        dying = dies_after if dies == "after" else dies_before
        patch.setattr(batch_client, function, dying(getattr(batch_client, function)))
        die_in(job)
    LedgerEntry.objects.filter(sent_at__isnull=False).update(sent_at=timezone.now() - batch.LOOK_FOR)
    tick(job)
    assert len(judge_server.batches.files) == 3  # uploaded twice
    assert run_all(judge_server, job).state == "completed"
    assert list(judge_server.batches.files) == [other["id"]]


def test_a_file_whose_batch_the_provider_would_not_make_is_deleted(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_args: Any, **_kwargs: Any) -> Any:
        raise batch_client.CallError(Reply(ReplyKind.REJECTED, 400, error="test: no"))

    monkeypatch.setattr(batch_client, "create", refused)
    assert tick(batch_job(1)).state == "paused"
    assert not judge_server.batches.files


# ---- limits and people


def test_what_does_not_fit_under_the_limit_of_the_job_is_not_sent(judge_server: JudgeServer) -> None:
    first = tick(batch_job(1))
    amount = LedgerEntry.objects.get().reserved_usd
    job = tick(batch_job(4, cap_usd=amount * Decimal("2.5"), prompt=first.prompt))
    assert (job.state, states(job)) == ("paused", ["in-batch"] * 2 + ["pending"] * 2)
    assert f"{amount.normalize()}" in job.error  # the reason names what the next call could cost
    assert JudgeBatch.objects.get(job=job).state == "submitted"
    assert_books_balance(job)


def test_what_does_not_fit_under_the_limit_of_the_day_is_not_sent(judge_server: JudgeServer, settings: Any) -> None:
    tick(batch_job(1))
    settings.LLM_DAILY_CAP_USD = LedgerEntry.objects.get().reserved_usd * Decimal("2.5")
    job = tick(batch_job(3))
    assert (job.state, states(job)) == ("paused", ["in-batch", "pending", "pending"])
    assert SpendDay.objects.get().held_usd <= settings.LLM_DAILY_CAP_USD


def test_a_cancelled_job_cancels_its_batch_and_pays_for_what_was_done(judge_server: JudgeServer) -> None:
    job = tick(batch_job(3))
    judge_server.batches.expire(only_id(judge_server), after=1)  # one is done when the provider hears of it
    judge_server.batches.batches[only_id(judge_server)]["status"] = "in_progress"
    judge_services.cancel_job(job=job)
    tick(job)
    assert judge_server.batches.batches[only_id(judge_server)]["status"] == "cancelled"
    assert (job.state, JudgeBatch.objects.get().state) == ("cancelled", "collected")
    assert sorted(LedgerEntry.objects.values_list("state", flat=True)) == ["released", "released", "settled"]
    assert job.held_usd > 0
    assert_books_balance(job)
    assert not batch.due_jobs().exists()


def test_a_pause_stops_new_batches_only_and_says_so(judge_server: JudgeServer) -> None:
    job = tick(batch_job(2))
    judge_services.pause_job(job=job)
    add_question(job, "쉬는 동안 더해진 문항")
    run_all(judge_server, job)
    assert (job.state, states(job)) == ("paused", ["answered", "answered", "pending"])
    assert job.error  # whatever the language
    assert len(judge_server.batches.batches) == 1


@pytest.mark.parametrize("stop", [judge_services.pause_job, judge_services.cancel_job])
def test_a_batch_that_was_not_sent_when_the_job_was_stopped_never_is(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch, stop: Callable[..., Any]
) -> None:
    job = batch_job(2)
    with monkeypatch.context() as patch:
        patch.setattr(batch_client, "upload", dies_after(batch_client.upload))
        die_in(job)
    stop(job=job)
    tick(job)
    assert not judge_server.batches.batches
    assert not judge_server.batches.files
    assert (states(job), entry_states(), job.held_usd) == (["pending"] * 2, {"released"}, 0)
    assert_books_balance(job)


def test_a_job_that_is_stopped_during_the_upload_is_not_sent(
    judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = batch_job(2)
    upload = batch_client.upload

    def upload_and_pause(*args: Any) -> str:
        judge_services.pause_job(job=job)
        return upload(*args)

    monkeypatch.setattr(batch_client, "upload", upload_and_pause)
    tick(job)
    assert not judge_server.batches.batches
    assert not judge_server.batches.files
    assert (job.state, job.held_usd, states(job)) == ("paused", 0, ["pending"] * 2)


# ---- a provider that says no


def test_a_key_that_is_refused_pauses_the_job_and_costs_nothing(judge_server: JudgeServer, settings: Any) -> None:
    settings.OPENAI_API_KEY = "wrong-key"
    job = tick(batch_job(2))
    assert (job.state, states(job), job.held_usd) == ("paused", ["pending"] * 2, 0)
    assert "401" in job.error
    assert JudgeBatch.objects.get().state == "failed"


def test_a_job_without_a_key_is_paused_before_anything_is_reserved(judge_server: JudgeServer, settings: Any) -> None:
    settings.OPENAI_API_KEY = ""
    job = tick(batch_job(1))
    assert job.state == "paused"
    assert "OPENAI_API_KEY" in job.error
    assert not LedgerEntry.objects.exists()


def test_a_provider_that_cannot_be_reached_is_tried_again_then_pauses_the_job(
    judge_server: JudgeServer,
) -> None:
    judge_server.stop()
    job = batch_job(1)
    for _time in range(batch.TRIES):
        assert job.state == "running"
        JudgeJob.objects.update(not_before=None)
        tick(job)
        assert (job.held_usd, states(job)) == (0, ["pending"])
    assert job.state == "paused"


def test_a_poll_that_fails_leaves_the_batch_for_the_next(judge_server: JudgeServer, settings: Any) -> None:
    job = tick(batch_job(1))
    good = settings.OPENAI_BASE_URL
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"
    tick(job)
    assert (job.state, JudgeBatch.objects.get().state) == ("running", "submitted")
    assert JudgeBatch.objects.get().error
    settings.OPENAI_BASE_URL = good
    assert run_all(judge_server, job).state == "completed"


def test_a_batch_the_provider_does_not_know_is_unknown_once_the_job_is_cancelled(judge_server: JudgeServer) -> None:
    job = tick(batch_job(1))
    judge_server.batches.batches.clear()
    tick(job)
    assert (job.state, entry_states()) == ("paused", {"sent"})
    judge_services.cancel_job(job=job)
    tick(job)
    assert (entry_states(), states(job)) == ({"unknown"}, ["unknown"])
    assert_books_balance(job)


def test_a_set_that_was_frozen_gets_no_batch(judge_server: JudgeServer) -> None:
    job = batch_job(1)
    make_pair(JudgeQuestion.objects.get().query, relevance=1)
    type(job.truth_set).objects.update(frozen_at=timezone.now(), fingerprint="f")
    tick(job)
    assert job.state == "paused"
    assert not judge_server.batches.batches


def test_a_batch_of_somebody_else_under_our_id_is_not_taken_for_ours(judge_server: JudgeServer) -> None:
    job = tick(batch_job(2))
    remote_id = only_id(judge_server)
    judge_server.batches.run(remote_id)
    judge_server.batches.batches[remote_id]["metadata"] = {"itembank_batch": "another"}
    job = tick(job)
    assert job.state == "paused"
    assert "is not the one that was sent" in job.error
    assert states(job) == ["in-batch", "in-batch"]
    assert not LedgerEntry.objects.filter(state__in=["received", "settled", "unknown"]).exists()
