"""Which pairs a person sees first, which ones a sample holds, and what several people's words come to. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from statistics import median_low

from groundtruth.models.review import ReviewPair
from groundtruth.models.sets import Relevance

SIMILAR = Relevance.SIMILAR
DISAGREEMENT_WEIGHT = 2.0
"""Judges who contradict each other say more than a score: two of them may outweigh both other signs together."""

State = ReviewPair.State


@dataclass(frozen=True, slots=True)
class PairFacts:
    """What is known of a pair before people judge it.

    `key` names it in every database alike. `votes` are the relevances that judges gave it. `likeness` (0-1) is the best
    word of anything but TF-IDF; `tfidf` its TF-IDF score: 0 where TF-IDF looked and did not propose it, None where
    it never looked.
    """

    pair_id: int
    key: str
    category: str
    relevance: int | None = None
    score: float | None = None
    votes: tuple[int, ...] = ()
    likeness: float = 0.0
    tfidf: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """The score that parts similar from not similar, and how far from it the farthest score lies."""

    at: float
    reach: float


def line_of(facts: Sequence[PairFacts]) -> Line | None:
    """Half-way between the lowest similar and the highest other score; None without scores."""
    scored = [(pair.relevance, pair.score) for pair in facts if pair.relevance is not None and pair.score is not None]
    if not scored:
        return None
    similar = [score for relevance, score in scored if relevance >= SIMILAR]
    others = [score for relevance, score in scored if relevance < SIMILAR]
    edges = ([min(similar)] if similar else []) + ([max(others)] if others else [])
    at = sum(edges) / len(edges)
    return Line(at, max(abs(score - at) for _, score in scored) or 1.0)


def uncertainty(pair: PairFacts, line: Line | None) -> float:
    """0 and up: how far judges are apart, how near the score is to the line, how much TF-IDF missed of a likeness."""
    apart = (max(pair.votes) - min(pair.votes)) / 3 if pair.votes else 0.0
    near = max(0.0, 1 - abs(pair.score - line.at) / line.reach) if line and pair.score is not None else 0.0
    missed = max(0.0, pair.likeness - pair.tfidf) if pair.tfidf is not None else 0.0
    return DISAGREEMENT_WEIGHT * apart + near + missed


def uncertain_first(facts: Sequence[PairFacts], seed: int) -> list[PairFacts]:
    line = line_of(facts)
    return sorted(facts, key=lambda pair: (-uncertainty(pair, line), _luck(pair, seed)))


def shuffled(facts: Iterable[PairFacts], seed: int) -> list[PairFacts]:
    """In an order that the seed alone decides, not the order they come in."""
    return sorted(facts, key=lambda pair: _luck(pair, seed))


def drawn_sample(facts: Iterable[PairFacts], count: int, seed: int) -> list[PairFacts]:
    """`count` judged pairs: categories by their share of the pairs, in each the relevances in turn, then shuffled."""
    strata: dict[str, list[PairFacts]] = defaultdict(list)
    for pair in shuffled(facts, seed):
        if pair.relevance is not None:
            strata[pair.category].append(pair)
    shares = shared_out(count, {category: len(pairs) for category, pairs in strata.items()})
    chosen = (_in_turn(pairs)[: shares[category]] for category, pairs in sorted(strata.items()))
    return shuffled(chain.from_iterable(chosen), seed)


def shared_out(count: int, sizes: dict[str, int]) -> dict[str, int]:
    """`count` shared out by size; each name gets at least one where there is enough, none more than its size.

    One by one to the name that is farthest behind its share (Sainte-Laguë), names in order where two are equal.
    """
    shares = dict.fromkeys(sizes, 0)
    for _ in range(min(count, sum(sizes.values()))):
        open_names = [name for name in sorted(sizes) if shares[name] < sizes[name]]
        neediest = max(open_names, key=lambda name: (shares[name] == 0, sizes[name] / (2 * shares[name] + 1)))
        shares[neediest] += 1
    return shares


def verdict(relevances: Sequence[int], wanted: int) -> tuple[State, int | None]:
    """How far a pair is that people judged so, and what they come to.

    Two who disagree leave it to a third; three or more settle it by the median, which is the majority's word where
    there is one.
    """
    if len(relevances) < wanted:
        return State.OPEN, None
    if len(set(relevances)) == 1:
        return State.SETTLED, relevances[0]
    return (State.SETTLED, median_low(relevances)) if len(relevances) > 2 else (State.DISPUTED, None)


def _in_turn(pairs: Sequence[PairFacts]) -> list[PairFacts]:
    """One of each relevance, then the next of each, so that rare ones are there."""
    levels = [[pair for pair in pairs if pair.relevance == relevance] for relevance in Relevance.values]
    rounds = zip_longest(*levels)
    return [pair for each in rounds for pair in each if pair is not None]


def _luck(pair: PairFacts, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{pair.key}".encode()).digest()
