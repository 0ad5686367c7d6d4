"""Which of two runs over the same queries is better, and whether that could be chance.

Pure: no database. Differences are always `second` - `first`, so that a positive one speaks for `second`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import ArrayLike, NDArray

from evaluation.intervals import LEVEL, Interval, bootstrap
from evaluation.metrics import PerQuery
from evaluation.slices import Slice

EXACT = 12  # queries that differ; up to so many every pattern of signs is tried
PERMUTATIONS = 10_000
CHUNK = 2_000_000  # signs held in memory at a time
NOISE = 1e-9  # metrics of one query are fractions of small integers: a smaller difference is rounding

BETTER, WORSE, NOT_SHOWN = "better", "worse", "not shown"


@dataclass(frozen=True, slots=True)
class Difference:
    """`second` - `first` in the mean of `metric`, over all queries or those of one slice.

    `p` is of the two-sided paired randomisation test, `holm` the same corrected for all comparisons made together.
    `wins` are queries in which `second` is higher, `losses` those in which it is lower.
    """

    first: str
    second: str
    metric: str
    interval: Interval
    p: float
    holm: float
    wins: int
    ties: int
    losses: int
    slice: str | None = None  # None: all queries
    small: bool = False  # fewer queries than a slice needs to say much

    @property
    def mean(self) -> float:
        return self.interval.mean

    @property
    def verdict(self) -> str:
        """Interval and corrected test must both say so; else a difference is not shown, which is not "equal"."""
        if self.holm >= 1 - self.interval.level or self.interval.low <= 0 <= self.interval.high:
            return NOT_SHOWN
        return BETTER if self.mean > 0 else WORSE


class Change(NamedTuple):
    query: str
    first: float
    second: float

    @property
    def difference(self) -> float:
        return self.second - self.first


class Advice(NamedTuple):
    """Slices by what was shown of them, and what to do, as a sentence in the reader's language."""

    better: tuple[str, ...]
    worse: tuple[str, ...]
    not_shown: tuple[str, ...]
    sentence: str


def compare(
    runs: Mapping[str, PerQuery],
    metrics: Sequence[str],
    baseline: str | None = None,
    seed: int = 1,
    level: float = LEVEL,
) -> tuple[Difference, ...]:
    """Every pair of runs (or every run against the baseline) by every metric, Holm-corrected over all of them.

    Raises ValueError where runs have other queries: a run without a ranking for a query scores 0 there (`per_query`
    with the same truth sees to it), so that other queries mean another truth or another threshold.
    """
    pairs = [(baseline, name) for name in runs if name != baseline] if baseline else list(combinations(runs, 2))
    found = [
        _difference(runs, first, second, metric, seed=seed, level=level)
        for (first, second), metric in product(pairs, metrics)
    ]
    return corrected(found)


def by_slice(
    runs: Mapping[str, PerQuery],
    first: str,
    second: str,
    metric: str,
    slices: Sequence[Slice],
    *,
    seed: int = 1,
    level: float = LEVEL,
) -> tuple[Difference, ...]:
    """One pair of runs in each slice, Holm-corrected over the slices."""
    return corrected(
        [_difference(runs, first, second, metric, part, seed=seed, level=level) for part in slices if len(part)]
    )


def do_no_harm(differences: Sequence[Difference]) -> Advice:
    """Where to use `second` (a reranker, say) in place of `first`, from what `by_slice` found: only where it wins."""
    shown = {
        verdict: tuple(each.slice or "" for each in differences if each.verdict == verdict)
        for verdict in (BETTER, WORSE, NOT_SHOWN)
    }
    better, worse, not_shown = shown[BETTER], shown[WORSE], shown[NOT_SHOWN]
    if not better:
        sentence = _("Leave it off: it is better in no slice.")
    elif worse or not_shown:
        sentence = _("Switch it on only for: %(slices)s.") % {"slices": ", ".join(name or "-" for name in better)}
    else:
        sentence = _("Switch it on: it is better in every slice.")
    return Advice(better, worse, not_shown, sentence)


def harmed(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """Those whose interval lies wholly below 0: where `second` (a reranker, say) did harm.

    Each interval is taken by itself. `verdict` also asks the test that is corrected for all slices, which suits a claim
    that something is better; to leave off what may harm takes less.
    """
    return tuple(each for each in differences if each.interval.high < 0)


def changed_most(first: PerQuery, second: PerQuery, metric: str, limit: int = 20) -> tuple[Change, ...]:
    """Queries whose value changed, the largest change first, either way; equal changes by query."""
    _check_same_queries(first, second)
    before, after = first.values[metric], second.values[metric]
    size = np.round(np.abs(after - before), 9)  # rounding errors must not order equal changes
    places = [place for place in np.argsort(-size, kind="stable") if size[place]]
    by_size = sorted(places, key=lambda place: (-size[place], first.queries[place]))
    return tuple(Change(first.queries[at], float(before[at]), float(after[at])) for at in by_size[:limit])


def randomisation(differences: ArrayLike, seed: int = 1, permutations: int = PERMUTATIONS) -> float:
    """p of the two-sided paired randomisation (sign flip) test of a mean difference of 0.

    Were the runs equally good, each query's difference would be as likely with the other sign. Up to 12 queries that
    differ all patterns are counted and p is exact; beyond, p = (b + 1) / (m + 1) with b of m random patterns at least
    as far from 0. Queries without a difference do not move the sum.
    """
    sample = np.asarray(differences, dtype=np.float64)
    sample = sample[np.abs(sample) > NOISE]
    if not len(sample):
        return 1.0
    reach = abs(float(sample.sum())) - NOISE * len(sample)
    exact = len(sample) <= EXACT
    patterns = _every_sign(len(sample)) if exact else _random_signs(len(sample), seed, permutations)
    hits = total = 0
    for signs in patterns:
        hits += int((np.abs(signs @ sample) >= reach).sum())
        total += len(signs)
    return hits / total if exact else (hits + 1) / (total + 1)


def holm(values: Sequence[float]) -> tuple[float, ...]:
    """p-values corrected for being many (Holm 1979), in the order given; none is below its own or above 1."""
    if not values:
        return ()
    p = np.asarray(values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return tuple(float(each) for each in adjusted)


def corrected(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """The same differences, taken as one family: `holm` from the `p` of all of them."""
    adjusted = holm([each.p for each in differences])
    return tuple(replace(each, holm=value) for each, value in zip(differences, adjusted, strict=True))


def _difference(
    runs: Mapping[str, PerQuery],
    first: str,
    second: str,
    metric: str,
    part: Slice | None = None,
    *,
    seed: int,
    level: float,
) -> Difference:
    _check_same_queries(runs[first], runs[second])
    change = runs[second].values[metric] - runs[first].values[metric]
    change = np.where(np.abs(change) > NOISE, change, 0.0)
    if part is not None:
        change = change[part.indices]
    if not len(change):
        raise ValueError("There is no query with a relevant item to compare the runs by.")
    p = randomisation(change, seed)
    wins, losses = int((change > 0).sum()), int((change < 0).sum())
    found = bootstrap(change, seed, level)
    name, small = (part.name, part.small) if part else (None, False)
    ties = len(change) - wins - losses
    return Difference(first, second, metric, found, p, p, wins, ties, losses, name, small)


def _check_same_queries(first: PerQuery, second: PerQuery) -> None:
    if first.queries != second.queries:
        raise ValueError("The runs were judged by different queries; compare runs over the same truth and threshold.")


def _every_sign(n: int) -> Iterator[NDArray[np.float64]]:
    """All 2^n patterns of +1 and -1, one a row."""
    yield _signs((np.arange(2**n)[:, None] >> np.arange(n)) & 1)


def _random_signs(n: int, seed: int, permutations: int) -> Iterator[NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    rows = max(1, CHUNK // n)
    for start in range(0, permutations, rows):
        count = min(rows, permutations - start)
        bits = np.unpackbits(rng.integers(256, size=(count, -(-n // 8)), dtype=np.uint8), axis=1, count=n)
        yield _signs(bits)


def _signs(bits: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    return np.where(bits, -1.0, 1.0)
