"""BM25 over terms (itembank/terms.py), in the process: one sparse matrix of term weights.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the idf of Lucene,
which is never below 0.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embeddings.search.fusion import Places, Ranking
from embeddings.search.sparse import best_products

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

K1, B = 1.2, 0.75
SCORE_DIGITS = 4  # of a sum in single precision that reaches some hundreds

Numbers = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]


class Bm25:
    """Documents by place: the first is 0. Terms that no document has are unknown and weigh nothing."""

    def __init__(self, documents: Iterable[Sequence[str]]) -> None:
        self._columns: dict[str, int] = {}
        counts = count_matrix((counted(terms, self._columns) for terms in documents), self._columns)
        self._weights = weight_matrix(counts).T.tocsr()

    def best(self, queries: Sequence[Sequence[str]], own: Places, *, depth: int) -> Iterator[Ranking]:
        """For each query's terms the `depth` documents with the highest score above 0, ties by place.

        A term counts as often as the query has it. `own` (q,) is the place that a query must not find, or -1.
        """
        known = ([term for term in terms if term in self._columns] for terms in queries)
        asked = count_matrix((counted(terms, self._columns) for terms in known), self._columns)
        yield from best_products(asked, self._weights, own, top=depth, digits=SCORE_DIGITS)


def counted(terms: Sequence[str], columns: dict[str, int]) -> Counter[int]:
    """How often each term occurs, by its column; a new term gets the next one."""
    return Counter(columns.setdefault(term, len(columns)) for term in terms)


def count_matrix(rows: Iterable[Counter[int]], columns: dict[str, int]) -> "csr_matrix":
    """Counts (rows, terms), float32."""
    from scipy.sparse import csr_matrix

    starts, indices, counts = array("q", [0]), array("i"), array("f")
    for row in rows:
        indices.extend(row.keys())
        counts.extend(row.values())
        starts.append(len(indices))
    parts = np.array(counts, np.float32), np.array(indices, np.int32), np.array(starts, np.int64)
    return csr_matrix(parts, shape=(len(starts) - 1, max(1, len(columns))))


def rarity(found: Numbers, documents: int) -> NDArray[np.float64]:
    """The idf of terms that so many of the documents have."""
    return np.log1p((documents - found + 0.5) / (found + 0.5))


def frequency_weight(often: Numbers, lengths: Numbers, mean_length: float) -> NDArray[np.float64]:
    """f (K1 + 1) / (f + K1 (1 - B + B length / mean length)), of a term that a document of that length has f times."""
    norms = K1 * (1 - B + B * lengths / max(mean_length, 1e-9))
    weights: NDArray[np.float64] = often * (K1 + 1) / (often + norms)
    return weights


def weight_matrix(counts: "csr_matrix") -> "csr_matrix":
    """The weight of each term in each document: its rarity times that of its frequency."""
    documents = counts.shape[0]
    lengths: NDArray[np.float64] = np.asarray(counts.sum(axis=1), np.float64).ravel()
    found = np.bincount(counts.indices, minlength=counts.shape[1])
    of_rows = np.repeat(lengths, np.diff(counts.indptr))
    mean = float(lengths.mean()) if documents else 0.0
    by_frequency = frequency_weight(counts.data.astype(np.float64), of_rows, mean)
    weighted = counts.copy()
    weighted.data = (rarity(found, documents)[counts.indices] * by_frequency).astype(np.float32)
    return weighted
