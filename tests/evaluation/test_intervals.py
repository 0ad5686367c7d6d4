"""Intervals: known values, what holds for all, and whether they hold the true mean as often as they say. Slices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.intervals import bootstrap, interval, resampled_means, wilson
from evaluation.slices import MINIMUM, group


def test_52_of_61_hits_may_be_74_to_92_percent() -> None:
    found = interval("Success@5", [1.0] * 52 + [0.0] * 9)
    assert (round(found.mean, 3), round(found.low, 2), round(found.high, 2)) == (0.852, 0.74, 0.92)
    assert (found.method, found.n) == ("wilson", 61)


def test_it_does_not_prove_80_percent_but_does_prove_70() -> None:
    found = interval("Success@5", [1.0] * 52 + [0.0] * 9)
    assert found.spans(0.80)
    assert found.spans(0.90)
    assert not found.spans(0.70)
    assert not found.spans(0.95)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)],
)
def test_wilson_equals_published_values(successes: int, n: int, low: float, high: float) -> None:
    """0 and 10 of 10 by arithmetic (z²/(n + z²)); the others from Newcombe (1998), table I, method 3."""
    found = wilson(successes, n)
    assert [found.low, found.high] == pytest.approx([low, high], abs=5e-5)


def test_a_mean_of_recalls_is_bootstrapped() -> None:
    assert interval("R@5", [0.5, 1.0, 0.25, 0.0]).method == "bootstrap"


def test_recall_with_one_relevant_item_a_query_is_a_proportion_and_gets_wilson() -> None:
    assert interval("R@5", [1.0, 0.0, 1.0]) == interval("Success@5", [1.0, 0.0, 1.0])


def test_values_that_happen_to_be_equal_give_no_certainty() -> None:
    found = interval("P@5", [0.2] * 10)
    assert found.low < 0.15
    assert found.high > 0.25


def test_one_query_says_next_to_nothing() -> None:
    found = interval("nDCG@10", [0.5])
    assert found.high - found.low > 0.8


def test_no_query_says_nothing_at_all() -> None:
    found = interval("R@5", [])
    assert np.isnan(found.mean)
    assert (found.low, found.high, found.n) == (0, 1, 0)


def test_the_same_seed_gives_the_same_interval_and_another_seed_nearly_the_same() -> None:
    values = np.random.default_rng(7).beta(2, 3, size=200)
    first, again, other = (interval("nDCG@10", values, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert other.low == pytest.approx(first.low, abs=0.003)


def test_the_bootstrap_of_many_near_normal_values_is_the_normal_interval() -> None:
    values = np.random.default_rng(7).normal(0.5, 0.1, size=1_000)
    found = bootstrap(values)
    reach = 1.959964 * values.std() / np.sqrt(len(values))
    assert found.low == pytest.approx(values.mean() - reach, abs=3e-4)
    assert found.high == pytest.approx(values.mean() + reach, abs=3e-4)


def test_a_skewed_sample_gets_the_longer_arm_on_its_long_side() -> None:
    values = np.r_[np.zeros(40), np.linspace(0.1, 1, 10)]
    found = bootstrap(values)
    low, high = np.quantile(resampled_means(values, 1), [0.025, 0.975])
    assert found.high - found.mean > found.mean - found.low
    assert found.high > high  # more than the plain percentiles have it
    assert found.low > low


def test_the_bootstrap_equals_that_of_scipy() -> None:
    """Bias correction and acceleration included: without the latter the upper end is lower by 0.006."""
    stats = pytest.importorskip("scipy.stats")
    values = np.r_[np.zeros(40), np.linspace(0.1, 1, 10)]
    theirs = stats.bootstrap((values,), np.mean, n_resamples=50_000, method="BCa", rng=7).confidence_interval
    found = bootstrap(values)
    assert [found.low, found.high] == pytest.approx([theirs.low, theirs.high], abs=0.003)


def test_95_percent_intervals_hold_the_true_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(7)
    found = [bootstrap(rng.beta(1, 3, size=60), seed=1) for _ in range(300)]
    held = sum(each.low <= 0.25 <= each.high for each in found)
    assert 270 <= held <= 298  # 90% to 99%


def test_a_wider_level_gives_a_wider_interval() -> None:
    values = np.random.default_rng(7).random(50)
    narrow, wide = interval("AP", values, level=0.8), interval("AP", values, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_ten_thousand_queries_are_resampled_with_bounded_memory() -> None:
    assert len(resampled_means(np.random.default_rng(7).random(10_000), 1)) == 2_000
    assert len(resampled_means(np.array([0.0, 1.0]), 1)) == 10_000


@given(st.lists(st.sampled_from([0, 0.2, 0.25, 1 / 3, 0.5, 0.9, 1]), min_size=1, max_size=40), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_an_interval_contains_its_mean_and_stays_from_0_to_1(values: list[float], seed: int) -> None:
    found = interval("R@5", values, seed=seed)
    assert 0 <= found.low <= found.mean <= found.high <= 1 + 1e-12
    assert found.mean == pytest.approx(np.mean(values))


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_of_hits_mirrors_that_of_misses(case: tuple[int, int]) -> None:
    hits, n = case
    found, mirrored = wilson(hits, n), wilson(n - hits, n)
    assert found.low == pytest.approx(1 - mirrored.high, abs=1e-12)
    assert found.high == pytest.approx(1 - mirrored.low, abs=1e-12)


def test_slices_hold_every_query_once_and_come_by_name_with_the_unnamed_last() -> None:
    queries = ["q1", "q2", "q3", "q4"]
    found = group(queries, {"q1": "수학", "q2": "과학", "q4": "수학"})
    assert [(part.name, part.indices.tolist()) for part in found] == [("과학", [1]), ("수학", [0, 3]), ("", [2])]


def test_a_slice_of_too_few_queries_is_flagged() -> None:
    queries = [f"q{number}" for number in range(2 * MINIMUM - 1)]
    keys = {query: "large" if place < MINIMUM else "little" for place, query in enumerate(queries)}
    assert [(part.name, len(part), part.small) for part in group(queries, keys)] == [
        ("large", MINIMUM, False),
        ("little", MINIMUM - 1, True),
    ]
