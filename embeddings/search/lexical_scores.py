"""The scores of one query over a snapshot of the lexical index."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embeddings.search.lexical import SCORE_DIGITS
from embeddings.search.lexical_index import Snapshot

BLOCK = 256  # documents: the highest scores of blocks tell a line that few documents reach
MARGIN: float = 2 * 10**-SCORE_DIGITS  # what rounding may bring together

Shares = tuple[tuple[str, float], ...]
"""Terms with what each gave to a score, the most first; they add up to 1."""


class Scored(NamedTuple):
    """Items by (score descending, code ascending); the scores, rounded, are above 0."""

    item_ids: NDArray[np.int64]
    scores: NDArray[np.float64]


class Scoring:
    """One query, asked once, of which ever more of the best may be taken. With `allowed` only those items count."""

    def __init__(self, snapshot: Snapshot, terms: Sequence[str], allowed: NDArray[np.int64] | None = None) -> None:
        self._snapshot, self._asked = snapshot, snapshot.asked(terms)
        self._names = {snapshot.column(term): term for term in terms}
        main, newer = _main_scores(snapshot, self._asked), snapshot.newer.scores(self._asked)
        self._parts = [(snapshot.generation.item_ids, main), (snapshot.newer.item_ids, newer)]
        if allowed is not None:
            places = snapshot.places(allowed)
            rows = np.flatnonzero(np.isin(snapshot.newer.item_ids, allowed))
            self._parts = [
                (ids[kept], scores[kept]) for (ids, scores), kept in zip(self._parts, (places, rows), strict=True)
            ]

    def best(self, most: int) -> list[Scored]:
        """The best `most` of the generation, and of the newer documents."""
        return [Scored(ids[rows], scores) for ids, all_scores in self._parts
                for rows, scores in [best_scores(all_scores, most)]]  # fmt: skip

    def shares(self, item_ids: Sequence[int]) -> list[Shares]:
        """Which terms each item was found by."""
        given: dict[int, list[tuple[str, float]]] = {item_id: [] for item_id in item_ids}
        wanted = np.array(item_ids, np.int64)
        for item_id, column, weight in (*self._main_shares(wanted), *self._newer_shares(wanted)):
            given[item_id].append((self._names[column], weight))
        return [_shares(given[item_id]) for item_id in item_ids]

    def _main_shares(self, item_ids: NDArray[np.int64]) -> Iterator[tuple[int, int, float]]:
        index, places = self._snapshot.generation, self._snapshot.places(item_ids)
        for column, often in self._asked.items():
            run = _run(self._snapshot, column)
            held, weights = index.places[run], index.weights[run]
            if not len(held):
                continue
            spots = np.minimum(np.searchsorted(held, places.astype(np.int32)), len(held) - 1)
            for place, spot in zip(places, spots, strict=True):
                if held[spot] == place:
                    yield int(index.item_ids[place]), column, often * float(weights[spot])

    def _newer_shares(self, item_ids: NDArray[np.int64]) -> Iterator[tuple[int, int, float]]:
        newer = self._snapshot.newer
        for row in np.flatnonzero(np.isin(newer.item_ids, item_ids)):
            run = slice(*np.searchsorted(newer.rows, [row, row + 1]))
            for column, weight in zip(newer.columns[run].tolist(), newer.weights[run].tolist(), strict=True):
                if column in self._asked:
                    given = self._asked[column] * newer.rarities[column] * weight
                    yield int(newer.item_ids[row]), column, float(given)


def best_scores(scores: NDArray[np.float32], most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The rows of the `most` highest scores above 0, ties by row, and those scores rounded."""
    chosen = np.flatnonzero(scores > _line(scores, most))
    rounded = np.asarray(np.round(scores[chosen].astype(np.float64), SCORE_DIGITS), np.float64)
    if len(chosen) > most:
        cut = np.partition(rounded, len(rounded) - most)[len(rounded) - most]
        above, ties = np.flatnonzero(rounded > cut), np.flatnonzero(rounded == cut)
        kept = np.sort(np.concatenate([above, ties[: most - len(above)]]))
        chosen, rounded = chosen[kept], rounded[kept]
    order = np.argsort(-rounded, kind="stable")
    return chosen[order], rounded[order]


def _line(scores: NDArray[np.float32], most: int) -> float:
    """Below the `most`-th highest score, and not much: that many blocks have a higher one."""
    blocks = len(scores) // BLOCK
    if blocks < 2 * most:
        return 0.0
    highest: NDArray[np.float32] = scores[: blocks * BLOCK].reshape(blocks, BLOCK).max(axis=1)
    line: np.float32 = np.partition(highest, blocks - most)[blocks - most]
    return max(0.0, float(line) - MARGIN)


def _main_scores(snapshot: Snapshot, asked: Counter[int]) -> NDArray[np.float32]:
    index = snapshot.generation
    scores = np.zeros(len(index.item_ids), np.float32)
    for column, often in asked.items():
        run = _run(snapshot, column)
        weights = index.weights[run] if often == 1 else index.weights[run] * np.float32(often)
        np.add.at(scores, index.places[run], weights)  # three times as fast as `scores[places] += weights`
    scores[snapshot.replaced] = 0
    return scores


def _run(snapshot: Snapshot, column: int) -> slice:
    """Where the generation holds the documents of a term; nowhere for a new one."""
    starts = snapshot.generation.starts
    return slice(int(starts[column]), int(starts[column + 1])) if column + 1 < len(starts) else slice(0, 0)


def _shares(given: Sequence[tuple[str, float]]) -> Shares:
    total = sum(weight for _term, weight in given) or 1.0
    return tuple(sorted(((term, weight / total) for term, weight in given), key=lambda each: (-each[1], each[0])))
