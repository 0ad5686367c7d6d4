"""Judge jobs: planned with their price, confirmed by who may spend, held, ended and asked again."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone

from groundtruth.judge_selectors import consistency, failures, job_counts, money
from groundtruth.judge_services import (
    JudgeStateError,
    cancel_job,
    confirm_job,
    pause_job,
    plan_job,
    plan_trial,
    resume_job,
    retry_failed,
    set_cap,
)
from groundtruth.judging.parameters import JudgeError, JudgeParameters
from groundtruth.models import Change, JudgeJob, Judgement, JudgeQuestion, LedgerEntry, Prompt, TruthSet
from groundtruth.prompt_services import create_prompt, save_price
from tests.factories import allow, make_item, make_staff
from tests.groundtruth.factories import make_judge_job, make_pair, make_price, make_prompt, make_query, make_truth_set

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _price() -> None:
    make_price("gpt-4o-mini")


@pytest.fixture
def spender() -> User:
    return allow(make_staff("lead"), "groundtruth.can_spend")


@pytest.fixture
def prompt() -> Prompt:
    return make_prompt("listwise")


def _set(queries: int = 2, candidates: int = 5) -> TruthSet:
    truth_set = make_truth_set()
    for _ in range(queries):
        query = make_query(truth_set)
        for _ in range(candidates):
            make_pair(query)
    return truth_set


def _plan(truth_set: TruthSet, prompt: Prompt, **options: Any) -> JudgeJob:
    parameters = JudgeParameters(**options.pop("parameters", {}))
    return plan_job(truth_set=truth_set, model="gpt-4o-mini", prompt=prompt, parameters=parameters, **options)


def _tried(job: JudgeJob) -> JudgeJob:
    make_judge_job(job.truth_set, prompt=job.prompt, model=job.model, purpose="trial", state="completed")
    return job


def _entry(question: JudgeQuestion, **fields: Any) -> LedgerEntry:
    values: dict[str, Any] = {
        "job": question.job, "question": question, "question_hash": question.question_hash,
        "model": "gpt-4o-mini", "day": timezone.now().date(), "reserved_usd": Decimal("0.02"),
    } | fields  # fmt: skip
    return LedgerEntry.objects.create(**values)


def _confirmed(prompt: Prompt, spender: User, **options: Any) -> JudgeJob:
    return confirm_job(job=_tried(_plan(_set(), prompt, **options)), user=spender)


# ---- planning


def test_a_list_is_asked_for_each_query_and_split_where_it_is_too_long(prompt: Prompt) -> None:
    job = _plan(_set(queries=2, candidates=5), prompt, parameters={"candidates": 3, "both_orders_share": 0})
    assert [len(question.pairs) for question in job.questions.all()] == [3, 2, 3, 2]


def test_each_pair_is_a_question_of_its_own_for_a_pairwise_prompt() -> None:
    job = _plan(_set(queries=2, candidates=2), make_prompt("pairwise"), parameters={"both_orders_share": 0})
    assert [len(question.pairs) for question in job.questions.all()] == [1, 1, 1, 1]


def test_pairs_that_were_judged_are_left_out(prompt: Prompt) -> None:
    truth_set = make_truth_set()
    query = make_query(truth_set)
    waiting = make_pair(query)
    make_pair(query, relevance=2)
    assert [question.pairs for question in _plan(truth_set, prompt).questions.all()] == [[waiting.pk]]


def test_candidates_are_shuffled_by_the_seed(prompt: Prompt) -> None:
    truth_set = _set(queries=1, candidates=10)
    first, again, other = (
        _plan(truth_set, prompt, parameters={"seed": seed, "both_orders_share": 0}).questions.get().pairs
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert first != sorted(first)


def test_a_share_of_the_questions_is_asked_in_the_other_order_at_the_end(prompt: Prompt) -> None:
    job = _plan(_set(queries=4), prompt, parameters={"both_orders_share": 0.5})
    questions = list(job.questions.all())
    assert [question.swapped for question in questions] == [False] * 4 + [True] * 2
    assert all(question.pairs in [each.pairs for each in questions[:4]] for question in questions[4:])


def test_a_list_of_one_candidate_has_no_other_order(prompt: Prompt) -> None:
    job = _plan(_set(queries=3, candidates=1), prompt, parameters={"both_orders_share": 1})
    assert not job.questions.filter(swapped=True).exists()


def test_a_plan_is_a_draft_whose_limit_is_the_highest_cost_unless_another_is_given(prompt: Prompt) -> None:
    job = _plan(_set(), prompt)
    assert (job.state, job.cap_usd) == ("draft", job.maximum_usd)
    assert Decimal(0) < job.expected_usd < job.maximum_usd
    assert _plan(_set(), prompt, cap_usd=Decimal("0.5")).cap_usd == Decimal("0.5")


def test_batch_mode_is_planned_at_half_the_price(prompt: Prompt) -> None:
    truth_set = _set()
    live, batch = (_plan(truth_set, prompt, mode=mode) for mode in ("live", "batch"))
    assert float(batch.maximum_usd) == pytest.approx(float(live.maximum_usd) / 2, rel=1e-3)


def test_a_question_that_was_answered_before_costs_nothing(prompt: Prompt) -> None:
    truth_set = _set(queries=2)
    first = _plan(truth_set, prompt, parameters={"both_orders_share": 0})
    _entry(first.questions.all()[0], state="settled", usable=True)
    second = _plan(truth_set, prompt, parameters={"both_orders_share": 0})
    assert second.parameters["estimate"]["reused"] == 1
    assert second.parameters["estimate"]["calls"] == 1
    assert second.maximum_usd < first.maximum_usd


def test_questions_of_unknown_outcome_are_counted(prompt: Prompt) -> None:
    truth_set = _set()
    _entry(_plan(truth_set, prompt).questions.all()[0], state="unknown")
    assert _plan(truth_set, prompt).parameters["estimate"]["unknown"] == 1


def test_the_same_question_twice_in_a_job_is_counted_once(prompt: Prompt) -> None:
    truth_set = make_truth_set()
    twins = [make_item(text="같은 문항"), make_item(text="같은 문항")]
    query = make_query(truth_set)
    for twin in twins:
        make_pair(query, item=twin)
    job = _plan(truth_set, make_prompt("pairwise"), parameters={"both_orders_share": 0})
    assert (job.parameters["estimate"]["calls"], job.parameters["estimate"]["reused"]) == (1, 1)


def test_many_questions_are_planned_in_few_queries(prompt: Prompt, django_assert_max_num_queries: Any) -> None:
    truth_set = _set(queries=30, candidates=3)
    with django_assert_max_num_queries(30):
        assert _plan(truth_set, prompt).questions.count() == 33


def test_a_frozen_set_is_refused(prompt: Prompt) -> None:
    truth_set = _set()
    TruthSet.objects.update(frozen_at=timezone.now(), fingerprint="f")
    with pytest.raises(JudgeError, match="frozen"):
        _plan(truth_set, prompt)


def test_a_set_that_is_being_built_is_refused(prompt: Prompt) -> None:
    truth_set = _set()
    TruthSet.objects.update(state="building")
    with pytest.raises(JudgeError, match="Being built"):
        _plan(truth_set, prompt)


def test_a_set_without_waiting_candidates_is_refused(prompt: Prompt) -> None:
    with pytest.raises(JudgeError, match="no candidates"):
        _plan(make_truth_set(), prompt)


def test_a_negative_limit_is_refused_and_leaves_no_job(prompt: Prompt) -> None:
    with pytest.raises(JudgeError, match="0 or more"):
        _plan(_set(), prompt, cap_usd=Decimal(-1))
    assert not JudgeJob.objects.exists()


def test_a_model_without_a_price_is_refused_and_leaves_no_job(prompt: Prompt) -> None:
    with pytest.raises(JudgeError, match="gpt-unheard-of"):
        plan_job(truth_set=_set(), model="gpt-unheard-of", prompt=prompt, parameters=JudgeParameters())
    assert not JudgeJob.objects.exists()


# ---- trials


def test_a_trial_of_a_list_asks_for_three_candidates_of_one_query(prompt: Prompt) -> None:
    trial = plan_trial(prompt=prompt, model="gpt-4o-mini", truth_set=_set())
    assert (trial.purpose, trial.state) == ("trial", "draft")
    assert [len(question.pairs) for question in trial.questions.all()] == [3]


def test_a_trial_of_pairs_asks_three_questions() -> None:
    trial = plan_trial(prompt=make_prompt("pairwise"), model="gpt-4o-mini", truth_set=_set(queries=3))
    assert len({question.query_id for question in trial.questions.all()}) == 3


def test_a_trial_of_chosen_pairs_takes_three_of_the_set(prompt: Prompt) -> None:
    truth_set, other = _set(), _set()
    chosen = list(truth_set.pairs.all()[:3])
    trial = plan_trial(prompt=prompt, model="gpt-4o-mini", truth_set=truth_set, pairs=chosen)
    assert sorted(pk for question in trial.questions.all() for pk in question.pairs) == sorted(p.pk for p in chosen)
    for wrong in (chosen[:2], [chosen[0], chosen[0], chosen[1]], [*chosen[:2], other.pairs.all()[0]]):
        with pytest.raises(JudgeError, match="three different pairs"):
            plan_trial(prompt=prompt, model="gpt-4o-mini", truth_set=truth_set, pairs=wrong)


# ---- confirming


def test_who_may_spend_confirms_and_the_job_runs(prompt: Prompt, spender: User) -> None:
    job = _confirmed(prompt, spender)
    assert (job.state, job.confirmed_by) == ("running", spender)
    assert job.confirmed_at is not None
    assert Change.objects.get(action="confirm").user == spender


def test_who_may_not_spend_cannot_confirm(prompt: Prompt) -> None:
    planner = allow(make_staff(), "groundtruth.add_judgejob", "groundtruth.change_judgejob")
    job = _tried(_plan(_set(), prompt))
    with pytest.raises(PermissionDenied):
        confirm_job(job=job, user=planner)
    job.refresh_from_db()
    assert job.state == "draft"


@pytest.mark.parametrize(
    "trial", [None, {"state": "failures"}, {"model": "gpt-4o"}, {"prompt": "other"}, {"purpose": "judge"}]
)
def test_a_prompt_is_tried_with_the_same_model_before_a_job_uses_it(
    prompt: Prompt, spender: User, trial: dict[str, Any] | None
) -> None:
    job = _plan(_set(), prompt)
    if trial is not None:
        fields = {"prompt": prompt, "purpose": "trial", "state": "completed"} | trial
        if trial.get("prompt") == "other":
            fields["prompt"] = make_prompt("listwise")
        make_judge_job(job.truth_set, **fields)
    with pytest.raises(JudgeError, match="three pairs"):
        confirm_job(job=job, user=spender)


def test_a_trial_needs_no_trial(prompt: Prompt, spender: User) -> None:
    trial = plan_trial(prompt=prompt, model="gpt-4o-mini", truth_set=_set())
    assert confirm_job(job=trial, user=spender).state == "running"


def test_a_job_is_confirmed_once(prompt: Prompt, spender: User) -> None:
    job = _confirmed(prompt, spender)
    with pytest.raises(JudgeStateError):
        confirm_job(job=job, user=spender)


def test_the_limit_may_be_lowered_while_confirming(prompt: Prompt, spender: User) -> None:
    job = _tried(_plan(_set(), prompt))
    assert confirm_job(job=job, user=spender, cap_usd=Decimal("0.001")).cap_usd == Decimal("0.001")


def test_a_set_frozen_after_the_plan_stops_the_confirmation(prompt: Prompt, spender: User) -> None:
    job = _tried(_plan(_set(), prompt))
    TruthSet.objects.update(frozen_at=timezone.now(), fingerprint="f")
    with pytest.raises(JudgeError, match="frozen"):
        confirm_job(job=job, user=spender)


# ---- while it runs


def test_a_job_is_paused_resumed_and_cancelled(prompt: Prompt, spender: User) -> None:
    job = _confirmed(prompt, spender)
    assert pause_job(job=job).state == "paused"
    assert resume_job(job=job, user=spender).state == "running"
    assert cancel_job(job=job).state == "cancelled"
    assert job.finished_at is not None


def test_resuming_is_spending(prompt: Prompt, spender: User) -> None:
    job = pause_job(job=_confirmed(prompt, spender))
    with pytest.raises(PermissionDenied):
        resume_job(job=job, user=make_staff())


def test_resuming_forgets_the_error_and_the_provider_s_pause(prompt: Prompt, spender: User) -> None:
    job = pause_job(job=_confirmed(prompt, spender))
    JudgeJob.objects.update(error="limit reached", not_before=timezone.now())
    resumed = resume_job(job=job, user=spender)
    assert (resumed.error, resumed.not_before) == ("", None)


def test_the_limit_is_raised_and_never_below_what_is_held(prompt: Prompt, spender: User) -> None:
    job = pause_job(job=_confirmed(prompt, spender, cap_usd=Decimal(1)))
    JudgeJob.objects.filter(pk=job.pk).update(held_usd=Decimal("0.5"))
    assert set_cap(job=job, cap_usd=Decimal(2), user=spender).cap_usd == 2
    change = Change.objects.get(action="set-cap")
    assert (change.old, change.new) == ({"cap_usd": "1.00000000"}, {"cap_usd": "2"})
    with pytest.raises(JudgeError, match="spent or reserved"):
        set_cap(job=job, cap_usd=Decimal("0.4"), user=spender)


def _ended(prompt: Prompt, spender: User) -> JudgeJob:
    """A job with one question failed, one unknown."""
    job = _confirmed(prompt, spender, parameters={"both_orders_share": 0})
    failed, unknown = job.questions.all()
    JudgeQuestion.objects.filter(pk=failed.pk).update(state="failed", failure="refused", error="no", attempts=1)
    JudgeQuestion.objects.filter(pk=unknown.pk).update(state="unknown", error="cut off")
    JudgeJob.objects.filter(pk=job.pk).update(state="failures", finished_at=timezone.now())
    job.refresh_from_db()
    return job


def test_failed_questions_are_asked_again_and_unknown_ones_stay(prompt: Prompt, spender: User) -> None:
    job = retry_failed(job=_ended(prompt, spender), user=spender)
    assert (job.state, job.finished_at) == ("running", None)
    assert [question.state for question in job.questions.all()] == ["pending", "unknown"]
    assert job.questions.all()[0].failure == ""


def test_unknown_questions_are_asked_again_where_they_are_named(prompt: Prompt, spender: User) -> None:
    job = retry_failed(job=_ended(prompt, spender), user=spender, states={"unknown"})
    assert [question.state for question in job.questions.all()] == ["failed", "pending"]
    assert Change.objects.get(action="retry").new == {"states": ["unknown"]}


def test_asking_again_is_spending(prompt: Prompt, spender: User) -> None:
    job = _ended(prompt, spender)
    with pytest.raises(PermissionDenied):
        retry_failed(job=job, user=make_staff())


def test_a_job_without_failures_has_nothing_to_ask_again(prompt: Prompt, spender: User) -> None:
    with pytest.raises(JudgeError, match="no such questions"):
        retry_failed(job=_confirmed(prompt, spender), user=spender)


def test_questions_that_were_answered_are_never_asked_again(prompt: Prompt, spender: User) -> None:
    with pytest.raises(ValueError, match="only"):
        retry_failed(job=_ended(prompt, spender), user=spender, states={"answered"})


# ---- prompts and prices


def test_another_wording_is_the_next_version(prompt: Prompt) -> None:
    written = create_prompt(kind="listwise", instructions=" Judge otherwise. ", note="shorter")
    assert (written.version, written.instructions) == (prompt.version + 1, "Judge otherwise.")


def test_a_change_of_a_price_is_in_the_audit_trail(spender: User) -> None:
    price = make_price("gpt-4o-mini")
    price.input_usd = Decimal("0.3")
    save_price(price=price, user=spender)
    change = Change.objects.get(action="price")
    old, new = change.old or {}, change.new or {}
    assert (old["input_usd"], new["input_usd"], change.user) == ("0.15000000", "0.3", spender)


# ---- selectors


def test_failures_are_counted_by_kind_with_examples(prompt: Prompt, spender: User) -> None:
    job = _ended(prompt, spender)
    assert {each.kind: (each.count, [q.error for q in each.examples]) for each in failures(job)} == {
        "refused": (1, ["no"]),
        "unknown": (1, ["cut off"]),
    }
    assert (job_counts(job).total, job_counts(job).percent) == (2, 100)


def test_money_is_told_by_what_is_on_its_way_and_what_was_charged(prompt: Prompt, spender: User) -> None:
    job = _confirmed(prompt, spender, cap_usd=Decimal(1))
    first, second, third = (job.questions.all()[0], *job.questions.all()[1:3])
    _entry(first, state="settled", charged_usd=Decimal("0.01"), input_tokens=100, output_tokens=7)
    _entry(second, state="unknown", charged_usd=Decimal("0.02"))
    _entry(third, state="sent")
    JudgeJob.objects.filter(pk=job.pk).update(held_usd=Decimal("0.05"))
    job.refresh_from_db()
    told = money(job)
    assert (told.charged, told.reserved, told.remaining) == (Decimal("0.03"), Decimal("0.02"), Decimal("0.95"))
    assert (told.input_tokens, told.output_tokens) == (100, 7)


def test_consistency_compares_the_relevance_of_both_orders(prompt: Prompt, spender: User) -> None:
    job = _confirmed(prompt, spender, parameters={"both_orders_share": 1})
    assert consistency(job) is None
    question = job.questions.filter(swapped=True)[0]
    JudgeQuestion.objects.filter(pk=question.pk).update(state="answered")
    for pk, first, other in zip(question.pairs, (3, 2, 0, 1, 3), (3, 2, 0, 1, 1), strict=True):
        for swapped, relevance in ((False, first), (True, other)):
            Judgement.objects.create(
                pair_id=pk, source="model", judge=job.model, prompt=prompt, swapped=swapped, relevance=relevance
            )
    told = consistency(job)
    assert told is not None
    assert (told.n, told.agreement, round(told.mean_difference, 6)) == (5, 0.8, 0.4)


def test_a_set_that_was_deleted_meanwhile_is_refused(prompt: Prompt) -> None:
    truth_set = _set()
    TruthSet.objects.get(pk=truth_set.pk).delete()
    with pytest.raises(JudgeError, match="no longer there"):
        plan_job(truth_set=truth_set, model="gpt-4o-mini", prompt=prompt, parameters=JudgeParameters())


def test_nothing_is_asked_again_for_a_set_that_was_frozen(spender: User) -> None:
    job = make_judge_job(_set(), state="failures")
    query = make_query(job.truth_set)
    question = JudgeQuestion.objects.create(
        job=job, position=1, query=query, pairs=[], question_hash="0", state="failed", failure="refused"
    )
    TruthSet.objects.filter(pk=job.truth_set_id).update(frozen_at=timezone.now(), fingerprint="0")
    with pytest.raises(JudgeError, match="frozen"):
        retry_failed(job=job, user=spender)
    question.refresh_from_db()
    assert question.state == "failed"


def test_more_questions_than_somebody_can_wait_for_are_refused(prompt: Prompt) -> None:
    with pytest.raises(JudgeError, match="2 questions; this page plans 1"):
        plan_job(
            truth_set=_set(),
            model="gpt-4o-mini",
            prompt=prompt,
            parameters=JudgeParameters(both_orders_share=0),
            most=1,
        )
    assert not JudgeJob.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_job_that_runs_is_refused_a_second_confirmation_without_waiting_for_its_set(spender: User) -> None:
    """Its workers lock the job, then the set; who would hold the set and wait for the job stopped both."""
    job = make_judge_job(_set(), state="running")
    worker = connection.copy()
    try:
        with worker.cursor() as cursor, connection.cursor() as own:
            cursor.execute("BEGIN; SELECT FROM groundtruth_truthset FOR NO KEY UPDATE")
            own.execute("SET lock_timeout = '200ms'")
            with pytest.raises(JudgeStateError):
                confirm_job(job=job, user=spender)
            own.execute("SET lock_timeout = 0")
    finally:
        worker.close()
