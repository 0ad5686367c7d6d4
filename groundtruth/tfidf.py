"""TF-IDF over terms and pairs of neighbouring terms, and the nearest neighbours by its cosine.

Rows are items in the order of their codes. What is stored and multiplied is sparse; of the products, block by block of
rows, only the best are kept. Imports of scipy and sparse_dot_topn stay inside: the web process needs neither.
"""

import os
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BLOCK_ROWS = 1024
SCORE_DIGITS = 5  # of a cosine in single precision; beyond, equal scores differ by the order they were summed in
SPARE = 16  # so many more than asked are kept, among which codes decide between equal scores


class Neighbours(NamedTuple):
    """The best of one row: row numbers and cosines, by (score descending, row ascending)."""

    row: int
    others: NDArray[np.int64]
    scores: NDArray[np.float64]


def fit(documents: Iterable[Sequence[str]]) -> "csr_matrix":
    """Unit rows (float32), one for each document; one without terms is all zero.

    A term that occurs f times in a document and in d of n documents weighs (1 + ln f) (1 + ln((n + 1) / (d + 1))).
    Pairs of neighbouring terms count as terms of their own: without them two word problems with the same words in
    other sentences are alike.
    """
    from scipy.sparse import csr_matrix

    columns: dict[str, int] = {}
    starts, indices, counts = array("q", [0]), array("i"), array("f")
    for document in documents:
        found = Counter(columns.setdefault(term, len(columns)) for term in _with_pairs(document))
        indices.extend(found.keys())
        counts.extend(found.values())
        starts.append(len(indices))
    where = np.frombuffer(indices, np.int32) if indices else np.empty(0, np.int32)
    often = np.frombuffer(counts, np.float32) if counts else np.empty(0, np.float32)
    begins = np.frombuffer(starts, np.int64)
    weights = _weights(where, often, rows=len(begins) - 1, columns=len(columns))
    return csr_matrix((_unit(weights, begins), where, begins), shape=(len(begins) - 1, max(1, len(columns))))


def neighbours(
    matrix: "csr_matrix", *, top: int, min_score: float, rows: Sequence[int] | None = None, block: int = BLOCK_ROWS
) -> Iterator[Neighbours]:
    """Of each row (all by default) the `top` others with the highest cosine, at least `min_score` and above 0."""
    asked = np.arange(matrix.shape[0]) if rows is None else np.asarray(rows, np.int64)
    transposed = matrix.T.tocsr()
    for start in range(0, len(asked), block):
        yield from _block(matrix, transposed, asked[start : start + block], top, min_score)


def _with_pairs(document: Sequence[str]) -> Iterator[str]:
    yield from document
    for first, second in pairwise(document):
        yield f"{first} {second}"  # no term holds a blank


def _weights(where: NDArray[np.int32], often: NDArray[np.float32], *, rows: int, columns: int) -> NDArray[np.float32]:
    rarity = 1 + np.log((rows + 1) / (np.bincount(where, minlength=columns) + 1))
    dampened: NDArray[np.float32] = 1 + np.log(often)
    return dampened * rarity.astype(np.float32)[where]


def _unit(weights: NDArray[np.float32], begins: NDArray[np.int64]) -> NDArray[np.float32]:
    """The weights with the length of each row 1."""
    sizes = np.diff(begins)
    squares = np.concatenate([[0.0], np.cumsum(np.square(weights, dtype=np.float64))])
    lengths = np.sqrt(squares[begins[1:]] - squares[begins[:-1]])
    unit: NDArray[np.float32] = (weights / np.repeat(lengths, sizes)).astype(np.float32)
    return unit


def _block(
    matrix: "csr_matrix", transposed: "csr_matrix", rows: NDArray[np.int64], top: int, min_score: float
) -> Iterator[Neighbours]:
    from sparse_dot_topn import sp_matmul_topn

    kept = top + 1 + SPARE  # one for the row itself
    threshold = max(0.0, min_score - 0.5 * 10**-SCORE_DIGITS)
    best = sp_matmul_topn(matrix[rows], transposed, kept, threshold=threshold, n_threads=_cores())
    for place, row in enumerate(rows.tolist()):
        span = slice(best.indptr[place], best.indptr[place + 1])
        others, scores = best.indices[span], best.data[span]
        if len(others) == kept and _cut_through_ties(scores, top):
            product = matrix[row] @ transposed
            others, scores = product.indices, product.data
        yield _ordered(row, others, scores, top, min_score)


def _cut_through_ties(scores: NDArray[np.float32], top: int) -> bool:
    """Whether a row that was left out may have the score of one that counts."""
    rounded = np.sort(np.round(scores, SCORE_DIGITS))[::-1]
    return bool(rounded[-1] >= rounded[top])


def _ordered(
    row: int, others: NDArray[np.int32], scores: NDArray[np.float32], top: int, min_score: float
) -> Neighbours:
    rounded = np.round(scores.astype(np.float64), SCORE_DIGITS)
    wanted = (others != row) & (rounded >= min_score) & (rounded > 0)
    kept, scored = others[wanted].astype(np.int64), rounded[wanted]
    order = np.lexsort((kept, -scored))[:top]
    return Neighbours(row, kept[order], scored[order])


def _cores() -> int:
    return len(os.sched_getaffinity(0))
