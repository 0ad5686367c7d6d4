"""The pages of evaluation runs: starting, watching, reading, comparing and sending on, and who may do what."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from evaluation import figures
from evaluation.admin import comparing
from evaluation.engine.run import work_on
from evaluation.models import EvaluationRun
from evaluation.run_services import create_run
from evaluation.run_settings import RunSettings
from groundtruth.models import JudgeJob, ReviewRound, TruthSet
from tests.evaluation.factories import make_run
from tests.evaluation.small_bank import COUNT, Bank, make_bank
from tests.factories import allow, make_admin, make_staff
from tests.groundtruth.factories import make_pair, make_price, make_query, make_truth_set

pytestmark = pytest.mark.django_db

LIST = "/admin/evaluation/evaluationrun/"
SEE, ADD, CHANGE = (f"evaluation.{name}_evaluationrun" for name in ("view", "add", "change"))


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    cache.clear()


@pytest.fixture
def bank() -> Bank:
    return make_bank()


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    client.cookies["django_language"] = "en"
    return client


def _as(client: Client, *permissions: str) -> User:
    user = allow(make_staff(), *permissions)
    client.force_login(user)
    client.cookies["django_language"] = "en"
    return user


def _html(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, address
    return response.content.decode()


def _asked(bank: Bank, **fields: Any) -> dict[str, Any]:
    return {
        "truth_set": bank.truth.pk, "scenario": "both-both", "query_view": "item", "corpus": "all", "scope": "truth",
        "method": "dense", "encoders": [bank.encoder.slug], "alpha": "0.5", "depth": "100", "rerank_top": "50",
        "rerank_threshold": "0", "name": "first try",
    } | fields  # fmt: skip


# ---- starting


def test_a_run_is_started_with_a_form_and_freezes_its_truth(admin: Client, bank: Bank) -> None:
    answer = admin.post(f"{LIST}add/", _asked(bank))
    run = EvaluationRun.objects.get()
    assert answer["Location"] == f"{LIST}{run.pk}/change/"
    assert (run.name, run.state, run.truth_set.frozen) == ("first try", "waiting", True)


def test_the_form_says_that_the_truth_is_frozen(admin: Client, bank: Bank) -> None:
    assert "Evaluating freezes the truth set" in _html(admin, f"{LIST}add/")


def test_a_scenario_decides_what_is_asked_and_searched(admin: Client, bank: Bank) -> None:
    admin.post(f"{LIST}add/", _asked(bank, scenario="text-text", query_view="image"))
    settings = EvaluationRun.objects.get().configuration
    assert (settings["query_view"], settings["corpus"]) == ("text", "text-only")


def test_settings_that_a_method_does_not_use_leave_no_trace(admin: Client, bank: Bank) -> None:
    admin.post(f"{LIST}add/", _asked(bank, method="lexical", weights="1,2", alpha="0.9"))
    settings = EvaluationRun.objects.get().configuration
    assert (settings["encoders"], settings["weights"], settings["alpha"]) == ([], [], 0.5)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"encoders": []}, "takes 1 to 1 encoders"),
        ({"depth": "5000"}, "it must be from 1 to 1000"),
        ({"weights": "much"}, "Weights are numbers"),
        ({"scenario": "image-image"}, "no stored vectors of the image"),
    ],
)
def test_what_cannot_be_run_is_said_in_the_form(admin: Client, bank: Bank, fields: Any, words: str) -> None:
    assert words in admin.post(f"{LIST}add/", _asked(bank, **fields)).content.decode()
    assert not EvaluationRun.objects.exists()


def test_only_encoders_with_vectors_are_offered(admin: Client, bank: Bank) -> None:
    from tests.embeddings.spaces import make_space

    make_space(3)
    offered = admin.get(f"{LIST}add/").context["form"].fields["encoders"].choices
    assert [slug for slug, _title in offered] == [bank.encoder.slug]


def test_who_may_not_freeze_evaluates_frozen_truths_only(client: Client, bank: Bank) -> None:
    _as(client, SEE, ADD)
    assert "no permission to freeze" in client.post(f"{LIST}add/", _asked(bank)).content.decode()
    assert not EvaluationRun.objects.exists()
    bank.run()
    client.post(f"{LIST}add/", _asked(bank))
    assert EvaluationRun.objects.count() == 2


def test_a_matrix_runs_every_combination_and_says_what_it_skips(admin: Client, bank: Bank) -> None:
    answer = admin.post(
        f"{LIST}matrix/",
        {
            "name": "all", "truth_sets": [bank.truth.pk], "scenarios": ["both-both", "image-image"], "scope": "truth",
            "encoders": [bank.encoder.slug], "rerankers": [""], "alphas": ["0.5"], "lexical": "on", "depth": "20",
            "rerank_top": "10", "rerank_threshold": "0",
        },
    )  # fmt: skip
    html = answer.content.decode()
    assert sorted(run.configuration["method"] for run in EvaluationRun.objects.all()) == ["dense", "hybrid", "lexical"]
    assert set(EvaluationRun.objects.values_list("matrix", flat=True)) == {"all"}
    assert len(answer.context["skipped"]) == 1
    assert "no stored vectors of the image" in html


@pytest.mark.parametrize("page", ["add", "matrix"])
def test_a_form_without_a_truth_to_choose_says_what_to_do(admin: Client, page: str) -> None:
    assert "Build or import one first" in _html(admin, f"{LIST}{page}/")


def test_a_matrix_needs_something_to_search_with(admin: Client, bank: Bank) -> None:
    sent = {"name": "x", "truth_sets": [bank.truth.pk], "scenarios": ["both-both"], "scope": "truth", "depth": "20",
            "rerank_top": "10", "rerank_threshold": "0"}  # fmt: skip
    assert "Choose an encoder, or words alone." in admin.post(f"{LIST}matrix/", sent).content.decode()


# ---- the list and one run


def test_the_list_shows_figures_of_completed_runs(admin: Client, bank: Bank) -> None:
    run = bank.run()
    found = admin.get(LIST).context["cl"].result_list[0].key_figures
    assert run.pk == EvaluationRun.objects.get().pk
    assert f"<b>{found['R@5'].mean:.3f}</b>" in _html(admin, LIST)


def test_a_list_of_known_runs_takes_the_same_queries_however_many_they_are(
    admin: Client, bank: Bank, django_assert_max_num_queries: Any
) -> None:
    first = bank.run()
    admin.get(LIST)
    for number in range(5):
        copy = EvaluationRun.objects.get(pk=first.pk)
        copy.pk, copy.name = None, f"copy {number}"
        copy._state.adding = True
        copy.save()
    with django_assert_max_num_queries(8):
        assert len(admin.get(LIST).context["cl"].result_list) == 6


def test_a_run_shows_figures_intervals_settings_and_fingerprints(admin: Client, bank: Bank) -> None:
    run = bank.run()
    page = admin.get(f"{LIST}{run.pk}/change/")
    html = page.content.decode()
    recall = page.context["figures"].intervals["R@5"]
    for words in (f"{recall.mean:.3f}", f"{recall.low:.3f}–{recall.high:.3f}", run.fingerprint, "Vectors", "python"):
        assert words in html


def test_queries_without_a_relevant_item_are_counted_aloud(admin: Client, bank: Bank) -> None:
    html = _html(admin, f"{LIST}{bank.run().pk}/change/")
    assert "Queries left out, for they have no relevant item: 1." in html
    assert f"Q_{bank.items[9].code}" in html


def test_a_stricter_threshold_is_chosen_in_the_address(admin: Client, bank: Bank) -> None:
    run = bank.run()
    loose, strict = (
        admin.get(f"{LIST}{run.pk}/change/?relevance={each}").context["figures"].intervals["P@5"].mean
        for each in (1, 3)
    )
    assert loose > strict


def test_small_slices_are_flagged(admin: Client, bank: Bank) -> None:
    page = admin.get(f"{LIST}{bank.run().pk}/change/?by=unit")
    assert [each["name"] for each in page.context["slices"]] == ["일차함수"]
    assert "few queries" in page.content.decode()


def test_unjudged_results_give_bounds(admin: Client, bank: Bank) -> None:
    page = admin.get(f"{LIST}{bank.run().pk}/change/")
    row = next(each for each in page.context["metrics"] if each["name"] == "P@5")
    assert row["shown"].bounds
    assert row["shown"].bounds in page.content.decode()


def test_bounds_that_take_long_come_on_request_for_a_large_run(
    admin: Client, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "LARGE", 3)
    address = f"{LIST}{bank.run().pk}/change/"
    at_once, asked = (admin.get(each).context for each in (address, f"{address}?bounds=all"))
    assert (at_once["bounds_left"], asked["bounds_left"]) == (True, False)
    assert set(asked["figures"].bounds) - set(at_once["figures"].bounds) == {"nDCG@5", "nDCG@10", "AP"}


def test_an_unfinished_run_shows_its_progress(admin: Client, bank: Bank) -> None:
    run = create_run(truth_set=bank.truth, settings=RunSettings(encoders=(bank.encoder.slug,)))
    assert "No figures yet" in _html(admin, f"{LIST}{run.pk}/change/")
    assert admin.get(f"{LIST}{run.pk}/progress/").json()["total"] == 5


def test_a_run_is_cancelled_and_goes_on(admin: Client, bank: Bank) -> None:
    run = create_run(truth_set=bank.truth, settings=RunSettings(encoders=(bank.encoder.slug,)))
    states = []
    for control in ("cancel", "resume"):
        admin.post(f"{LIST}{run.pk}/control/{control}/")
        run.refresh_from_db()
        states.append(run.state)
    assert states == ["cancelled", "waiting"]


def test_a_run_that_ended_cannot_be_cancelled(admin: Client, bank: Bank) -> None:
    answer = admin.post(f"{LIST}{bank.run().pk}/control/cancel/", follow=True)
    assert "has ended already" in answer.content.decode()


# ---- queries


def test_the_worst_queries_come_first(admin: Client, bank: Bank) -> None:
    values = [float(row["value"]) for row in admin.get(f"{LIST}{bank.run().pk}/queries/").context["rows"]]
    assert values == sorted(values)
    assert len(values) == 4


def test_a_query_shows_its_ranking_with_marks_and_where_the_relevant_items_came(admin: Client, bank: Bank) -> None:
    run = bank.run()
    query = bank.truth.queries.get(item=bank.items[0])
    page = admin.get(f"{LIST}{run.pk}/queries/{query.pk}/?top={COUNT}")
    order = run.rankings.get(query=query).items
    assert [place.item.pk for place in page.context["places"] if place.item] == order
    assert {each["item"].pk: each["rank"] for each in page.context["relevant"]} == {
        item.pk: order.index(item.pk) + 1 for item in bank.items[1:3]
    }
    assert "unjudged" in page.content.decode()


def test_a_query_of_another_truth_is_not_there(admin: Client, bank: Bank) -> None:
    other = make_bank("other").truth.queries.all()[0]
    assert admin.get(f"{LIST}{bank.run().pk}/queries/{other.pk}/").status_code == 404


def test_a_query_that_the_reranker_could_not_read_is_told(admin: Client, bank: Bank) -> None:
    run = bank.run()
    asked = run.rankings.get(query__item=bank.items[0])
    run.rankings.filter(pk=asked.pk).update(items=[], scores=[], reason="broken-image")
    assert "could not read a picture" in _html(admin, f"{LIST}{run.pk}/queries/{asked.query_id}/")


def test_an_item_without_a_vector_is_named_as_a_cause(admin: Client, bank: Bank) -> None:
    bank.encoder.embeddings.filter(item=bank.items[1]).delete()
    run = bank.run()
    query = bank.truth.queries.get(item=bank.items[0])
    assert "1 of the relevant items have no vector" in _html(admin, f"{LIST}{run.pk}/queries/{query.pk}/")


# ---- comparing


def test_runs_are_chosen_in_the_list_and_compared(admin: Client, bank: Bank) -> None:
    runs = [bank.run(), bank.run(method="lexical")]
    sent = {"action": "compare_runs", "_selected_action": [run.pk for run in runs]}
    page = admin.post(LIST, sent, follow=True)
    assert [row["run"].pk for row in page.context["table"]] in ([runs[0].pk, runs[1].pk], [runs[1].pk, runs[0].pk])
    assert "p of the paired randomisation test" in page.content.decode()


def test_wins_ties_and_losses_are_all_the_queries(admin: Client, bank: Bank) -> None:
    runs = [bank.run(), bank.run(method="lexical")]
    page = admin.get(f"{LIST}compare/?runs={runs[0].pk},{runs[1].pk}")
    for cell in page.context["table"][1]["cells"]:
        told = cell["difference"]["of"]
        assert told.wins + told.ties + told.losses == 4


def test_a_run_against_itself_changes_nothing(admin: Client, bank: Bank) -> None:
    runs = [bank.run(), bank.run()]
    assert "No query changed." in _html(admin, f"{LIST}compare/?runs={runs[0].pk},{runs[1].pk}")


def test_runs_on_different_truths_are_not_tested_against_each_other(admin: Client, bank: Bank) -> None:
    runs = [bank.run(), make_bank("other").run()]
    html = _html(admin, f"{LIST}compare/?runs={runs[0].pk},{runs[1].pk}")
    assert "These runs answer other queries than the baseline" in html


def _ranked_at(rank: int, bank: Bank, **settings: Any) -> EvaluationRun:
    """Thirty queries whose one relevant item came at that rank."""
    truth = TruthSet.objects.get(name="ranked")
    others = bank.items[:rank]
    return make_run(
        truth, {query: [*others[: rank - 1], query.pairs.all()[0].item] for query in truth.queries.all()}, **settings
    )


def test_a_reranker_that_wins_everywhere_is_advised_and_nothing_else_is(admin: Client, bank: Bank) -> None:
    truth = make_truth_set(name="ranked")
    for _number in range(30):
        make_pair(make_query(truth), relevance=3)
    plain, reranked = _ranked_at(4, bank), _ranked_at(1, bank, reranker="some-reranker")
    address = f"{LIST}compare/?metric=RR&runs={plain.pk},{reranked.pk}"
    assert "Switch it on: it is better in every slice." in _html(admin, address)
    assert admin.get(f"{LIST}compare/?runs={reranked.pk},{plain.pk}").context["advice"] is None


def test_many_queries_are_tested_by_the_chosen_metric_alone(
    admin: Client, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "MOST_TESTED", 3)
    runs = [bank.run(), bank.run(method="lexical")]
    page = admin.get(f"{LIST}compare/?metric=RR&runs={runs[0].pk},{runs[1].pk}")
    told = {cell["metric"]: cell["difference"] for cell in page.context["table"][1]["cells"]}
    assert {metric for metric, difference in told.items() if difference} == {"RR"}
    assert "RR alone was tested" in page.content.decode()


@pytest.mark.parametrize("runs", ["", "1", "x,y", "99999999999999999999"])
def test_a_comparison_without_two_runs_asks_for_them(admin: Client, runs: str) -> None:
    assert "Choose two or more completed runs" in _html(admin, f"{LIST}compare/?runs={runs}")


def test_both_rankings_of_a_query_are_next_to_each_other(admin: Client, bank: Bank) -> None:
    runs = [bank.run(), bank.run(method="lexical")]
    query = bank.truth.queries.get(item=bank.items[0])
    page = admin.get(f"{LIST}compare/query/?runs={runs[0].pk},{runs[1].pk}&query={query.pk}")
    shown = [[place.item.pk for place in column["places"]] for column in page.context["columns"]]
    assert shown == [run.rankings.get(query=query).items[:10] for run in runs]


def test_the_same_settings_stand_in_one_row_over_several_truths(admin: Client, bank: Bank) -> None:
    runs = [bank.run(method="lexical"), make_bank("other").run(method="lexical")]
    page = admin.get(f"{LIST}truths/?runs={runs[0].pk},{runs[1].pk}")
    assert len(page.context["rows"]) == 1
    assert len(page.context["truths"]) == 2


# ---- sending what is unjudged


def _send(client: Client, run: EvaluationRun, to: str, k: int = 5) -> Any:
    return client.post(f"{LIST}{run.pk}/send/", {"to": to, "k": k}, follow=True)


def test_unjudged_results_of_a_frozen_truth_go_to_review_in_a_new_version(admin: Client, bank: Bank) -> None:
    run = bank.run()
    _send(admin, run, "review")
    made = ReviewRound.objects.get()
    assert (made.truth_set.previous, made.truth_set.version) == (run.truth_set, 2)
    known = set(run.truth_set.pairs.values_list("query__query_id", "item"))
    first = {(each.query.query_id, item) for each in run.rankings.select_related("query") for item in each.items[:5]}
    assert set(made.pairs.values_list("pair__query__query_id", "pair__item")) == first - known


def test_sending_again_uses_the_version_that_is_open(admin: Client, bank: Bank) -> None:
    run = bank.run()
    _send(admin, run, "review", 3)
    _send(admin, run, "review", 3)
    assert TruthSet.objects.filter(name="truth").count() == 2
    assert len({made.name for made in ReviewRound.objects.all()}) == 2


def test_unjudged_results_go_to_a_judge_job_that_costs_nothing_yet(admin: Client, bank: Bank) -> None:
    make_price("gpt-4o-mini")
    answer = _send(admin, bank.run(), "judge")
    job = JudgeJob.objects.get()
    assert (job.state, job.truth_set.version) == ("draft", 2)
    assert "Nothing is paid before somebody confirms" in answer.content.decode()


def test_nothing_is_left_behind_where_a_judge_job_cannot_be_planned(admin: Client, bank: Bank) -> None:
    from groundtruth.models import ModelPrice

    ModelPrice.objects.all().delete()
    _send(admin, bank.run(), "judge")
    assert TruthSet.objects.count() == 1


def test_where_all_is_judged_nothing_is_sent(admin: Client) -> None:
    run = make_bank(judged=COUNT - 1).run()
    run.rankings.filter(query__item__truth_pairs=None).delete()
    run.rankings.filter(query__query_id=f"Q_{run.truth_set.queries.order_by('-pk')[0].item.code}").delete()
    assert "is judged already" in _send(admin, run, "review").content.decode()
    assert not ReviewRound.objects.exists()


# ---- permissions


@pytest.mark.parametrize(
    ("address", "permission"),
    [("", SEE), ("{run}/change/", SEE), ("{run}/progress/", SEE), ("{run}/queries/", SEE),
     ("{run}/queries/{query}/", SEE), ("compare/", SEE), ("truths/", SEE), ("add/", ADD), ("matrix/", ADD),
     ("compare/query/?runs={run},{run2}&query={query}", SEE)],
)  # fmt: skip
def test_a_page_needs_its_permission(client: Client, bank: Bank, address: str, permission: str) -> None:
    runs = [bank.run(), bank.run(method="lexical")]
    query = bank.truth.queries.all()[0]
    address = LIST + address.format(run=runs[0].pk, run2=runs[1].pk, query=query.pk)
    user = _as(client)
    assert client.get(address).status_code == 403
    allow(user, permission)
    assert client.get(address).status_code == 200


def test_who_only_sees_runs_changes_nothing(client: Client, bank: Bank) -> None:
    run = create_run(truth_set=bank.truth, settings=RunSettings(encoders=(bank.encoder.slug,)))
    _as(client, SEE)
    assert client.post(f"{LIST}add/", _asked(bank)).status_code == 403
    assert client.post(f"{LIST}matrix/", {}).status_code == 403
    assert client.post(f"{LIST}{run.pk}/control/cancel/").status_code == 403
    run.refresh_from_db()
    assert run.state == "waiting"


@pytest.mark.parametrize("to", ["review", "judge"])
def test_sending_needs_the_rights_to_a_new_version_and_to_its_target(client: Client, bank: Bank, to: str) -> None:
    run = bank.run()
    _as(client, SEE, "groundtruth.add_truthset")
    assert _send(client, run, to).status_code == 403
    assert TruthSet.objects.count() == 1


def test_looking_changes_nothing(admin: Client, bank: Bank) -> None:
    run = create_run(truth_set=bank.truth, settings=RunSettings(encoders=(bank.encoder.slug,)))
    assert admin.get(f"{LIST}{run.pk}/control/cancel/").status_code == 405
    assert admin.get(f"{LIST}{run.pk}/send/").status_code == 405


def test_an_empty_list_has_no_figures(admin: Client) -> None:
    make_truth_set()
    assert "Matrix of runs" in _html(admin, LIST)


def test_a_run_whose_queries_all_have_no_relevant_item_at_a_threshold_says_so(admin: Client, bank: Bank) -> None:
    bank.truth.pairs.filter(relevance=3).update(relevance=2)
    run = bank.run()
    assert work_on(run.pk) is False
    assert _html(admin, f"{LIST}{run.pk}/change/?relevance=3")
    assert "No query has a relevant item" in _html(admin, f"{LIST}{run.pk}/queries/?relevance=3")
