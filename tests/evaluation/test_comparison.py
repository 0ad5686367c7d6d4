"""Comparison of runs: tests of chance against arithmetic by hand, and what a lead is told to do."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.comparison import (
    BETTER,
    NOT_SHOWN,
    WORSE,
    Difference,
    by_slice,
    changed_most,
    compare,
    do_no_harm,
    holm,
    randomisation,
)
from evaluation.intervals import Interval
from evaluation.metrics import PerQuery, per_query
from evaluation.slices import group


def run(values: Sequence[float], metric: str = "R@5") -> PerQuery:
    return PerQuery(tuple(f"q{place:05d}" for place in range(len(values))), {metric: np.array(values, dtype=float)})


def one(first: Sequence[float], second: Sequence[float]) -> Difference:
    (found,) = compare({"first": run(first), "second": run(second)}, ["R@5"])
    return found


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 1, 1], 2 / 8),  # +++ and ---
        ([1, 1, 1, 1, 1, 1], 2 / 64),
        ([1, 1, -1], 1.0),  # |sum| is 1 or 3 in every pattern
        ([3, 2, 1], 2 / 8),
        ([3, 2, -1], 4 / 8),  # |sum| 4 or 6
        ([0.2, 0.1, -0.3], 1.0),  # a sum of zero, with rounding
        ([0.1, 0.7, 0.6, 0.7, 0.2, -1 / 3], 10 / 64),  # by fractions; without room for rounding 8 / 64
        ([0, 0, 0], 1.0),
        ([], 1.0),
    ],
)
def test_few_queries_are_tested_exactly(differences: list[float], p: float) -> None:
    assert randomisation(differences) == pytest.approx(p)


def test_queries_without_a_difference_do_not_move_the_test() -> None:
    assert randomisation([1, 1, 1, 1, 1, 1] + [0] * 500) == 2 / 64


def test_many_queries_are_tested_by_10000_random_patterns_and_p_is_never_zero() -> None:
    assert randomisation([1.0] * 100) == 1 / 10_001


def test_the_random_test_agrees_with_the_exact_distribution() -> None:
    """20 differences of one size: the sum is that of a sign test, so that p is a binomial tail."""
    from math import comb

    exact = 2 * sum(comb(20, wins) for wins in range(14, 21)) / 2**20  # 14 wins, 6 losses
    assert randomisation([0.5] * 14 + [-0.5] * 6) == pytest.approx(exact, abs=0.01)


def test_the_same_seed_gives_the_same_p() -> None:
    differences = np.random.default_rng(7).normal(0.02, 0.1, size=100)
    assert randomisation(differences, seed=3) == randomisation(differences, seed=3)


def test_equal_systems_are_called_different_about_5_times_in_100() -> None:
    rng = np.random.default_rng(7)
    called = sum(randomisation(rng.choice([-0.5, 0, 0.25, -0.25, 0.5], size=30), seed=1) < 0.05 for _ in range(400))
    assert 6 <= called <= 36  # 1.5% to 9%


@pytest.mark.parametrize(
    ("values", "corrected"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.04, 0.01], [0.04, 0.02]),
        ([0.02, 0.02, 0.02], [0.06, 0.06, 0.06]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.03], [0.03]),
        ([], []),
    ],
)
def test_holm_equals_arithmetic_by_hand(values: list[float], corrected: list[float]) -> None:
    assert list(holm(values)) == pytest.approx(corrected)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_the_order_and_lowers_nothing(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(before <= after <= 1 for before, after in zip(values, adjusted, strict=True))
    ordered = [after for _before, after in sorted(zip(values, adjusted, strict=True))]
    assert all(lower <= higher for lower, higher in pairwise(ordered))


def test_a_difference_counts_wins_ties_and_losses_of_the_second() -> None:
    found = one([0, 0.5, 1, 1], [1, 1, 1, 0.5])
    assert (found.wins, found.ties, found.losses) == (2, 1, 1)
    assert found.mean == pytest.approx((1 + 0.5 - 0.5) / 4)


def test_rounding_makes_no_wins() -> None:
    found = one([0.1 + 0.2] * 30, [0.3] * 30)
    assert (found.ties, found.mean, found.p) == (30, 0, 1)


def test_a_clear_gain_is_better_and_the_other_way_round_worse() -> None:
    low, high = [0.0] * 15 + [1.0] * 25, [1.0] * 40
    assert (one(low, high).verdict, one(high, low).verdict) == (BETTER, WORSE)
    assert one(low, high).mean == -one(high, low).mean


def test_a_gain_in_few_queries_is_not_shown_however_even() -> None:
    """Five wins of five: the interval lies above 0, but half of all 1/16 patterns do as well (p = 2/32)."""
    found = one([0.0] * 5, [1.0] * 5)
    assert found.interval.low > 0
    assert (found.p, found.verdict) == (2 / 32, NOT_SHOWN)


def test_what_one_comparison_shows_may_not_survive_many() -> None:
    base = [0.0] * 6 + [0.5] * 14
    gain = [1.0] * 6 + [0.5] * 14  # p = 2/64 on its own
    runs = {"base": run(base), "gain": run(gain)}
    assert compare(runs, ["R@5"])[0].verdict == BETTER
    runs["same"] = run(base)
    found = {(each.first, each.second): each for each in compare(runs, ["R@5"])}
    assert found["base", "gain"].holm == pytest.approx(3 * 2 / 64)
    assert found["base", "gain"].verdict == NOT_SHOWN


def test_a_small_p_is_not_enough_where_the_interval_holds_zero() -> None:
    found = Difference("a", "b", "R@5", Interval(0.1, -0.01, 0.2, "bootstrap", 30), 0.01, 0.01, 20, 0, 10)
    assert found.verdict == NOT_SHOWN
    assert replace(found, interval=Interval(0.1, 0.01, 0.2, "bootstrap", 30)).verdict == BETTER


def test_against_a_baseline_every_other_run_is_compared_once() -> None:
    runs = {name: run([0.1, 0.4]) for name in ("a", "base", "c")}
    found = compare(runs, ["R@5"], baseline="base")
    assert [(each.first, each.second) for each in found] == [("base", "a"), ("base", "c")]


def test_a_run_that_missed_a_query_scores_zero_there_and_can_be_compared() -> None:
    judged = {"q1": {"a": 1}, "q2": {"a": 1}}
    runs = {"all": per_query(judged, {"q1": ["a"], "q2": ["a"]}), "half": per_query(judged, {"q1": ["a"]})}
    (found,) = compare(runs, ["RR"])
    assert (found.mean, found.losses, found.ties) == (-0.5, 1, 1)


def test_runs_over_other_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="different queries"):
        compare({"a": run([1, 0]), "b": run([1, 0, 1])}, ["R@5"])


def test_runs_without_a_query_that_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="no query with a relevant item"):
        compare({"a": run([]), "b": run([])}, ["R@5"])


def sliced(gains: dict[str, float], size: int = 30) -> tuple[Difference, ...]:
    """A comparison in slices of `size` queries; in each, all queries gain about as much as told."""
    keys = [name for name in gains for _ in range(size)]
    first = np.full(len(keys), 0.5)
    noise = np.random.default_rng(7).normal(0, 0.01, size=len(keys)).round(3)
    second = first + np.array([gains[key] for key in keys]) + noise
    runs = {"plain": run(first.tolist()), "reranked": run(second.tolist())}
    queries = runs["plain"].queries
    return by_slice(runs, "plain", "reranked", "R@5", group(queries, dict(zip(queries, keys, strict=True))))


def test_a_reranker_that_helps_here_and_harms_there_is_switched_on_only_where_it_wins() -> None:
    advice = do_no_harm(sliced({"image": 0.2, "latex": -0.2, "text": 0.0}))
    assert (advice.better, advice.worse, advice.not_shown) == (("image",), ("latex",), ("text",))
    with translation.override("en"):
        assert do_no_harm(sliced({"image": 0.2, "latex": -0.2})).sentence == "Switch it on only for: image."
        assert do_no_harm(sliced({"image": 0.2, "text": 0.0})).sentence == "Switch it on only for: image."


def test_a_reranker_that_wins_everywhere_is_switched_on_and_one_that_wins_nowhere_is_not() -> None:
    with translation.override("en"):
        assert do_no_harm(sliced({"image": 0.2, "text": 0.1})).sentence.startswith("Switch it on:")
        assert do_no_harm(sliced({"image": 0.0, "text": -0.1})).sentence.startswith("Leave it off")
        assert do_no_harm(()).sentence.startswith("Leave it off")


def test_slices_are_corrected_together_and_small_ones_flagged() -> None:
    found = sliced({"a": 0.2, "b": 0.0, "c": 0.0}, size=10)
    assert [each.small for each in found] == [True] * 3
    assert found[0].holm == pytest.approx(3 * found[0].p)
    assert sum(each.wins + each.ties + each.losses for each in found) == 30


def test_the_queries_that_changed_most_come_first_either_way_and_equal_ones_by_query() -> None:
    first, second = run([0.5, 0.5, 0.5, 0.0, 0.3]), run([0.6, 0.4, 0.5, 1.0, 0.1])
    found = changed_most(first, second, "R@5")
    assert [change.query for change in found] == ["q00003", "q00004", "q00000", "q00001"]
    assert found[1].difference == pytest.approx(-0.2)
    assert changed_most(first, second, "R@5", limit=1) == found[:1]


def test_rounding_does_not_order_equal_changes() -> None:
    found = changed_most(run([0.0, 0.0]), run([0.3, 0.1 + 0.2]), "R@5")
    assert [change.query for change in found] == ["q00000", "q00001"]


VALUES = st.lists(st.tuples(*[st.sampled_from([0, 0.25, 0.5, 1])] * 2), min_size=1, max_size=30)


@given(VALUES)
@settings(max_examples=40, deadline=None)
def test_exchanging_the_runs_mirrors_the_comparison(pairs: list[tuple[float, float]]) -> None:
    first, second = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    there, back = one(first, second), one(second, first)
    assert (there.wins, there.losses, there.ties) == (back.losses, back.wins, back.ties)
    assert there.p == back.p
    assert there.mean == pytest.approx(-back.mean)
    assert there.interval.low <= there.mean <= there.interval.high


@given(VALUES)
@settings(max_examples=40, deadline=None)
def test_the_changes_add_up_to_the_mean_difference(pairs: list[tuple[float, float]]) -> None:
    first, second = run([pair[0] for pair in pairs]), run([pair[1] for pair in pairs])
    changes = changed_most(first, second, "R@5", limit=len(pairs))
    assert sum(change.difference for change in changes) / len(pairs) == pytest.approx(
        second.mean("R@5") - first.mean("R@5")
    )
