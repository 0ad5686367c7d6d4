"""The pages of judge jobs and of money: an estimate, a confirmation, what became of it, and who may do what."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from groundtruth.judge_services import plan_job, plan_trial
from groundtruth.judging.parameters import JudgeParameters
from groundtruth.models import Change, JudgeJob, JudgeQuestion, LedgerEntry, ModelPrice, SpendDay, TruthSet
from tests.factories import allow, make_admin, make_staff
from tests.groundtruth.factories import make_judge_job, make_pair, make_price, make_prompt, make_query, make_truth_set

pytestmark = pytest.mark.django_db

LIST = "/admin/groundtruth/judgejob/"
PRICES = "/admin/groundtruth/modelprice/"
LEDGER = "/admin/groundtruth/ledgerentry/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    client.cookies["django_language"] = "en"
    return client


def _set() -> TruthSet:
    truth_set = make_truth_set()
    query = make_query(truth_set)
    for _ in range(4):
        make_pair(query)
    return truth_set


@pytest.fixture
def job() -> JudgeJob:
    """A draft whose prompt was tried."""
    make_price("gpt-4o-mini")
    truth_set, prompt = _set(), make_prompt()
    make_judge_job(truth_set, prompt=prompt, purpose="trial", state="completed")
    return plan_job(truth_set=truth_set, model="gpt-4o-mini", prompt=prompt, parameters=JudgeParameters())


def _page(client: Client, job: JudgeJob) -> Any:
    return client.get(f"{LIST}{job.pk}/change/")


def _press(client: Client, job: JudgeJob, control: str, **data: Any) -> Any:
    answer = client.post(f"{LIST}{job.pk}/control/{control}/", data, follow=True)
    job.refresh_from_db()
    return answer


def _fail(job: JudgeJob, state: str = "failed", **fields: Any) -> None:
    JudgeQuestion.objects.filter(pk=job.questions.all()[0].pk).update(state=state, **fields)
    JudgeQuestion.objects.filter(job=job, state="pending").update(state="answered")
    JudgeJob.objects.filter(pk=job.pk).update(state="failures", confirmed_at=timezone.now())
    job.refresh_from_db()


def _entry(job: JudgeJob, **fields: Any) -> LedgerEntry:
    question = job.questions.all()[0]
    values: dict[str, Any] = {
        "job": job, "question": question, "question_hash": question.question_hash, "model": job.model,
        "day": timezone.now().date(), "reserved_usd": Decimal("0.02"),
    } | fields  # fmt: skip
    return LedgerEntry.objects.create(**values)


# ---- planning and confirming


def test_a_job_is_planned_with_a_form_and_sends_nothing(admin: Client) -> None:
    make_price("gpt-4o-mini")
    truth_set, prompt = _set(), make_prompt()
    form = admin.get(f"{LIST}add/").context["form"]
    sent = {name: field.initial for name, field in form.fields.items() if field.initial is not None}
    answer = admin.post(
        f"{LIST}add/",
        sent | {"truth_set": truth_set.pk, "prompt": prompt.pk, "model": "gpt-4o-mini", "mode": "live", "seed": 7},
    )
    job = JudgeJob.objects.get()
    assert answer["Location"] == f"{LIST}{job.pk}/change/"
    assert (job.state, job.cap_usd, job.parameters["seed"]) == ("draft", job.maximum_usd, 7)
    assert not LedgerEntry.objects.exists()


def test_what_cannot_be_planned_is_said_in_the_form(admin: Client) -> None:
    make_price("gpt-4o-mini")
    empty, prompt = make_truth_set(), make_prompt()
    form = admin.get(f"{LIST}add/").context["form"]
    sent = {name: field.initial for name, field in form.fields.items() if field.initial is not None}
    sent |= {"truth_set": empty.pk, "prompt": prompt.pk, "model": "gpt-4o-mini", "mode": "live"}
    assert "no candidates" in admin.post(f"{LIST}add/", sent).content.decode()
    assert "candidates is 99" in admin.post(f"{LIST}add/", sent | {"candidates": 99}).content.decode()
    assert not JudgeJob.objects.exists()


def test_frozen_sets_are_not_offered(admin: Client) -> None:
    frozen = make_truth_set(frozen_at=timezone.now(), fingerprint="f")
    assert frozen not in admin.get(f"{LIST}add/").context["form"].fields["truth_set"].queryset


def test_a_draft_shows_calls_tokens_costs_limit_and_what_is_left_of_the_day(
    admin: Client, job: JudgeJob, settings: Any
) -> None:
    settings.LLM_DAILY_CAP_USD = Decimal(5)
    SpendDay.objects.create(day=timezone.now().date(), held_usd=Decimal("1.25"))
    page = _page(admin, job)
    html = page.content.decode()
    shown = page.context["estimate"]
    assert shown["calls"] == "2"  # the list, and once more in the other order
    for figure in ("calls", "input_tokens", "output_tokens", "expected", "maximum"):
        assert f"<b>{shown[figure]}</b>" in html
    assert f'value="{job.cap_usd.normalize():f}"' in html
    assert "<b>$3.75</b>" in html


def test_looking_spends_nothing(admin: Client, job: JudgeJob) -> None:
    for control in ("confirm", "resume", "retry", "cap"):
        assert admin.get(f"{LIST}{job.pk}/control/{control}/").status_code == 405
    _page(admin, job)
    job.refresh_from_db()
    assert job.state == "draft"


def test_a_confirmation_without_the_form_s_token_is_refused(job: JudgeJob) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(make_admin())
    assert careful.post(f"{LIST}{job.pk}/control/confirm/", {"cap_usd": "1"}).status_code == 403


def test_confirming_takes_the_limit_that_was_shown(admin: Client, job: JudgeJob) -> None:
    _press(admin, job, "confirm", cap_usd="0.004")
    assert (job.state, job.cap_usd) == ("running", Decimal("0.004"))


@pytest.mark.parametrize("cap", ["", "-1", "many", "NaN"])
def test_a_limit_that_is_no_amount_confirms_nothing(admin: Client, job: JudgeJob, cap: str) -> None:
    assert "0 or more" in _press(admin, job, "confirm", cap_usd=cap).content.decode()
    assert job.state == "draft"


def test_a_prompt_that_was_not_tried_leads_to_the_trial(admin: Client, job: JudgeJob) -> None:
    JudgeJob.objects.filter(purpose="trial").delete()
    html = _page(admin, job).content.decode()
    assert f"/admin/groundtruth/prompt/{job.prompt_id}/try/?model=gpt-4o-mini" in html
    assert "/control/confirm/" not in html
    _press(admin, job, "confirm", cap_usd="1")
    assert job.state == "draft"


# ---- permissions


def _as(client: Client, *permissions: str) -> User:
    user = allow(make_staff(), *permissions)
    client.force_login(user)
    return user


def test_who_may_only_look_gets_no_buttons(client: Client, job: JudgeJob) -> None:
    _as(client, "groundtruth.view_judgejob")
    assert _page(client, job).context["controls"] == []
    for control in ("confirm", "cancel", "pause", "resume", "retry", "cap"):
        assert client.post(f"{LIST}{job.pk}/control/{control}/", {"cap_usd": "1"}).status_code == 403
    job.refresh_from_db()
    assert job.state == "draft"


def test_who_plans_may_not_spend(client: Client, job: JudgeJob) -> None:
    _as(client, "groundtruth.add_judgejob", "groundtruth.change_judgejob")
    assert client.get(f"{LIST}add/").status_code == 200
    assert _page(client, job).context["controls"] == ["cancel"]
    assert client.post(f"{LIST}{job.pk}/control/confirm/", {"cap_usd": "1"}).status_code == 403


def test_who_may_spend_confirms(client: Client, job: JudgeJob) -> None:
    user = _as(client, "groundtruth.can_spend")
    assert _page(client, job).context["controls"] == ["confirm", "cancel"]
    _press(client, job, "confirm", cap_usd="1")
    assert (job.state, job.confirmed_by) == ("running", user)


def test_who_may_not_look_sees_nothing(client: Client, job: JudgeJob) -> None:
    _as(client)
    for address in (LIST, f"{LIST}add/", f"{LIST}{job.pk}/change/", f"{LIST}{job.pk}/progress/", LEDGER, PRICES):
        assert client.get(address).status_code == 403


# ---- a job that runs, and one that ended


def test_a_job_is_paused_resumed_and_cancelled_by_buttons(admin: Client, job: JudgeJob) -> None:
    _press(admin, job, "confirm", cap_usd="1")
    for control, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        _press(admin, job, control)
        assert job.state == state


def test_a_button_pressed_too_late_says_so(admin: Client, job: JudgeJob) -> None:
    _press(admin, job, "cancel")
    assert "Cancelled" in _press(admin, job, "pause").content.decode()
    assert job.state == "cancelled"


def test_progress_and_money_are_asked_for_as_json(admin: Client, job: JudgeJob) -> None:
    _press(admin, job, "confirm", cap_usd="1")
    _entry(job, state="settled", charged_usd=Decimal("0.0125"), input_tokens=1200, output_tokens=80)
    JudgeQuestion.objects.filter(pk=job.questions.all()[0].pk).update(state="answered")
    answer = admin.get(f"{LIST}{job.pk}/progress/")
    assert "no-store" in answer["Cache-Control"]
    told = answer.json()
    assert (told["state"], told["percent"], told["finished"], told["total"]) == ("running", 50, 1, 2)
    assert (told["figures"]["charged"], told["figures"]["tokens"]) == ("$0.0125", "1,200 + 80")


@pytest.mark.parametrize("failure", JudgeQuestion.Failure.values)
def test_each_failure_has_its_line_with_what_happens_to_it(admin: Client, job: JudgeJob, failure: str) -> None:
    _fail(job, failure=failure, error="what the provider said")
    page = _page(admin, job)
    (line,) = [line for line in page.context["lines"] if line.bad]
    assert line.label == JudgeQuestion.Failure(failure).label
    assert line.rule in page.content.decode().replace("&#x27;", "'")
    assert "what the provider said" in page.content.decode()


def test_a_job_with_failures_does_not_read_completed(admin: Client, job: JudgeJob) -> None:
    _fail(job, failure="refused")
    html = _page(admin, job).content.decode()
    assert "Completed with failures" in html
    assert "Their pairs are not judged" in html


def test_failed_questions_are_asked_again_and_unknown_ones_only_when_chosen(admin: Client, job: JudgeJob) -> None:
    _fail(job, state="unknown")
    assert "no such questions" in _press(admin, job, "retry", states=["failed"]).content.decode()
    assert job.state == "failures"
    _press(admin, job, "retry", states=["unknown"])
    assert (job.state, job.questions.filter(state="pending").count()) == ("running", 1)


def test_no_state_is_chosen_for_the_person(admin: Client, job: JudgeJob) -> None:
    _fail(job, failure="refused")
    _press(admin, job, "retry")
    assert job.state == "failures"


def test_the_limit_of_a_paused_job_is_raised(admin: Client, job: JudgeJob) -> None:
    _press(admin, job, "confirm", cap_usd="0.001")
    _press(admin, job, "pause")
    _press(admin, job, "cap", cap_usd="0.5")
    assert job.cap_usd == Decimal("0.5")


def test_the_list_takes_a_fixed_number_of_queries(
    admin: Client, job: JudgeJob, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        plan_job(truth_set=job.truth_set, model=job.model, prompt=job.prompt, parameters=JudgeParameters())
    with django_assert_max_num_queries(14):
        assert admin.get(LIST).status_code == 200


@pytest.mark.parametrize("address", ["999/change/", "999/progress/"])
def test_a_job_that_is_not_there_is_not_found(admin: Client, address: str) -> None:
    assert admin.get(LIST + address).status_code == 404


def test_an_unknown_control_is_not_found(admin: Client, job: JudgeJob) -> None:
    assert admin.post(f"{LIST}{job.pk}/control/destroy/").status_code == 404


# ---- trials


ANSWER = (
    '{"choices": [{"finish_reason": "stop", "message": {"content": "{\\"similar\\": [{\\"number\\": 2, '
    '\\"reason\\": \\"같은 개념\\", \\"relevance\\": 3}]}"}}], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}'
)


def test_a_trial_shows_its_three_pairs_with_what_the_model_said(admin: Client) -> None:
    make_price("gpt-4o-mini")
    trial = plan_trial(prompt=make_prompt(), model="gpt-4o-mini", truth_set=_set())
    _press(admin, trial, "confirm", cap_usd="1")
    _entry(trial, state="settled", usable=True, raw=ANSWER)
    JudgeQuestion.objects.update(state="answered")
    JudgeJob.objects.update(state="completed")
    page = _page(admin, trial)
    assert [each.verdict.relevance for each in page.context["trial"]] == [0, 3, 0]
    html = page.content.decode()
    assert "같은 개념" in html
    for pair in trial.truth_set.pairs.filter(pk__in=trial.questions.get().pairs):
        assert pair.item.code in html


# ---- prices, the ledger, days


def _price_form(**changes: Any) -> dict[str, Any]:
    values = {
        "model": "gpt-new", "input_usd": "1", "output_usd": "2", "batch_share": "0.5", "image_base_tokens": "85",
        "image_tile_tokens": "170",
    }  # fmt: skip
    return values | changes


def test_prices_are_changed_by_who_may_spend_and_audited(client: Client) -> None:
    user = _as(client, "groundtruth.can_spend", "groundtruth.view_modelprice")
    client.post(f"{PRICES}add/", _price_form())
    price = ModelPrice.objects.get(model="gpt-new")
    client.post(f"{PRICES}{price.pk}/change/", _price_form(input_usd="1.5"))
    price.refresh_from_db()
    assert price.input_usd == Decimal("1.5")
    change = Change.objects.filter(action="price")[0]
    assert (change.target, change.user, (change.old or {})["input_usd"]) == ("gpt-new", user, "1.00000000")


def test_a_price_below_zero_is_refused(admin: Client) -> None:
    assert "greater than or equal to 0" in admin.post(f"{PRICES}add/", _price_form(input_usd="-1")).content.decode()
    assert not ModelPrice.objects.filter(model="gpt-new").exists()


def test_who_may_not_spend_sees_prices_and_changes_none(client: Client) -> None:
    _as(client, "groundtruth.view_modelprice", "groundtruth.change_modelprice", "groundtruth.add_modelprice")
    price = make_price("gpt-4o-mini")
    assert client.get(PRICES).status_code == 200
    assert client.post(f"{PRICES}{price.pk}/change/", _price_form()).status_code == 403
    assert client.post(f"{PRICES}add/", _price_form()).status_code == 403


def test_the_ledger_is_filtered_by_job_state_and_day(admin: Client, job: JudgeJob) -> None:
    today = timezone.now().date()
    SpendDay.objects.create(day=today, held_usd=1)
    settled = _entry(job, state="settled", charged_usd=Decimal("0.01"))
    unknown = _entry(job, state="unknown", charged_usd=Decimal("0.02"))
    for query, expected in (
        (f"job={job.pk}", {settled.pk, unknown.pk}),
        (f"job={job.pk + 1}", set()),
        ("state__exact=unknown", {unknown.pk}),
        (f"day={today.isoformat()}", {settled.pk, unknown.pk}),
    ):
        assert {entry.pk for entry in admin.get(f"{LEDGER}?{query}").context["cl"].result_list} == expected


def test_the_ledger_can_only_be_read(admin: Client, job: JudgeJob) -> None:
    entry = _entry(job, state="settled", raw=ANSWER)
    assert "같은 개념" in admin.get(f"{LEDGER}{entry.pk}/change/").content.decode()
    assert admin.get(f"{LEDGER}add/").status_code == 403
    assert admin.post(f"{LEDGER}{entry.pk}/change/", {"state": "released"}).status_code == 403
    assert admin.post(f"{LEDGER}{entry.pk}/delete/", {"post": "yes"}).status_code == 403


def test_spending_is_listed_by_day(admin: Client) -> None:
    SpendDay.objects.create(day="2030-01-02", held_usd=Decimal("1.5"))
    html = admin.get("/admin/groundtruth/spendday/").content.decode()
    assert "2030-01-02" in html
    assert "$1.50" in html
