"""Agreement of two raters: figures held to arithmetic by hand, and what is not defined says so."""

import numpy as np
import pytest
from scipy.stats import binomtest

from groundtruth.agreement import (
    LABELS,
    Figure,
    Observation,
    Weights,
    as_similar_or_not,
    by_query,
    compare,
    kappa,
    weighted_kappa,
    wilson,
)

LEFT, RIGHT = [0, 0, 1, 2, 3, 3], [0, 1, 1, 2, 3, 2]


def observed(left: list[int], right: list[int], queries: list[int] | None = None) -> list[Observation]:
    """Each pair its own query where none are given."""
    places = queries or list(range(len(left)))
    return [Observation(pair, *row) for pair, row in enumerate(zip(places, left, right, strict=True))]


def drawn(n: int, seed: int, right_as_left: float = 0.7) -> tuple[list[int], list[int]]:
    rng = np.random.default_rng(seed)
    left, other = rng.integers(LABELS, size=(2, n))
    return left.tolist(), np.where(rng.random(n) < right_as_left, left, other).tolist()


# ---- shares


def test_the_interval_of_a_share_is_wilsons() -> None:
    found = wilson(52, 61)
    assert found.value == 52 / 61
    interval = binomtest(52, 61).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_full_agreement_keeps_an_interval_below_one() -> None:
    found = wilson(50, 50)
    assert found.value == found.high == 1
    assert found.low == pytest.approx(50 / (50 + 1.959964**2))


@pytest.mark.parametrize("n", [0, 1])
def test_a_share_of_fewer_than_two_pairs_is_not_defined(n: int) -> None:
    assert wilson(n, n) == Figure()


# ---- kappa


@pytest.mark.parametrize(("weights", "by_hand"), [(Weights.QUADRATIC, 1 - 2 / 15), (Weights.LINEAR, 1 - 2 / (46 / 6))])
def test_weighted_kappa_is_what_arithmetic_by_hand_gives(weights: Weights, by_hand: float) -> None:
    found = compare(observed(LEFT, RIGHT), weights=weights)
    assert found.kappa.value == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize("weights", list(Weights))
@pytest.mark.parametrize("seed", range(5))
def test_weighted_kappa_is_that_of_scikit_learn(weights: Weights, seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    left, right = drawn(80, seed, right_as_left=seed / 5)
    found = compare(observed(left, right), weights=weights)
    assert found.kappa.value == pytest.approx(metrics.cohen_kappa_score(left, right, weights=str(weights)), abs=1e-12)
    similar = [[label >= 2 for label in labels] for labels in (left, right)]
    assert found.binary.kappa.value == pytest.approx(metrics.cohen_kappa_score(*similar), abs=1e-12)


def test_raters_who_always_say_the_opposite_have_kappa_minus_one() -> None:
    found = compare(observed([0, 3] * 10, [3, 0] * 10))
    assert found.kappa.value == pytest.approx(-1)


def test_kappa_is_not_defined_where_both_say_the_same_of_every_pair() -> None:
    found = compare(observed([2] * 30, [2] * 30))
    assert found.kappa == found.binary.kappa == Figure()
    assert found.exact.value == 1


def test_kappa_is_0_without_an_interval_where_one_rater_has_one_answer_for_all() -> None:
    left, _ = drawn(60, 1)
    assert compare(observed(left, [2] * 60)).kappa == Figure(0.0)


def test_full_agreement_has_kappa_1_without_an_interval() -> None:
    left, _ = drawn(60, 1)
    assert compare(observed(left, left)).kappa == Figure(1.0)


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_is_defined_for_fewer_than_two_pairs(n: int) -> None:
    found = compare(observed([3, 1][:n], [2, 1][:n]))
    assert found.n == n
    figures = (found.exact, found.kappa, found.binary.agreement, found.binary.kappa, found.binary.precision)
    assert set(figures) == {Figure()}


def test_kappa_of_fewer_than_ten_queries_has_no_interval() -> None:
    left, right = drawn(90, 1)
    few = compare(observed(left, right, [pair % 9 for pair in range(90)])).kappa
    enough = compare(observed(left, right, [pair % 10 for pair in range(90)])).kappa
    assert (few.low, few.high) == (None, None)
    assert few.value == enough.value
    assert enough.low is not None


def test_the_interval_holds_the_figure_and_a_seed_gives_the_same_again() -> None:
    rows = observed(*drawn(50, 3))
    first, again, other = (compare(rows, seed=seed).kappa for seed in (1, 1, 2))
    assert first == again != other
    assert first.low is not None and first.high is not None and first.value is not None
    assert first.low < first.value < first.high


def test_the_interval_narrows_with_more_pairs() -> None:
    widths = []
    for n in (40, 1000):
        found = compare(observed(*drawn(n, 5))).kappa
        assert found.low is not None and found.high is not None
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 3


def test_pairs_of_one_query_that_say_the_same_do_not_narrow_the_interval() -> None:
    left, right = drawn(40, 7)
    once = compare(observed(left, right)).kappa
    repeated = compare(observed(left * 5, right * 5, list(range(40)) * 5)).kappa
    assert repeated.value == pytest.approx(once.value)
    assert repeated.low == pytest.approx(once.low)


def test_an_interval_is_not_defined_where_resamples_mostly_are_not() -> None:
    """A third of them hold only pairs that both call similar."""
    said = [2] * 29 + [1]
    same = by_query(np.array(observed(said, said)))
    assert kappa(same, 30) == Figure(1.0)
    nearly = by_query(np.array(observed([*said[:-2], 3, 1], said)))
    assert kappa(nearly, 30) == Figure(float(weighted_kappa(nearly.sum(axis=0))))


# ---- counts


def test_rows_of_the_matrix_are_the_left_raters_and_columns_the_right_ones() -> None:
    found = compare(observed([3, 3, 0], [1, 1, 0]))
    assert found.matrix[3] == [0, 2, 0, 0]
    assert found.matrix[0] == [1, 0, 0, 0]
    assert sum(map(sum, found.matrix)) == 3


def test_similar_begins_at_relevance_2() -> None:
    found = compare(observed([3, 2, 2, 1, 0, 1], [2, 2, 1, 2, 3, 0])).binary
    counts = [found.true_positives, found.false_positives, found.false_negatives, found.true_negatives]
    assert counts == [2, 1, 2, 1]
    assert [found.agreement.value, found.recall.value] == [0.5, 0.5]
    assert found.precision.value == pytest.approx(2 / 3)


def test_precision_is_not_defined_where_nothing_was_called_similar() -> None:
    found = compare(observed([0, 1, 1], [2, 1, 0])).binary
    assert found.precision == Figure()
    assert found.false_negatives == 1


def test_folding_keeps_every_pair() -> None:
    matrix = np.arange(16).reshape(4, 4)
    assert as_similar_or_not(matrix).tolist() == [[0 + 1 + 4 + 5, 2 + 3 + 6 + 7], [8 + 9 + 12 + 13, 10 + 11 + 14 + 15]]


def test_who_is_left_means_nothing_where_raters_are_a_couple_of_persons() -> None:
    there, back = (compare(observed(*sides), symmetric=True) for sides in ((LEFT, RIGHT), (RIGHT, LEFT)))
    assert there == back
    assert there.matrix[0][1] == there.matrix[1][0] == 0.5


def test_a_pair_that_three_couples_judged_counts_once_in_the_interval_of_agreement() -> None:
    rows = [Observation(pair, pair, 2, 2) for pair in range(10) for _couple in range(3)]
    found = compare(rows, symmetric=True)
    assert found.n == 10
    assert found.exact == found.binary.precision == wilson(10, 10)
