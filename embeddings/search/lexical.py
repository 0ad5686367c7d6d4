"""BM25 over terms (itembank/terms.py), in the process: one sparse matrix of term weights.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the idf of Lucene,
which is never below 0.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embeddings.search.fusion import Places, Ranking
from embeddings.search.sparse import best_products

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

K1, B = 1.2, 0.75
SCORE_DIGITS = 4  # of a sum in single precision that reaches some hundreds


class Bm25:
    """Documents by place: the first is 0. Terms that no document has are unknown and weigh nothing."""

    def __init__(self, documents: Iterable[Sequence[str]]) -> None:
        self._columns: dict[str, int] = {}
        counts = _matrix((_counted(terms, self._columns) for terms in documents), self._columns)
        self._weights = _weighted(counts).T.tocsr()

    def best(self, queries: Sequence[Sequence[str]], own: Places, *, depth: int) -> Iterator[Ranking]:
        """For each query's terms the `depth` documents with the highest score above 0, ties by place.

        A term counts as often as the query has it. `own` (q,) is the place that a query must not find, or -1.
        """
        known = ([term for term in terms if term in self._columns] for terms in queries)
        asked = _matrix((_counted(terms, self._columns) for terms in known), self._columns)
        yield from best_products(asked, self._weights, own, top=depth, digits=SCORE_DIGITS)


def _counted(terms: Sequence[str], columns: dict[str, int]) -> Counter[int]:
    return Counter(columns.setdefault(term, len(columns)) for term in terms)


def _matrix(rows: Iterable[Counter[int]], columns: dict[str, int]) -> "csr_matrix":
    """Counts (rows, terms), float32."""
    from scipy.sparse import csr_matrix

    starts, indices, counts = array("q", [0]), array("i"), array("f")
    for row in rows:
        indices.extend(row.keys())
        counts.extend(row.values())
        starts.append(len(indices))
    parts = np.array(counts, np.float32), np.array(indices, np.int32), np.array(starts, np.int64)
    return csr_matrix(parts, shape=(len(starts) - 1, max(1, len(columns))))


def _weighted(counts: "csr_matrix") -> "csr_matrix":
    """idf * f (K1 + 1) / (f + K1 (1 - B + B length / mean length)) of each term in each document."""
    documents = counts.shape[0]
    lengths: NDArray[np.float64] = np.asarray(counts.sum(axis=1), np.float64).ravel()
    found = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log1p((documents - found + 0.5) / (found + 0.5))
    norms = K1 * (1 - B + B * lengths / max(lengths.mean() if documents else 0, 1e-9))
    often = counts.data.astype(np.float64)
    of_rows = np.repeat(norms, np.diff(counts.indptr))
    weighted = counts.copy()
    weighted.data = (idf[counts.indices] * often * (K1 + 1) / (often + of_rows)).astype(np.float32)
    return weighted
