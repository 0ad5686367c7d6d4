"""What a ranking is worth: the measures of the field, query by query, as `ir_measures` computes them.

Pure: no database. Recall (R@k) is the share of the relevant items that were found; Success@k, the hit rate, is whether
any was. They are never called by each other's name.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ir_measures.measures import Measure

Judged = Mapping[str, Mapping[str, int]]  # query -> item -> relevance 0-3; an item that is not there is unjudged
Ranked = Mapping[str, Sequence[str]]  # query -> items, best first; the order is final

MOST_RELEVANT = 3
METRICS = (
    *(f"R@{k}" for k in (1, 3, 5, 10, 20)),
    *(f"Success@{k}" for k in (1, 3, 5, 10)),
    "RR",
    *(f"nDCG@{k}" for k in (5, 10)),
    "AP",
    *(f"P@{k}" for k in (1, 5, 10)),
    *(f"Judged@{k}" for k in (5, 10)),
)
NAME = re.compile(r"(?:(R|Success|P|nDCG|Judged)@([1-9][0-9]{0,3}))|(RR|AP)")


class Formula(NamedTuple):
    expression: str  # for one query, the same in every language
    meaning: Promise | str


# rel: the relevant items, those with a relevance at or above the threshold. top k: the first k of the ranking.
FORMULAS: dict[str, Formula] = {
    "R": Formula("|rel ∩ top k| / |rel|", _("Recall: share of the relevant items that are in the first k.")),
    "Success": Formula("1 if rel ∩ top k ≠ ∅ else 0", _("Hit rate: whether any relevant item is in the first k.")),
    "P": Formula("|rel ∩ top k| / k", _("Precision: share of the first k that is relevant.")),
    "RR": Formula("1 / rank of the first rel, 0 if none", _("Reciprocal rank; its mean over the queries is the MRR.")),
    "AP": Formula(
        "Σ over rel found at rank r of P@r, / |rel|",
        _("Average precision; its mean over the queries is the MAP."),
    ),
    "nDCG": Formula(
        "DCG@k / ideal DCG@k, DCG@k = Σ over ranks r ≤ k of relevance(r) / log2(r + 1)",
        _("Graded gain of the first k against the best possible order; the threshold does not enter."),
    ),
    "Judged": Formula(
        "|judged ∩ top k| / min(k, |ranking|)",
        _("Share of the first k that somebody judged; what is unjudged counts as irrelevant in all other metrics."),
    ),
}


class Name(NamedTuple):
    measure: str  # a key of FORMULAS
    cutoff: int | None


def split(name: str) -> Name:
    """ "R@5" -> ("R", 5), "AP" -> ("AP", None). Raises ValueError for a name that is none of ours."""
    found = NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no metric: use {', '.join(FORMULAS)}, with @k for all but RR and AP.")
    return Name(found[3], None) if found[3] else Name(found[1], int(found[2]))


def formula(name: str) -> Formula:
    return FORMULAS[split(name).measure]


def parse(name: str, minimum_relevance: int = 1) -> "Measure":
    """The measure of `ir_measures`. nDCG takes its gains from the labels and Judged asks for none: no threshold."""
    import ir_measures

    if not 1 <= minimum_relevance <= MOST_RELEVANT:
        raise ValueError(f"The relevance threshold is {minimum_relevance}; it must be from 1 to {MOST_RELEVANT}.")
    measure, cutoff = split(name)
    made: Measure = getattr(ir_measures, measure)
    if measure not in {"nDCG", "Judged"}:
        made = made(rel=minimum_relevance)
    return made @ cutoff if cutoff else made


@dataclass(frozen=True, slots=True)
class PerQuery:
    """Values of each metric, float64 of shape (n,), in the order of `queries`.

    `left_out` are the judged queries without a relevant item: no ranking could do well or badly on them.
    """

    queries: tuple[str, ...]
    values: dict[str, NDArray[np.float64]]
    left_out: tuple[str, ...] = ()

    def mean(self, name: str) -> float:
        """NaN where no query counts."""
        return float(self.values[name].mean()) if self.queries else float("nan")


def per_query(judged: Judged, ranked: Ranked, names: Sequence[str] = METRICS, minimum_relevance: int = 1) -> PerQuery:
    """Every query with a relevant item counts, with 0 where it has no ranking; rankings of other queries do not.

    Raises ValueError for an unknown metric and for a ranking that names an item twice.
    """
    measures = {parse(name, minimum_relevance): name for name in names}
    queries = tuple(sorted(query for query, labels in judged.items() if _has_relevant(labels, minimum_relevance)))
    left_out = tuple(sorted(set(judged).difference(queries)))
    values = {name: np.zeros(len(queries)) for name in measures.values()}
    depth = _depth(names)
    scores = {query: by_rank(query, ranked[query], depth) for query in queries if ranked.get(query)}
    if measures and scores:
        import ir_measures

        index = {query: place for place, query in enumerate(queries)}
        known = {query: judged[query] for query in scores}
        for query, measure, value in ir_measures.iter_calc(measures, known, scores):
            values[measures[measure]][index[query]] = value
    return PerQuery(queries, values, left_out)


def ceilings(judged: Judged, names: Sequence[str], minimum_relevance: int = 1) -> dict[str, float]:
    """The mean of each metric if every query found its items in the best order, NaN where no query counts.

    Recall is below 1 there: of 32 relevant items 5 fit into the first 5.
    """
    best = {query: sorted(labels, key=lambda item: -labels[item]) for query, labels in judged.items()}
    found = per_query(judged, best, names, minimum_relevance)
    return {name: found.mean(name) for name in names}


def by_rank(query: str, items: Sequence[str], depth: int | None = None) -> dict[str, float]:
    """Strictly falling scores of the first `depth`: libraries order equal scores by rules of their own; here are none.

    Raises ValueError for a ranking that names an item twice.
    """
    if len(set(items)) != len(items):
        raise ValueError(f"The ranking of query {query!r} names an item twice.")
    return {item: float(len(items) - rank) for rank, item in enumerate(items[:depth])}


def _depth(names: Sequence[str]) -> int | None:
    """How far down a ranking these metrics look; None: to its end."""
    cutoffs = [split(name).cutoff for name in names]
    return None if None in cutoffs else max((each for each in cutoffs if each), default=None)


def _has_relevant(labels: Mapping[str, int], minimum_relevance: int) -> bool:
    return any(relevance >= minimum_relevance for relevance in labels.values())
