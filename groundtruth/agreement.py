"""How far two raters agree on the relevance (0-3) of pairs: pure statistics. What is not defined is None, never 0 or 1.

The pairs of one query are alike, so the interval of kappa resamples queries, not pairs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LABELS = 4
SIMILAR_FROM = 2
"""A pair is similar from this relevance on: the line of false positives and false negatives."""

LEVEL = 0.95
FEWEST_PAIRS = 2
FEWEST_QUERIES = 10
"""Below so many queries, resampling them tells little about others: kappa then has no interval."""

FEWEST_RESAMPLES, MOST_RESAMPLES = 500, 2_000
DRAWS = 2_000_000  # queries drawn for one interval, at most about this many: 0.3 s
CHUNK = 2_000_000  # counts of queries held in memory at a time
MOST_UNDEFINED = 0.05  # of the resamples, before the interval counts as not defined

Matrix = NDArray[Any]
"""Counts of pairs, shape (..., LABELS, LABELS): row = what the left rater says, column = what the right one says."""


class Weights(StrEnum):
    """How much a difference in relevance weighs: its square, or the difference itself."""

    QUADRATIC = "quadratic"
    LINEAR = "linear"


class Observation(NamedTuple):
    """Two raters' relevance of one pair; `query` groups pairs that are alike."""

    pair: int
    query: int
    left: int
    right: int

    @property
    def similar(self) -> tuple[bool, bool]:
        return self.left >= SIMILAR_FROM, self.right >= SIMILAR_FROM


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95% interval. None: not defined from these pairs."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Binary:
    """The raters as "similar" and "not similar", the right one taken as the truth.

    Counts are halves where a couple of persons, neither of whom is the truth, counts half each way.
    """

    true_positives: float
    false_positives: float
    false_negatives: float
    true_negatives: float
    agreement: Figure
    kappa: Figure
    precision: Figure  # of what the left rater calls similar
    recall: Figure  # of what the right one does


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of `n` pairs, of `queries` queries: exact agreement, weighted kappa, counts, and the view as similar or not."""

    n: int
    queries: int
    exact: Figure
    kappa: Figure
    matrix: list[list[float]]
    binary: Binary


def compare(
    observations: Iterable[Observation], *, weights: Weights = Weights.QUADRATIC, seed: int = 1, symmetric: bool = False
) -> Agreement:
    """`symmetric`: who is left and who right has no meaning, and each observation counts half each way.

    Several couples of raters may have judged one pair; intervals of shares then count the pair once.
    """
    rows = np.array(list(observations), dtype=np.int64).reshape(-1, 4)
    pairs = len(np.unique(rows[:, 0]))
    clusters = by_query(rows, symmetric)
    total = clusters.sum(axis=0)
    return Agreement(
        n=pairs,
        queries=len(clusters),
        exact=_share(float(np.trace(total)), float(total.sum()), pairs),
        kappa=kappa(clusters, pairs, weights, seed),
        matrix=total.tolist(),
        binary=_binary(clusters, pairs, seed),
    )


def by_query(rows: NDArray[np.int64], symmetric: bool = False) -> Matrix:
    """Rows (pair, query, left, right) -> matrices of counts, one a query: shape (queries, LABELS, LABELS)."""
    queries, places = np.unique(rows[:, 1], return_inverse=True)
    cells = (places.reshape(-1) * LABELS + rows[:, 2]) * LABELS + rows[:, 3]
    counts = np.bincount(cells, minlength=len(queries) * LABELS**2).reshape(-1, LABELS, LABELS)
    return (counts + counts.swapaxes(1, 2)) / 2 if symmetric else counts


# ---- shares


def wilson(successes: float, n: int) -> Figure:
    """The share with its interval. Not defined below 2."""
    if n < FEWEST_PAIRS:
        return Figure()
    share = successes / n
    return Figure(share, *score_interval(share, n))


def score_interval(share: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The score interval of Wilson (1927): 52 of 61 -> 0.743 to 0.920."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    # 0 and 1 belong to intervals that reach them; rounding would leave them out.
    return min(max(0.0, centre - half), share), max(min(1.0, centre + half), share)


def _share(successes: float, of: float, pairs: int) -> Figure:
    """`of` observations of `pairs` pairs: what is known is known from the pairs."""
    return wilson(successes / of * pairs, pairs) if of else Figure()


def _binary(clusters: Matrix, pairs: int, seed: int) -> Binary:
    folded = as_similar_or_not(clusters)
    (true_no, missed), (wrong, true_yes) = folded.sum(axis=0).tolist()
    observed = true_no + missed + wrong + true_yes

    def share(successes: float, of: float) -> Figure:
        return _share(successes, of, int(of * pairs / observed + 1e-9) if observed else 0)

    return Binary(
        true_positives=true_yes,
        false_positives=wrong,
        false_negatives=missed,
        true_negatives=true_no,
        agreement=share(true_yes + true_no, observed),
        kappa=kappa(folded, pairs, Weights.LINEAR, seed),
        precision=share(true_yes, true_yes + wrong),
        recall=share(true_yes, true_yes + missed),
    )


def as_similar_or_not(counts: Matrix) -> Matrix:
    """Matrices of relevances -> matrices of two classes, "not similar" first: shape (..., 2, 2)."""
    parts = (slice(None, SIMILAR_FROM), slice(SIMILAR_FROM, None))
    rows = [np.stack([counts[..., left, right].sum(axis=(-2, -1)) for right in parts], axis=-1) for left in parts]
    return np.stack(rows, axis=-2)


# ---- kappa


def weighted_kappa(counts: Matrix, weights: Weights = Weights.QUADRATIC) -> NDArray[np.float64]:
    """Cohen's (1968) kappa of each matrix: 1 - observed disagreement / that of raters who know nothing of each other.

    NaN where the latter is 0: both raters gave one and the same relevance to all pairs, or there are none.
    """
    size = counts.shape[-1]
    away = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    weight = away**2 if weights == Weights.QUADRATIC else away
    observed = (weight * counts).sum(axis=(-2, -1)) * counts.sum(axis=(-2, -1))
    margins = counts.sum(axis=-1)[..., :, None] * counts.sum(axis=-2)[..., None, :]
    expected = (weight * margins).sum(axis=(-2, -1)).astype(np.float64)
    share: NDArray[np.float64] = np.divide(observed, expected, out=np.full(expected.shape, np.nan), where=expected > 0)
    return 1 - share


def kappa(clusters: Matrix, pairs: int, weights: Weights = Weights.QUADRATIC, seed: int = 1) -> Figure:
    """Of all queries' matrices together, with a percentile interval from seeded resamples of whole queries.

    There is no interval from fewer than 10 queries, nor where all resamples tell the same: perfect agreement in a
    sample is no proof of perfect agreement, and a rater with one answer for all has kappa 0 whatever the other says.
    """
    value = float(weighted_kappa(clusters.sum(axis=0), weights))
    if pairs < FEWEST_PAIRS or np.isnan(value):
        return Figure()
    if len(clusters) < FEWEST_QUERIES:
        return Figure(value)
    drawn = _resampled(clusters, weights, seed)
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < (1 - MOST_UNDEFINED) * len(drawn) or np.ptp(defined) == 0:
        return Figure(value)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Figure(value, min(float(low), value), max(float(high), value))


def _resampled(clusters: Matrix, weights: Weights, seed: int) -> NDArray[np.float64]:
    """Kappa of as many queries drawn with replacement, again and again."""
    rng = np.random.default_rng(seed)
    queries, flat = len(clusters), clusters.reshape(len(clusters), -1).astype(np.float64)
    resamples = int(np.clip(DRAWS // queries, FEWEST_RESAMPLES, MOST_RESAMPLES))
    rows = max(1, CHUNK // queries)
    parts: Sequence[NDArray[np.float64]] = [
        weighted_kappa((times @ flat).reshape(-1, *clusters.shape[1:]), weights)
        for start in range(0, resamples, rows)
        for times in [rng.multinomial(queries, [1 / queries] * queries, size=min(rows, resamples - start))]
    ]
    return np.concatenate(parts)
