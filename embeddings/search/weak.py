"""Which hits are weak: no nearer to the query than chance brings two items of the bank.

How the lines were chosen, and what they mark, is in docs/search.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.search.answers import Hit
from embeddings.search.types import SearchRequest

CHANCE_QUANTILE = 0.995
LEAST_VECTORS = 50  # of fewer, the highest of 1,000 pairs are luck
WORDS_SHARE = 0.5
LINE_DIGITS = 4

Lines = Mapping[str, float | None]
"""By signal the lowest score of its own that is not weak; None where that is not known."""


def chance_line(vectors: NDArray[np.floating[Any]]) -> float | None:
    """What the cosines of 995 in 1,000 pairs of these vectors (n, dimensions) stay below; None for fewer than 50."""
    lengths = np.linalg.norm(vectors, axis=1)
    kept = lengths > 0
    if kept.sum() < LEAST_VECTORS:
        return None
    unit = vectors[kept] / lengths[kept, None]
    pairs = np.tri(len(unit), k=-1, dtype=bool)
    return round(float(np.quantile((unit @ unit.T)[pairs], CHANCE_QUANTILE)), LINE_DIGITS)


def words_line(full_score: float) -> float | None:
    """Half of what an item of mean length scores that has each word of the query; None for a query without words."""
    return round(WORDS_SHARE * full_score, LINE_DIGITS) or None


def marked(request: SearchRequest, hits: Sequence[Hit], lines: Lines) -> Sequence[Hit]:
    """The hits, the weak ones marked: by the reranker's threshold where it scored them, else by the request's own
    cut-off of the score, else where no signal has them at its line or above.
    """
    return [replace(hit, weak=True) if _is_weak(request, hit, lines) else hit for hit in hits]


def _is_weak(request: SearchRequest, hit: Hit, lines: Lines) -> bool:
    if request.rerank and hit.reranked and hit.reranked.score is not None:
        return hit.reranked.score < request.rerank.threshold
    if request.weak_below is not None:
        return hit.score < request.weak_below
    return not any(_reaches(each.score, lines[name]) for name, each in hit.signals.items())


def _reaches(score: float | None, line: float | None) -> bool:
    """A signal without a line calls nothing weak that it lists."""
    return score is not None and (line is None or score >= line)
