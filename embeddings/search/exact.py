"""The nearest of a corpus by exact cosine, for many queries at once, in blocks of bounded memory."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from embeddings.search.dense import Span, asked_span
from embeddings.search.fusion import Ranking

BLOCK_QUERIES = 256
BLOCK_ITEMS = 16_384
SCORE_DIGITS = 6  # of a cosine in single precision; beyond, equal scores differ by the order they were summed in

Matrix = NDArray[np.float16]
Places = NDArray[np.int64]
NOTHING = Ranking(np.empty(0, np.int64), np.empty(0, np.float64))


class ExactSearch:
    """Over `vectors` (n, d), those of the items at `places` (n,), which rise. Zero rows have no direction: no one
    finds them.

    `spans` are the parts of a concatenation (dense.spans_of): a query that has only one of them is compared in that
    one, as in every search.
    """

    def __init__(self, vectors: Matrix, places: Places, spans: Sequence[Span] = ()) -> None:
        lengths = _lengths(vectors)
        self._vectors, self._lengths, self._kept = vectors, lengths, np.flatnonzero(lengths)
        self._places, self._spans = places, spans
        self._parts: dict[Span, ExactSearch] = {}

    def nearest(self, queries: Matrix, own: Places, *, depth: int) -> Iterator[Ranking]:
        """For each of `queries` (q, d) the `depth` items with the highest cosine, ties by place.

        `own` (q,) is the place that a query must not find, its own item's, or -1. A zero query finds nothing.
        """
        for start in range(0, len(queries), BLOCK_QUERIES):
            asked = slice(start, start + BLOCK_QUERIES)
            yield from self._by_spans(queries[asked], own[asked], depth)

    def _by_spans(self, queries: Matrix, own: Places, depth: int) -> list[Ranking]:
        found = [NOTHING] * len(queries)
        by_span: defaultdict[Span | None, list[int]] = defaultdict(list)
        for number, query in enumerate(queries):
            by_span[asked_span(self._spans, query)].append(number)
        for span, numbers in by_span.items():
            search = self._part(span) if span else self
            compared = queries[numbers][:, span.start :][:, : span.size] if span else queries[numbers]
            for number, ranking in zip(numbers, search._block(compared, own[numbers], depth), strict=True):
                found[number] = ranking
        return found

    def _part(self, span: Span) -> "ExactSearch":
        if span not in self._parts:
            vectors = np.ascontiguousarray(self._vectors[:, span.start :][:, : span.size])
            self._parts[span] = ExactSearch(vectors, self._places)
        return self._parts[span]

    def _block(self, queries: Matrix, own: Places, depth: int) -> Iterator[Ranking]:
        norms = _lengths(queries)
        unit = queries.astype(np.float32) / np.where(norms > 0, norms, 1)[:, None]
        found: list[list[Ranking]] = [[] for _query in unit]
        for first in range(0, len(self._kept), BLOCK_ITEMS):
            rows = self._kept[first : first + BLOCK_ITEMS]
            scores = unit @ (self._vectors[rows].astype(np.float32) / self._lengths[rows, None]).T
            np.round(scores, SCORE_DIGITS, out=scores)
            for number, row in enumerate(scores):
                found[number].append(_best(self._places[rows], row, int(own[number]), depth))
        for norm, each in zip(norms, found, strict=True):
            yield _merged(each, depth) if norm > 0 and each else NOTHING


def _best(places: Places, scores: NDArray[np.float32], own: int, depth: int) -> Ranking:
    """Places rise, so that of equal scores the first ones are kept."""
    most = depth + 1  # the query's own item may be among them
    chosen = np.arange(len(scores))
    if len(scores) > most:
        line = np.partition(scores, len(scores) - most)[len(scores) - most]
        above, ties = np.flatnonzero(scores > line), np.flatnonzero(scores == line)
        chosen = np.concatenate([above, ties[: most - len(above)]])
    chosen = chosen[places[chosen] != own]
    return _ordered(places[chosen], scores[chosen].astype(np.float64), depth)


def _merged(found: list[Ranking], depth: int) -> Ranking:
    places = np.concatenate([each.places for each in found])
    return _ordered(places, np.concatenate([each.scores for each in found]), depth)


def _ordered(places: Places, scores: NDArray[np.float64], depth: int) -> Ranking:
    order = np.lexsort((places, -scores))[:depth]
    return Ranking(places[order], np.round(scores[order], SCORE_DIGITS))


def _lengths(matrix: Matrix) -> NDArray[np.float32]:
    """Norms (n,), without a second copy of the matrix in single precision."""
    blocks = range(0, len(matrix), BLOCK_ITEMS)
    norms = [np.linalg.norm(matrix[first : first + BLOCK_ITEMS].astype(np.float32), axis=1) for first in blocks]
    return np.concatenate([np.empty(0, np.float32), *norms]).astype(np.float32)
