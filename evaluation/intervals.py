"""How far a figure from these queries may be from the figure of all such queries."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundtruth.agreement import score_interval

LEVEL = 0.95
NORMAL = NormalDist()
DRAWS = 20_000_000  # queries drawn in one bootstrap, at most about this many: 10,000 queries take 0.2 s
FEWEST, MOST = 1_000, 10_000  # resamples
CHUNK = 2_000_000  # draws held in memory at a time


@dataclass(frozen=True, slots=True)
class Interval:
    """`mean` of `n` queries and its interval. Without a query the mean is NaN and the interval all of 0 to 1."""

    mean: float
    low: float
    high: float
    method: str  # "wilson" or "bootstrap"
    n: int = 0
    level: float = LEVEL

    def spans(self, line: float) -> bool:
        """Whether the figure may be on either side of the line."""
        return self.low < line <= self.high


def interval(name: str, values: ArrayLike, seed: int = 1, level: float = LEVEL) -> Interval:
    """Wilson for a proportion of queries, a seeded bootstrap for any other mean of values from 0 to 1.

    A metric is a proportion where each query scores 0 or 1, as in Success@k, and in R@k with one relevant item a query.
    Values that are all equal tell a bootstrap that they always will be; Wilson, which has the largest variance that
    values from 0 to 1 with this mean can have, does not believe so.
    """
    sample = np.asarray(values, dtype=np.float64)
    if name.startswith("Success@") or np.isin(sample, (0.0, 1.0)).all() or np.ptp(sample) == 0:
        return wilson(float(sample.sum()), len(sample), level)
    return bootstrap(sample, seed, level)


def wilson(successes: float, n: int, level: float = LEVEL) -> Interval:
    """By its score interval. Nothing is known without a query."""
    if not n:
        return Interval(float("nan"), 0.0, 1.0, "wilson", 0, level)
    share = min(successes / n, 1.0)
    return Interval(share, *score_interval(share, n, level), "wilson", n, level)


def bootstrap(values: NDArray[np.float64], seed: int = 1, level: float = LEVEL) -> Interval:
    """Bias-corrected and accelerated (BCa; Efron 1987), for any mean, differences included. `values` is not empty."""
    mean = float(values.mean())
    deviation = values - mean
    spread = float((deviation**2).sum())
    if np.ptp(values) == 0 or spread == 0:
        return Interval(mean, mean, mean, "bootstrap", len(values), level)
    means = resampled_means(values, seed)
    below = ((means < mean).mean() + (means <= mean).mean()) / 2
    bias = _z(float(np.clip(below, 1 / len(means), 1 - 1 / len(means))))
    acceleration = float((deviation**3).sum()) / (6 * spread**1.5)
    low, high = np.quantile(
        means, [_corrected(share, bias, acceleration) for share in ((1 - level) / 2, (1 + level) / 2)]
    )
    return Interval(mean, min(float(low), mean), max(float(high), mean), "bootstrap", len(values), level)


def resampled_means(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Means of samples of n queries drawn with replacement: 10,000 of them, fewer for more than 2,000 queries."""
    n = len(values)
    rng = np.random.default_rng(seed)
    resamples = int(np.clip(DRAWS // n, FEWEST, MOST))
    rows = max(1, CHUNK // n)
    parts = [
        values[rng.integers(n, size=(min(rows, resamples - start), n), dtype=np.int32)].mean(axis=1)
        for start in range(0, resamples, rows)
    ]
    return np.concatenate(parts)


def _corrected(share: float, bias: float, acceleration: float) -> float:
    reach = bias + _z(share)
    return NORMAL.cdf(bias + reach / (1 - acceleration * reach))


def _z(share: float) -> float:
    return NORMAL.inv_cdf(share)
