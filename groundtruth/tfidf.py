"""TF-IDF over terms and pairs of neighbouring terms, and the nearest neighbours by its cosine.

Rows are items in the order of their codes. What is stored and multiplied is sparse; of the products, block by block of
rows, only the best are kept. Imports of scipy and sparse_dot_topn stay inside: the web process needs neither.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embeddings.search.fusion import Ranking
from embeddings.search.sparse import best_products

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SCORE_DIGITS = 5  # of a cosine in single precision; beyond, equal scores differ by the order they were summed in


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
    matrix: "csr_matrix", *, top: int, min_score: float, rows: Sequence[int] | None = None
) -> Iterator[Ranking]:
    """Of each row (all by default) the `top` others with the highest cosine, at least `min_score` and above 0."""
    asked = np.arange(matrix.shape[0]) if rows is None else np.asarray(rows, np.int64)
    transposed = matrix.T.tocsr()
    return best_products(matrix[asked], transposed, asked, top=top, digits=SCORE_DIGITS, min_score=min_score)


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
