"""What several truths say together of the candidates of one query. Pure functions; the rows are elsewhere."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

Combination = Literal["intersection", "union", "vote"]
Votes = Sequence[Mapping[int, int] | None]
"""By truth: relevance (0-3) by candidate, as far as judged; None for a truth that does not have the query."""

HALF = Fraction(1, 2)


class Combined(NamedTuple):
    """`share` is the weighted share of the truths with the query that call the pair relevant."""

    relevance: int
    share: float


def takes_query(votes: Votes, combination: Combination) -> bool:
    """Whether the query belongs to the combined truth: an intersection keeps those that all truths have."""
    present = [vote is not None for vote in votes]
    return all(present) if combination == "intersection" else any(present)


def combine_query(
    votes: Votes, combination: Combination, *, weights: Sequence[Fraction], threshold: int
) -> dict[int, Combined]:
    """The accepted candidates, in ascending order; relevant means a relevance of at least `threshold`.

    - intersection: all truths call it relevant; relevance is the lowest.
    - union: any of them does; relevance is the highest.
    - vote: truths with at least half of the weight do, among those that have the query. Relevance is the weighted mean
      of those that judged the pair, half rounded up. A truth that did not judge it does not call it relevant.
    """
    present = [(vote, weight) for vote, weight in zip(votes, weights, strict=True) if vote is not None]
    total = sum((weight for _vote, weight in present), Fraction())
    accepted = {}
    for candidate in sorted({candidate for vote, _weight in present for candidate in vote}):
        said = [(vote[candidate], weight) for vote, weight in present if candidate in vote]
        share = sum((weight for relevance, weight in said if relevance >= threshold), Fraction()) / total
        if _accepts(combination, share, complete=len(present) == len(votes)):
            accepted[candidate] = Combined(_relevance(combination, said), float(share))
    return accepted


def _accepts(combination: Combination, share: Fraction, *, complete: bool) -> bool:
    if combination == "intersection":
        return complete and share == 1
    return share > 0 if combination == "union" else share >= HALF


def _relevance(combination: Combination, said: Sequence[tuple[int, Fraction]]) -> int:
    if combination == "intersection":
        return min(relevance for relevance, _weight in said)
    if combination == "union":
        return max(relevance for relevance, _weight in said)
    mean = sum(relevance * weight for relevance, weight in said) / sum(weight for _relevance, weight in said)
    return math.floor(mean + HALF)


def exact_weights(weights: Sequence[float]) -> list[Fraction]:
    """As they are written: 0.1 and 0.2 together weigh as much as 0.3. Raises ValueError unless finite and above 0."""
    exact = [Fraction(str(weight)) for weight in weights]
    if any(weight <= 0 for weight in exact):
        raise ValueError("weights must be above 0")
    return exact
