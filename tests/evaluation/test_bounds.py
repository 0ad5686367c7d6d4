"""Bounds of metrics while items are unjudged: against every possible judgement, tried one by one."""

from itertools import permutations, product

import pytest

from evaluation.bounds import Bounds, bounds, unjudged
from evaluation.metrics import METRICS, per_query

BOUNDED = tuple(name for name in METRICS if not name.startswith("Judged"))


def test_the_bounds_of_a_hit_rate_are_now_and_if_all_unjudged_were_relevant() -> None:
    judged = {"q1": {"a": 1}, "q2": {"a": 1}}
    ranked = {"q1": ["a", "x"], "q2": ["x", "y"]}
    assert bounds(judged, ranked, ["Success@1"]) == {"Success@1": Bounds(0.5, 1.0, 1)}
    assert bounds(judged, ranked, ["Success@3"])["Success@3"] == Bounds(0.5, 1.0, 3)


def test_recall_counts_an_unjudged_item_as_found_and_as_to_be_found() -> None:
    found = bounds({"q": {"a": 1, "b": 1, "c": 1}}, {"q": ["x", "a"]}, ["R@5"])["R@5"]
    assert [found.low, found.high] == pytest.approx([1 / 3, 2 / 4])


def test_a_graded_gain_may_also_fall_when_a_low_item_proves_relevant() -> None:
    judged, ranked = {"q": {"a": 1}}, {"q": ["a", "x"]}
    found = bounds(judged, ranked, ["nDCG@5"])["nDCG@5"]
    assert per_query(judged, ranked, ["nDCG@5"]).mean("nDCG@5") == found.high == 1
    assert found.low == pytest.approx(per_query({"q": {"a": 1, "x": 3}}, ranked, ["nDCG@5"]).mean("nDCG@5"))


def test_where_all_is_judged_the_bounds_are_the_figure() -> None:
    judged, ranked = {"q": {"a": 2, "b": 0, "c": 1}}, {"q": ["b", "a", "c"]}
    now = per_query(judged, ranked, BOUNDED)
    for name, found in bounds(judged, ranked, BOUNDED).items():
        assert [found.low, found.high, found.unjudged] == pytest.approx([now.mean(name), now.mean(name), 0])


def test_a_metric_without_k_is_bounded_by_the_first_of_the_depth() -> None:
    judged, ranked = {"q": {"a": 1}}, {"q": ["b", "x", "a"]}
    assert bounds(judged, ranked, ["RR"], depth=1)["RR"] == Bounds(1 / 3, 1.0, 1)
    judged = {"q": {"a": 1, "b": 0}}
    assert bounds(judged, ranked, ["RR"], depth=1)["RR"].high == pytest.approx(1 / 3)


def test_the_rate_of_judged_items_has_no_bounds() -> None:
    assert bounds({"q": {"a": 1}}, {"q": ["a"]}, ["Judged@5", "R@5"]).keys() == {"R@5"}


def test_queries_without_a_ranking_keep_their_zero() -> None:
    found = bounds({"q": {"a": 1}}, {}, BOUNDED)
    assert all((each.low, each.high, each.unjudged) == (0, 0, 0) for each in found.values())


def test_unjudged_pairs_come_by_query_and_rank_and_within_k() -> None:
    judged = {"q2": {"a": 1}, "q1": {"a": 0}}
    ranked = {"q1": ["x", "a", "y", "z"], "q2": ["a", "w"], "stranger": ["x"]}
    assert unjudged(judged, ranked, 3) == (("q1", "x"), ("q1", "y"), ("q2", "w"))


@pytest.mark.parametrize(("threshold", "found"), [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3)])
@pytest.mark.parametrize("never_found", [None, 0, 2])
def test_no_way_to_judge_passes_the_bounds_and_some_way_reaches_each(
    threshold: int, found: int, never_found: int | None
) -> None:
    """Every order of two judged and two unjudged items, with every judgement of those in the first three."""
    labels = {"a": found, "b": 0} | ({} if never_found is None else {"g": never_found})
    names = ["R@3", "Success@3", "P@3", "nDCG@3", "RR", "AP"]
    for items in permutations("abxy"):
        limits = bounds({"q": labels}, {"q": items}, names, threshold, depth=3)
        still_open = [item for _query, item in unjudged({"q": labels}, {"q": items}, 3)]
        ways = [dict(zip(still_open, grades, strict=True)) for grades in product(range(4), repeat=len(still_open))]
        judged = {str(number): labels | way for number, way in enumerate(ways)}
        tried = per_query(judged, dict.fromkeys(judged, items), names, threshold).values
        for name, limit in limits.items():
            assert [limit.low, limit.high] == pytest.approx([tried[name].min(), tried[name].max()])
