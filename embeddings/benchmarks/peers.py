"""What searches are measured against, in this process and without a database: faiss's HNSW, and every product."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.benchmarks.synthetic import Rows
from embeddings.indexes import HNSW_BUILD_CANDIDATES, HNSW_LINKS

Places = NDArray[np.integer[Any]]

K = 10
RECALL = 0.99
EF_SEARCH = (16, 24, 32, 48, 64, 80, 100, 140, 200, 280, 400, 600, 800)


class NumpyScan:
    """One product with the whole float32 matrix, on as many threads as NumPy takes."""

    def __init__(self, matrix: Rows) -> None:
        self._matrix = matrix

    def search(self, vector: Rows) -> Places:
        return best(self._matrix @ vector)


class FaissHnsw:
    """HNSW over half-precision vectors with the links that our index has; `ef` is the least that finds enough."""

    def __init__(self, matrix: Rows) -> None:
        import faiss

        began = time.perf_counter()
        kind: Any = faiss.ScalarQuantizer.QT_fp16
        self._index = faiss.IndexHNSWSQ(matrix.shape[1], kind, HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = HNSW_BUILD_CANDIDATES
        self._index.train(matrix[:1000])
        self._index.add(matrix)
        self.build_seconds = time.perf_counter() - began
        self.ef = 0

    def search(self, vector: Rows) -> Places:
        found: Places = self._index.search(vector[None], K)[1][0]
        return found

    def tune(self, vectors: Rows, truth: Sequence[Places]) -> None:
        """Raise `ef` until recall reaches 0.99; to the highest where it does not."""
        for self.ef in EF_SEARCH:
            self._index.hnsw.efSearch = self.ef
            if recall([self.search(vector) for vector in vectors], truth) >= RECALL:
                return


def best(scores: NDArray[np.float32]) -> Places:
    """The places of the ten highest, or of fewer where there are no more."""
    size = min(K, len(scores))
    return np.argpartition(-scores, size - 1)[:size]


def best_passing(scores: NDArray[np.float32], passing: NDArray[np.bool_]) -> Places:
    """The places of the ten highest that pass."""
    places = np.flatnonzero(passing)
    return places[best(scores[places])]


def recall(found: Sequence[Places], truth: Sequence[Places]) -> float:
    """The mean share of the true neighbours that were found."""
    shares = (len(np.intersect1d(ours, true)) / len(true) for ours, true in zip(found, truth, strict=True) if len(true))
    return float(np.mean(list(shares)))
