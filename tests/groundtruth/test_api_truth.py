"""Truth sets and pairs over the API."""

from typing import get_args

import pytest

from groundtruth.api import Method, ScopeOfSet, State
from groundtruth.models import TruthSet
from tests.api import Api, problem
from tests.factories import make_item
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api("truth:read")


@pytest.fixture
def truth() -> TruthSet:
    made = make_truth_set(name="kmwps")
    first, second = make_query(made, make_item(code="Q1")), make_query(made, make_item(code="Q2"))
    make_pair(first, make_item(code="A"), relevance=1, approved_relevance=3, score=0.5)
    make_pair(first, make_item(code="B"))
    make_pair(second, make_item(code="C"), relevance=0)
    return made


def test_a_set_is_read_with_what_it_holds(api: Api, truth: TruthSet) -> None:
    found = api.get(f"/truth-sets/{truth.pk}").json()
    assert (found["name"], found["queries"], found["pairs"], found["judged"]) == ("kmwps", 2, 3, 2)


def test_sets_are_listed_the_newest_first_and_by_name(api: Api, truth: TruthSet) -> None:
    other = make_truth_set(name="other")
    assert [each["id"] for each in api.get("/truth-sets").json()["items"]] == [other.pk, truth.pk]
    assert [each["id"] for each in api.get("/truth-sets", name="kmwps").json()["items"]] == [truth.pk]


def test_what_people_approved_is_the_final_relevance(api: Api, truth: TruthSet) -> None:
    pairs = {pair["item"]: pair for pair in api.get(f"/truth-sets/{truth.pk}/pairs").json()["items"]}
    assert (pairs["A"]["relevance"], pairs["A"]["final_relevance"], pairs["A"]["query_item"]) == (1, 3, "Q1")
    assert pairs["B"]["final_relevance"] is None


def test_pairs_are_found_by_relevance_and_query_item(api: Api, truth: TruthSet) -> None:
    path = f"/truth-sets/{truth.pk}/pairs"
    assert [pair["item"] for pair in api.get(path, relevance=[3, 2]).json()["items"]] == ["A"]
    assert [pair["item"] for pair in api.get(path, item="Q2").json()["items"]] == ["C"]
    problem(api.get(path, relevance=4), 422, "invalid-request")


def test_pages_of_pairs_hold_each_once(api: Api, truth: TruthSet) -> None:
    path = f"/truth-sets/{truth.pk}/pairs"
    page = api.get(path, limit=2).json()
    rest = api.get(path, cursor=page["next_cursor"]).json()
    assert [pair["item"] for pair in page["items"] + rest["items"]] == ["A", "B", "C"]
    assert rest["next_cursor"] is None


def test_a_set_that_is_not_there_is_not_found(api: Api) -> None:
    problem(api.get("/truth-sets/1"), 404, "not-found")
    problem(api.get("/truth-sets/1/pairs"), 404, "not-found")


def test_the_document_names_the_states_that_there_are() -> None:
    assert set(get_args(State)) == set(TruthSet.State.values)
    assert set(get_args(Method)) == set(TruthSet.Method.values)
    assert set(get_args(ScopeOfSet)) == set(TruthSet.Scope.values)
