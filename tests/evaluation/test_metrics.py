"""Metrics against arithmetic by hand, and what holds of them for every ranking."""

from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics import FORMULAS, METRICS, Judged, Ranked, ceilings, formula, parse, per_query

#             rank 1         rank 2         rank 3         rank 4; "g" is never found, "x" nobody judged
JUDGED = {"q": {"a": 1, "b": 0, "c": 3, "g": 2}}
RANKED = {"q": ["b", "c", "x", "a"]}


def value(name: str, judged: Judged = JUDGED, ranked: Ranked = RANKED, minimum_relevance: int = 1) -> float:
    (found,) = per_query(judged, ranked, [name], minimum_relevance).values[name]
    return float(found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("R@1", 0),
        ("R@3", 1 / 3),
        ("R@5", 2 / 3),
        ("Success@1", 0),
        ("Success@3", 1),
        ("RR", 1 / 2),
        ("P@1", 0),
        ("P@5", 2 / 5),
        ("AP", (1 / 2 + 2 / 4) / 3),
        ("nDCG@5", (3 / log2(3) + 1 / log2(5)) / (3 + 2 / log2(3) + 1 / log2(4))),
        ("nDCG@1", 0),
        ("Judged@5", 3 / 4),
        ("Judged@2", 1),
    ],
)
def test_a_metric_equals_arithmetic_by_hand(name: str, expected: float) -> None:
    assert value(name) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "at_least_2", "at_least_3"),
    [("R@5", 1 / 2, 1), ("Success@1", 0, 0), ("RR", 1 / 2, 1 / 2), ("AP", 1 / 4, 1 / 2), ("P@5", 1 / 5, 1 / 5)],
)
def test_the_threshold_says_what_is_relevant(name: str, at_least_2: float, at_least_3: float) -> None:
    assert value(name, minimum_relevance=2) == pytest.approx(at_least_2)
    assert value(name, minimum_relevance=3) == pytest.approx(at_least_3)


def test_the_threshold_does_not_enter_the_graded_gain() -> None:
    assert value("nDCG@5") == value("nDCG@5", minimum_relevance=3)


def test_recall_and_hit_rate_of_the_same_ranking_differ() -> None:
    judged = {"q": {"a": 1, "b": 1, "c": 1, "d": 1}}
    assert (value("R@5", judged), value("Success@5", judged)) == (0.75, 1)


def test_a_query_without_a_result_scores_zero_in_everything() -> None:
    found = per_query({"q1": {"a": 1}, "q2": {"a": 1}, "q3": {"a": 1}}, {"q1": ["a"], "q2": []})
    assert found.queries == ("q1", "q2", "q3")
    assert all(values[1] == values[2] == 0 for values in found.values.values())
    assert found.mean("R@1") == pytest.approx(1 / 3)


def test_a_query_without_a_relevant_item_is_left_out_and_named() -> None:
    judged = {"q1": {"a": 1}, "q2": {"a": 0}, "q3": {}, "q4": {"a": 2}}
    ranked = {query: ["a"] for query in judged}
    assert per_query(judged, ranked).left_out == ("q2", "q3")
    assert per_query(judged, ranked, minimum_relevance=2).left_out == ("q1", "q2", "q3")
    assert per_query(judged, ranked).mean("R@1") == 1


def test_rankings_of_queries_that_nobody_judged_are_ignored() -> None:
    found = per_query({"q": {"a": 1}}, {"q": ["a"], "stranger": ["b"]})
    assert (found.queries, found.mean("RR")) == (("q",), 1)


def test_values_keep_the_order_of_the_queries() -> None:
    judged = {query: {"a": 1} for query in ("q10", "q2", "q1")}
    found = per_query(judged, {"q1": ["a"], "q2": ["b", "a"], "q10": ["b", "c", "a"]}, ["RR"])
    assert dict(zip(found.queries, found.values["RR"].tolist(), strict=True)) == {
        "q1": 1,
        "q2": 0.5,
        "q10": pytest.approx(1 / 3),
    }


def test_without_a_query_that_counts_the_mean_is_not_a_number() -> None:
    assert np.isnan(per_query({"q": {"a": 0}}, {"q": ["a"]}, ["RR"]).mean("RR"))


def test_a_constant_scorer_gets_what_the_codes_give_it_and_no_luck_from_ties() -> None:
    """All scores equal: the order is by code alone. Whichever codes the relevant items have, they stay at that rank.

    A library given the equal scores would order them by a rule of its own (trec_eval: the last code first).
    """
    codes = [f"i{number:03d}" for number in range(100)]
    judged = {code: {code: 1} for code in codes}  # query i007 looks for item i007
    found = per_query(judged, dict.fromkeys(codes, codes), ["RR", "R@10", "Success@1"])
    assert found.values["RR"].tolist() == pytest.approx([1 / rank for rank in range(1, 101)])
    assert (found.mean("R@10"), found.mean("Success@1")) == (0.10, 0.01)


def test_names_of_items_do_not_move_a_metric() -> None:
    renamed = {"a": "z", "b": "y", "c": "x", "g": "w", "x": "b"}
    judged = {"q": {renamed[item]: relevance for item, relevance in JUDGED["q"].items()}}
    ranked = {"q": [renamed[item] for item in RANKED["q"]]}
    for name in METRICS:
        assert value(name, judged, ranked) == value(name)


def test_an_item_named_twice_is_refused_also_below_the_cutoff() -> None:
    with pytest.raises(ValueError, match="'q' names an item twice"):
        per_query({"q": {"a": 1}}, {"q": ["a", "b", "b"]}, ["R@1"])


@pytest.mark.parametrize("name", ["Recall@5", "R", "R@0", "r@5", "AP@5", "RR@10", "Success", "R@5 ", "hit@5", ""])
def test_a_name_that_is_no_metric_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no metric"):
        parse(name)


@pytest.mark.parametrize("threshold", [0, 4])
def test_a_threshold_that_no_label_can_mean_is_refused(threshold: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 3"):
        parse("R@5", threshold)


def test_every_metric_states_its_formula() -> None:
    assert {formula(name) for name in METRICS} == set(FORMULAS.values())


ITEMS = [f"i{number}" for number in range(30)]
CASES = st.tuples(
    st.dictionaries(st.sampled_from(ITEMS), st.integers(0, 3), min_size=1),
    st.lists(st.sampled_from(ITEMS), unique=True, max_size=30),
)


@given(CASES)
@settings(max_examples=60, deadline=None)
def test_every_value_is_from_0_to_1_and_recall_and_hits_never_fall_with_k(
    case: tuple[dict[str, int], list[str]],
) -> None:
    labels, items = case
    found = per_query({"q": labels}, {"q": items})
    if not found.queries:
        return
    got = {name: float(values[0]) for name, values in found.values.items()}
    assert all(0 <= each <= 1 + 1e-12 for each in got.values())
    for measure in ("R", "Success"):
        by_k = [got[name] for name in METRICS if name.startswith(f"{measure}@")]
        assert by_k == sorted(by_k)
    assert all((got[f"R@{k}"] > 0) == (got[f"Success@{k}"] == 1) for k in (1, 3, 5, 10))


@given(CASES)
@settings(max_examples=30, deadline=None)
def test_the_best_order_has_a_graded_gain_of_1(case: tuple[dict[str, int], list[str]]) -> None:
    labels, _items = case
    best = sorted(labels, key=lambda item: -labels[item])
    found = per_query({"q": labels}, {"q": best}, ["nDCG@5", "nDCG@10"])
    assert all(values.tolist() == pytest.approx([1] * len(found.queries)) for values in found.values.values())


@given(CASES)
@settings(max_examples=30, deadline=None)
def test_asking_for_fewer_metrics_changes_none_of_them(case: tuple[dict[str, int], list[str]]) -> None:
    labels, items = case
    together = per_query({"q": labels}, {"q": items}).values
    for name in METRICS:
        alone = per_query({"q": labels}, {"q": items}, [name]).values[name]
        assert alone.tolist() == together[name].tolist()


def test_recall_of_a_perfect_search_ends_where_the_first_k_are_full() -> None:
    judged = {"full": {f"i{number}": 1 for number in range(8)}, "one": {"a": 3, "b": 0}}
    found = ceilings(judged, ["R@5", "R@10", "nDCG@10"])
    assert found == pytest.approx({"R@5": (5 / 8 + 1) / 2, "R@10": 1, "nDCG@10": 1})


def test_a_perfect_search_finds_the_most_relevant_first() -> None:
    judged = {"q": {**{f"a{number}": 1 for number in range(9)}, "z": 3}}
    assert ceilings(judged, ["R@1"], minimum_relevance=3) == {"R@1": 1}
