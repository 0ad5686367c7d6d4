"""What a metric may still become while items in the first k are unjudged.

A metric takes an unjudged item for irrelevant. Its bounds are its lowest and highest value over every way in which the
unjudged items of the first k could be judged (relevance 0-3); what lies beyond stays irrelevant. k is the metric's own,
and `depth` for RR and AP. Pure: no database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics import METRICS, MOST_RELEVANT, Judged, PerQuery, Ranked, per_query, split

DEPTH = 10
MOST_UNJUDGED = 20  # in one ranking, for nDCG: above it labels between 0 and 3 are not tried


@dataclass(frozen=True, slots=True)
class Bounds:
    """Means over the same queries as the metric's own. `unjudged` counts pairs of query and item."""

    low: float
    high: float
    unjudged: int


def unjudged(judged: Judged, ranked: Ranked, k: int = DEPTH) -> tuple[tuple[str, str], ...]:
    """(query, item) of the judged queries' first k that nobody judged, by query and rank."""
    return tuple(
        (query, item) for query in sorted(judged) for item in ranked.get(query, ())[:k] if item not in judged[query]
    )


def bounds(
    judged: Judged,
    ranked: Ranked,
    names: Sequence[str] = METRICS,
    minimum_relevance: int = 1,
    depth: int = DEPTH,
) -> dict[str, Bounds]:
    """Bounds of each metric's mean. Judged@k is about the judging itself and left out.

    Queries without a relevant item stay left out, though one of their unjudged items might bring them in.
    """
    cutoffs = {name: _k(name, depth) for name in names if split(name).measure != "Judged"}
    now = per_query(judged, ranked, list(cutoffs), minimum_relevance)
    counted = {query: judged[query] for query in now.queries}
    found: dict[str, Bounds] = {}
    for k in sorted(set(cutoffs.values())):
        here = [name for name in cutoffs if cutoffs[name] == k]
        open_pairs = len(unjudged(counted, ranked, k))
        highest = _highest(here, counted, ranked, minimum_relevance, k)
        for name in here:
            if name in highest.values:
                low, high = now.mean(name), highest.mean(name)
            else:
                low, high = _searched(name, counted, ranked, minimum_relevance, k)
            found[name] = Bounds(low, high, open_pairs)
    return {name: found[name] for name in cutoffs}


def _k(name: str, depth: int) -> int:
    return split(name).cutoff or depth


def _highest(names: Sequence[str], judged: Judged, ranked: Ranked, minimum_relevance: int, k: int) -> PerQuery:
    """Metrics that can only rise with each item that turns out relevant: now is their lowest, this their highest."""
    best = {query: _all_relevant(labels, ranked.get(query, ())[:k]) for query, labels in judged.items()}
    rising = [name for name in names if split(name).measure not in {"nDCG", "AP"}]
    return per_query(best, ranked, rising, minimum_relevance)


def _searched(name: str, judged: Judged, ranked: Ranked, minimum_relevance: int, k: int) -> tuple[float, float]:
    """nDCG and AP fall too where an item low in the ranking turns out relevant: a better order had it above."""
    pairs = [_of_query(name, labels, ranked.get(query, ()), k, minimum_relevance) for query, labels in judged.items()]
    low, high = np.array(pairs).reshape(-1, 2).mean(axis=0) if pairs else (np.nan, np.nan)
    return float(low), float(high)


def _all_relevant(labels: Mapping[str, int], items: Sequence[str]) -> dict[str, int]:
    return {**dict.fromkeys(items, MOST_RELEVANT), **labels}


def _of_query(
    name: str, labels: Mapping[str, int], items: Sequence[str], k: int, minimum_relevance: int
) -> tuple[float, float]:
    if name.startswith("nDCG"):
        found = tuple(labels.get(item, -1) for item in items[:k])
        return _ndcg_range(found, tuple(sorted(labels.values(), reverse=True)[:k]), k)
    relevant = sum(relevance >= minimum_relevance for relevance in labels.values())
    flags = [
        -1 if item not in labels and rank < k else int(labels.get(item, 0) >= minimum_relevance)
        for rank, item in enumerate(items)
    ]
    return _ap_range(np.array(flags, dtype=np.float64), relevant)


def _ap_range(found: NDArray[np.float64], relevant: int) -> tuple[float, float]:
    """`found` by rank: 1 relevant, 0 not, -1 unjudged. As many relevant are best at the top and worst at the bottom."""
    fills = _fills(int((found < 0).sum()), 1)
    high, low = (_ap(_filled(found, each), relevant + fills.sum(axis=1)) for each in (fills, fills[:, ::-1]))
    return float(low.min()), float(high.max())


def _ap(flags: NDArray[np.float64], relevant: NDArray[np.float64]) -> NDArray[np.float64]:
    precision = np.cumsum(flags, axis=1) / np.arange(1, flags.shape[1] + 1)
    found: NDArray[np.float64] = (precision * flags).sum(axis=1) / relevant
    return found


@lru_cache(maxsize=100_000)
def _ndcg_range(found: tuple[int, ...], judged: tuple[int, ...], k: int) -> tuple[float, float]:
    """`found` by rank, -1 where unjudged; `judged` are the k highest labels. Equal counts of labels share an ideal."""
    gains = np.array(found, dtype=np.float64)
    fills = _fills(int((gains < 0).sum()), MOST_RELEVANT)
    known = np.tile(np.array(judged, dtype=np.float64), (len(fills), 1))
    ideal = _dcg(-np.sort(-np.hstack([known, fills]), axis=1)[:, :k])
    high, low = (_dcg(_filled(gains, each)) / ideal for each in (fills, fills[:, ::-1]))
    return float(low.min()), float(high.max())


def _dcg(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    return gains @ (1 / np.log2(np.arange(2, gains.shape[1] + 2)))


def _filled(found: NDArray[np.float64], fills: NDArray[np.float64]) -> NDArray[np.float64]:
    """One row for each fill, its labels in the places of the unjudged."""
    rows = np.tile(found, (len(fills), 1))
    rows[:, found < 0] = fills
    return rows


@lru_cache(maxsize=256)
def _fills(count: int, most: int) -> NDArray[np.float64]:
    """Every multiset of `count` labels from 0 to `most`, one a row, the highest first."""
    labels = range(most, -1, -1) if count <= MOST_UNJUDGED else (most, 0)
    rows = list(combinations_with_replacement(labels, count))
    return np.array(rows, dtype=np.float64).reshape(len(rows), count)
