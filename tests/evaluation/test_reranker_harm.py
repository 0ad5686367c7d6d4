"""From a comparison to a reranker that is switched off where it did harm, and evaluation that does not know of it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.test import Client

from embeddings.models import Reranker, RerankException
from embeddings.reranker_services import switch_off
from embeddings.rerankers import registry
from embeddings.rerankers.base import RerankerSpec
from embeddings.search import Rerank, SearchRequest, search
from evaluation.engine.run import work_on
from evaluation.models import EvaluationRun
from evaluation.results import ranked_of
from evaluation.run_services import create_run
from evaluation.run_settings import RunSettings
from groundtruth.models import TruthQuery, TruthSet
from itembank.models import Item
from tests.embeddings.scripted_reranker import NAME, PLACE
from tests.embeddings.spaces import clustered, fill, make_space
from tests.evaluation.factories import make_run
from tests.factories import allow, make_admin, make_item, make_staff
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db

COMPARE, SWITCH_OFF = (f"/admin/evaluation/evaluationrun/compare/{page}" for page in ("", "switch-off/"))
SEE, CHANGE = "evaluation.view_evaluationrun", "embeddings.change_reranker"
PER_SUBJECT = 24


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def reranker(monkeypatch: pytest.MonkeyPatch) -> Reranker:
    monkeypatch.setitem(registry._BACKENDS, NAME, PLACE)
    spec = RerankerSpec(NAME, "scripted for harm", "1", "Judge.", precision="fp32")
    fields = {name: getattr(spec, name) for name in Reranker.SPEC_FIELDS} | {"options": {}}
    return Reranker.objects.create(slug="scripted", name="Scripted", fingerprint=spec.fingerprint(), **fields)


@pytest.fixture
def truth() -> TruthSet:
    """Queries of three subjects, each with one relevant item; of geometry there are but three."""
    made = make_truth_set(name="by subject")
    for subject, count in (("수학", PER_SUBJECT), ("과학", PER_SUBJECT), ("기하", 3)):
        for _number in range(count):
            make_pair(make_query(made, make_item(subject=subject)), relevance=3)
    return made


@pytest.fixture
def others() -> list[Item]:
    return [make_item() for _number in range(9)]


def _run(truth: TruthSet, others: list[Item], ranks: dict[str, int], **settings: Any) -> EvaluationRun:
    """A run that found the relevant item at that rank, by the subject of the query."""

    def ranking(query: TruthQuery) -> list[Item]:
        before = others[: ranks[query.item.subject] - 1]
        return [*before, query.pairs.all()[0].item]

    return make_run(truth, {query: ranking(query) for query in truth.queries.select_related("item")}, **settings)


@pytest.fixture
def pair(truth: TruthSet, others: list[Item], reranker: Reranker) -> tuple[EvaluationRun, EvaluationRun]:
    """Without and with the reranker, which harms mathematics and geometry, and helps science."""
    before = _run(truth, others, {"수학": 1, "과학": 4, "기하": 1})
    after = _run(truth, others, {"수학": 3, "과학": 1, "기하": 3}, reranker="scripted", name="spring")
    return before, after


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    client.cookies["django_language"] = "en"
    return client


def _as(client: Client, *permissions: str) -> None:
    client.force_login(allow(make_staff(), *permissions))
    client.cookies["django_language"] = "en"


def address(page: str, pair: tuple[EvaluationRun, EvaluationRun], *slices: str) -> str:
    told = [("runs", f"{pair[0].pk},{pair[1].pk}"), ("metric", "RR"), ("by", "subject")]
    return f"{page}?{urlencode(told + [('slice', each) for each in slices])}"


def offered(client: Client, pair: tuple[EvaluationRun, EvaluationRun]) -> dict[str, Any]:
    return {each.value: each for each in client.get(address(COMPARE, pair)).context["harm"]["slices"]}


# ---- what is offered


def test_slices_with_an_interval_wholly_below_zero_are_offered(admin: Client, pair: Any) -> None:
    found = offered(admin, pair)
    assert set(found) == {"수학", "기하"}
    assert found["수학"].figures == "RR -0.667 [-0.667, -0.667], n = 24, p < 0.001, Holm < 0.001"


def test_only_what_enough_queries_show_is_ticked(admin: Client, pair: Any) -> None:
    found = offered(admin, pair)
    assert (found["수학"].sure, found["기하"].sure) == (True, False)
    html = admin.get(address(COMPARE, pair)).content.decode()
    assert 'value="수학" id="harm-2" aria-label="수학" checked' in html
    assert 'value="기하" id="harm-1" aria-label="기하">' in html
    assert "few queries" in html


def test_without_harm_the_page_says_so(admin: Client, truth: TruthSet, others: list[Item], reranker: Reranker) -> None:
    ranks = {"수학": 2, "과학": 2, "기하": 2}
    runs = _run(truth, others, ranks), _run(truth, others, ranks, reranker="scripted")
    assert "In no slice of this kind" in admin.get(address(COMPARE, runs)).content.decode()


def test_nothing_is_offered_where_no_reranker_came_in(admin: Client, pair: Any) -> None:
    assert admin.get(address(COMPARE, pair[::-1])).context["harm"] is None


def test_runs_that_differ_in_more_than_the_reranker_offer_nothing(
    admin: Client, truth: TruthSet, others: list[Item], pair: Any
) -> None:
    deeper = _run(truth, others, {"수학": 1, "과학": 4, "기하": 1}, depth=50)
    page = admin.get(address(COMPARE, (deeper, pair[1])))
    assert page.context["harm"]["slices"] == []
    assert "differ in more than the reranker" in page.content.decode()


def test_a_reranker_that_is_gone_is_said(admin: Client, pair: Any, reranker: Reranker) -> None:
    reranker.delete()
    assert "no longer there" in admin.get(address(COMPARE, pair)).content.decode()
    assert admin.get(address(SWITCH_OFF, pair, "수학")).status_code == 404


# ---- asking, and doing


def test_it_is_asked_with_the_figures_before_anything_is_switched_off(admin: Client, pair: Any) -> None:
    html = admin.get(address(SWITCH_OFF, pair, "수학")).content.decode()
    assert "Switch the reranker off for these searches?" in html
    assert "-0.667" in html
    assert not RerankException.objects.exists()


def test_yes_switches_it_off_with_run_figures_and_person(admin: Client, pair: Any, reranker: Reranker) -> None:
    answer = admin.post(address(SWITCH_OFF, pair, "수학"), follow=True)
    made = RerankException.objects.get()
    assert (made.reranker, made.field, made.value) == (reranker, "subject", "수학")
    assert made.reason.startswith("RR -0.667 [-0.667, -0.667], n = 24")
    assert (made.run, made.created_by and made.created_by.username) == (str(pair[1]), "admin")
    assert admin.get(made.link).context["asked"].second == pair[1]
    assert "Scripted is switched off for 1 slice." in answer.content.decode()


def test_what_is_off_already_is_shown_and_not_offered_again(admin: Client, pair: Any) -> None:
    admin.post(address(SWITCH_OFF, pair, "수학"))
    assert offered(admin, pair)["수학"].exception is not None
    html = admin.get(address(COMPARE, pair)).content.decode()
    assert 'name="slice" value="수학"' not in html
    again = admin.post(address(SWITCH_OFF, pair, "수학"), follow=True)
    assert "Choose at least one slice" in again.content.decode()


@pytest.mark.parametrize("slices", [(), ("과학",), ("없는 과목",)])
def test_a_slice_without_harm_is_not_switched_off(admin: Client, pair: Any, slices: tuple[str, ...]) -> None:
    answer = admin.post(address(SWITCH_OFF, pair, *slices), follow=True)
    assert "Choose at least one slice" in answer.content.decode()
    assert not RerankException.objects.exists()


def test_runs_that_show_nothing_of_a_reranker_are_not_found(admin: Client, pair: Any) -> None:
    assert admin.post(address(SWITCH_OFF, pair[::-1], "수학")).status_code == 404
    assert admin.post(f"{SWITCH_OFF}?runs={pair[0].pk}").status_code == 404


@pytest.mark.parametrize(("granted", "status"), [((SEE,), 403), ((CHANGE,), 403), ((SEE, CHANGE), 200)])
def test_switching_off_needs_both_permissions(client: Client, pair: Any, granted: Any, status: int) -> None:
    _as(client, *granted)
    assert client.get(address(SWITCH_OFF, pair, "수학")).status_code == status
    client.post(address(SWITCH_OFF, pair, "수학"))
    assert RerankException.objects.exists() == (status == 200)


def test_who_may_only_look_is_offered_no_switch(client: Client, pair: Any) -> None:
    _as(client, SEE)
    html = client.get(address(COMPARE, pair)).content.decode()
    assert "-0.667" in html
    assert 'name="slice"' not in html


# ---- evaluation measures the reranker everywhere


def test_a_run_reranks_where_searches_do_not(reranker: Reranker) -> None:
    items = [make_item(text=f"0.{place} 문항", subject="수학") for place in range(5)]
    space = make_space(4)
    fill(space, items, clustered(5, 4))
    truth = make_truth_set(name="small")
    make_pair(make_query(truth, items[0]), items[1], relevance=3)
    switch_off(reranker=reranker, field="subject", value="수학", reason="RR -0.1", user=make_admin())

    run = create_run(truth_set=truth, settings=RunSettings(encoders=(space.slug,), reranker="scripted"))
    work_on(run.pk)
    run.refresh_from_db()
    (ranking,) = ranked_of(run).values()
    assert ranking == [str(items[place].pk) for place in (4, 3, 2, 1)]
    request = SearchRequest(item_code=items[0].code, encoder=space.slug, rerank=Rerank("scripted"))
    assert search(request).reranked_by == ""


def test_switching_off_changes_no_figure_of_the_comparison(admin: Client, pair: Any) -> None:
    before = offered(admin, pair)["수학"].found
    admin.post(address(SWITCH_OFF, pair, "수학"))
    cache.clear()
    assert offered(admin, pair)["수학"].found == before


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({}, True),
        ({"rerank_top": 20, "rerank_threshold": 0.5}, True),
        ({"reranker": ""}, False),
        ({"query_view": "text"}, False),
        ({"fingerprints": {"truth": "t", "corpus": "edited since", "reranker scripted": "r"}}, False),
    ],
)
def test_harm_is_put_down_to_a_reranker_that_alone_was_added(changed: dict[str, Any], same: bool) -> None:
    plain = RunSettings(method="lexical", fingerprints={"truth": "t", "corpus": "c"})
    prints = {"truth": "t", "corpus": "c", "reranker scripted": "r"}
    told: dict[str, Any] = {"method": "lexical", "reranker": "scripted", "fingerprints": prints}
    assert RunSettings(**(told | changed)).adds_reranker_to(plain) == same
