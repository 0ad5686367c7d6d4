"""Several rankings made into one: by normalised scores with weights, or by ranks alone. Pure functions.

Sources: min-max normalisation and convex combination as in Bruch et al., "An Analysis of Fusion Functions for Hybrid
Retrieval" (2023); reciprocal rank fusion as in Cormack, Clarke and Buettcher (2009).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RRF_CONSTANT = 60  # of the paper: what first places weigh against many middling ones
FUSED_DEPTH = 200  # candidates of each signal

Places = NDArray[np.int64]
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates of one signal, best first. `places` (n,) name the items such that at equal scores a smaller place
    comes first, as the order of item codes wants it; `scores` (n,) fall.
    """

    places: Places
    scores: Scores


@dataclass(frozen=True, slots=True)
class Fused:
    """`scores` (n,) fall, ties by place. `shares` (signals, n) is what each signal gave; they add up to the scores."""

    places: Places
    scores: Scores
    shares: NDArray[np.float64]


def fuse(rankings: Sequence[Ranking], *, method: str, alpha: float = 0.5, weights: Sequence[float] = ()) -> Fused:
    """As the method says: "rrf" by ranks, "hybrid" by alpha and the rest, any other by its weights, or equally."""
    if method == "rrf":
        return reciprocal_rank(rankings)
    return weighted(rankings, (alpha, 1 - alpha) if method == "hybrid" else weights or (1.0,) * len(rankings))


def normalised(scores: Scores, *, method: str) -> Scores:
    """What `fuse` makes of the falling scores of one ranking, before weights."""
    return rank_scores(len(scores)) if method == "rrf" else unit(scores)


def weighted(rankings: Sequence[Ranking], weights: Sequence[float]) -> Fused:
    """The weighted mean of the scores, each ranking's brought to 0..1 by its lowest and highest candidate.

    What a ranking does not hold gets 0 from it, as its last candidate does. Raises ValueError where weights and
    rankings do not match or no weight is above 0.
    """
    if len(weights) != len(rankings) or min(weights, default=-1) < 0 or not sum(weights):
        raise ValueError("one weight from 0 up for each ranking, not all 0")
    return _fused(
        rankings, [weight / sum(weights) * unit(each.scores) for each, weight in zip(rankings, weights, strict=True)]
    )


def reciprocal_rank(rankings: Sequence[Ranking]) -> Fused:
    """The sum of 1 / (60 + rank) over the rankings that hold the item."""
    return _fused(rankings, [rank_scores(len(each.places)) for each in rankings])


def unit(scores: Scores) -> Scores:
    """Equal scores are all 1: each of them is the best there is."""
    if not len(scores):
        return scores
    spread = scores.max() - scores.min()
    return (scores - scores.min()) / spread if spread else np.ones_like(scores)


def rank_scores(count: int) -> Scores:
    return 1 / (RRF_CONSTANT + np.arange(1, count + 1))


def _fused(rankings: Sequence[Ranking], given: Sequence[Scores]) -> Fused:
    places = np.unique(np.concatenate([each.places for each in rankings]))
    shares = np.zeros((len(rankings), len(places)))
    for row, (each, share) in enumerate(zip(rankings, given, strict=True)):
        shares[row, np.searchsorted(places, each.places)] = share
    scores = shares.sum(axis=0)
    order = np.lexsort((places, -scores))
    return Fused(places[order], scores[order], shares[:, order])
