"""Hybrid sets: the rows that come out of combining others."""

from typing import Any

import pytest

from groundtruth.hybrid import combine_sets
from groundtruth.models import TruthSet
from groundtruth.set_services import SetError, create_set, freeze_set
from itembank.models import Item
from tests.factories import make_item, make_staff
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db


def a_set(name: str, truths: dict[Item, dict[Item, int | None]], **fields: Any) -> TruthSet:
    truth_set = make_truth_set(name=name, **fields)
    for query_item, said in truths.items():
        query = make_query(truth_set, query_item)
        for item, relevance in said.items():
            make_pair(query, item, relevance=relevance)
    return truth_set


def said_by(truth_set: TruthSet) -> dict[tuple[str, str], tuple[int | None, dict[str, Any]]]:
    pairs = truth_set.pairs.select_related("query__item", "item")
    return {(pair.query.item.code, pair.item.code): (pair.final_relevance, pair.provenance) for pair in pairs}


def test_an_intersection_says_what_its_sets_agree_on_and_where_it_comes_from() -> None:
    query, other, near, far = (make_item() for _ in range(4))
    one = a_set("tf", {query: {near: 3, far: 1}, other: {near: 3}})
    two = a_set("llm", {query: {near: 2, far: 3}})
    hybrid = combine_sets(name="both", sets=[one, two], combination="intersection", user=make_staff())
    assert said_by(hybrid) == {(query.code, near.code): (2, {"tf v1": 3, "llm v1": 2})}
    assert (hybrid.method, hybrid.queries.count()) == ("hybrid", 1)
    assert hybrid.parameters["sets"] == ["tf v1", "llm v1"]


def test_a_union_takes_the_queries_of_all_sets_also_those_without_a_relevant_pair() -> None:
    query, other, near = (make_item() for _ in range(3))
    one, two = a_set("tf", {query: {near: 3}}), a_set("llm", {other: {near: 1}})
    hybrid = combine_sets(name="any", sets=[one, two], combination="union")
    assert said_by(hybrid) == {(query.code, near.code): (3, {"tf v1": 3})}
    assert hybrid.queries.count() == 2


def test_what_people_approved_and_what_nobody_judged_is_read_as_such() -> None:
    query, near, far = (make_item() for _ in range(3))
    one, two = a_set("tf", {query: {near: 3, far: None}}), a_set("llm", {query: {near: 3, far: 3}})
    one.pairs.filter(item=near).update(approved_relevance=0)
    hybrid = combine_sets(name="vote", sets=[one, two], combination="vote", weights=[1, 2])
    assert said_by(hybrid) == {
        (query.code, near.code): (2, {"tf v1": 0, "llm v1": 3}),
        (query.code, far.code): (3, {"llm v1": 3}),
    }


def test_frozen_sets_can_be_combined_and_stay_as_they_are() -> None:
    query, near = make_item(), make_item()
    sets = [freeze_set(truth_set=a_set(name, {query: {near: 3}}), user=None) for name in ("a", "b")]
    assert combine_sets(name="both", sets=sets, combination="intersection").pairs.count() == 1


def test_a_query_id_that_two_sets_use_for_other_items_is_made_from_the_code() -> None:
    first, second, near = (make_item() for _ in range(3))
    one, two = make_truth_set(), make_truth_set()
    make_pair(make_query(one, first, query_id="1"), near, relevance=3)
    make_pair(make_query(two, second, query_id="1"), near, relevance=3)
    hybrid = combine_sets(name="any", sets=[one, two], combination="union")
    assert set(hybrid.queries.values_list("query_id", flat=True)) == {"1", f"Q_{second.code}"}


@pytest.mark.parametrize(("combination", "expected"), [("intersection", 1), ("union", 3)])
def test_the_corpus_of_selections_is_combined_as_the_pairs_are(combination: Any, expected: int) -> None:
    query, near, far = (make_item() for _ in range(3))
    sets = [
        create_set(name=name, method="manual", scope="selection", item_ids=[query.pk, item.pk])
        for name, item in (("a", near), ("b", far))
    ]
    for each in sets:
        make_query(each, query)
    hybrid = combine_sets(name="both", sets=sets, combination=combination)
    assert (hybrid.scope, hybrid.items.count()) == ("selection", expected)


def test_a_selection_with_a_whole_bank_is_the_smaller_or_the_larger_of_the_two() -> None:
    query = make_item()
    chosen = create_set(name="chosen", method="manual", scope="selection", item_ids=[query.pk])
    make_query(chosen, query)
    bank = a_set("bank", {query: {}})
    scopes = [
        combine_sets(name="both", sets=[chosen, bank], combination=each).scope for each in ("intersection", "union")
    ]
    assert scopes == ["selection", "bank"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"combination": "xor"},
        {"combination": "union", "threshold": 0},
        {"combination": "vote", "weights": [1.0]},
        {"combination": "vote", "weights": [1.0, 0.0]},
        {"combination": "vote", "weights": [1.0, float("inf")]},
        {"combination": "union", "weights": [1.0, 1.0]},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(arguments: dict[str, Any]) -> None:
    query, near = make_item(), make_item()
    sets = [a_set(name, {query: {near: 3}}) for name in ("a", "b")]
    with pytest.raises(SetError):
        combine_sets(name="both", sets=sets, **arguments)
    assert TruthSet.objects.count() == 2


def test_one_set_twice_a_set_being_built_and_sets_that_share_nothing_are_refused() -> None:
    one, two = a_set("a", {make_item(): {}}), a_set("b", {make_item(): {}})
    building = make_truth_set(state="building")
    for sets in ([one], [one, one], [one, building], [one, two]):
        with pytest.raises(SetError):
            combine_sets(name="both", sets=sets, combination="intersection")
