"""What searches are measured against, in this process and without a database: faiss, hnswlib, and every product."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embeddings.benchmarks.synthetic import Rows

Places = NDArray[np.integer[Any]]
Passing = NDArray[np.bool_]

K = 10
RECALL = 0.99
LINKS, BUILD_CANDIDATES = 16, 64  # as such peers are usually built
EF_SEARCH = (16, 24, 32, 48, 64, 80, 100, 140, 200, 280, 400, 600, 800)


class Peer(Protocol):
    name: str
    takes_filters: bool

    def search(self, vector: Rows, passing: Passing | None = None) -> Places: ...


class NumpyScan:
    """One product with the whole float32 matrix, on as many threads as NumPy takes."""

    name, takes_filters = "NumPy, exact float32", True

    def __init__(self, matrix: Rows) -> None:
        self._matrix = matrix

    def search(self, vector: Rows, passing: Passing | None = None) -> Places:
        scores = self._matrix @ vector
        return best(scores) if passing is None else best_passing(scores, passing)


class Hnsw(ABC):
    """A graph in process, searched on one thread; `ef` is the least that finds enough without a filter."""

    name: str
    takes_filters: bool

    def __init__(self, matrix: Rows) -> None:
        began = time.perf_counter()
        self._build(matrix)
        self.build_seconds = time.perf_counter() - began
        self.ef = 0

    def tune(self, vectors: Rows, truth: Sequence[Places]) -> None:
        """Raise `ef` until recall reaches 0.99; to the highest where it does not."""
        for self.ef in EF_SEARCH:
            self._set_ef(self.ef)
            if recall([self.search(vector) for vector in vectors], truth) >= RECALL:
                return

    @abstractmethod
    def search(self, vector: Rows, passing: Passing | None = None) -> Places: ...

    @abstractmethod
    def _build(self, matrix: Rows) -> None: ...

    @abstractmethod
    def _set_ef(self, ef: int) -> None: ...


class FaissHnsw(Hnsw):
    """Half precision, as our vectors."""

    name, takes_filters = "faiss HNSW fp16", False

    def _build(self, matrix: Rows) -> None:
        import faiss

        kind: Any = faiss.ScalarQuantizer.QT_fp16
        self._index = faiss.IndexHNSWSQ(matrix.shape[1], kind, LINKS, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = BUILD_CANDIDATES
        self._index.train(matrix[:1000])
        self._index.add(matrix)

    def _set_ef(self, ef: int) -> None:
        self._index.hnsw.efSearch = ef

    def search(self, vector: Rows, passing: Passing | None = None) -> Places:
        found: Places = self._index.search(vector[None], K)[1][0]
        return found


class Hnswlib(Hnsw):
    """Single precision. It asks about each item on its way whether it passes; with too few, it has no answer."""

    name, takes_filters = "hnswlib, float32", True

    def _build(self, matrix: Rows) -> None:
        import hnswlib

        self._index = hnswlib.Index("ip", matrix.shape[1])
        self._index.init_index(len(matrix), M=LINKS, ef_construction=BUILD_CANDIDATES, random_seed=1)
        self._index.add_items(matrix)

    def _set_ef(self, ef: int) -> None:
        self._index.set_ef(ef)

    def search(self, vector: Rows, passing: Passing | None = None) -> Places:
        passes = None if passing is None else passing.__getitem__
        try:
            labels, _ = self._index.knn_query(vector[None], k=K, num_threads=1, filter=passes)
        except RuntimeError:
            return np.empty(0, np.int64)
        found: Places = labels[0].astype(np.int64)
        return found


def best(scores: NDArray[np.float32]) -> Places:
    """The places of the ten highest, or of fewer where there are no more."""
    size = min(K, len(scores))
    return np.argpartition(-scores, size - 1)[:size]


def best_passing(scores: NDArray[np.float32], passing: Passing) -> Places:
    """The places of the ten highest that pass."""
    places = np.flatnonzero(passing)
    return places[best(scores[places])]


def recall(found: Sequence[Places], truth: Sequence[Places]) -> float:
    """The mean share of the true neighbours that were found."""
    shares = (len(np.intersect1d(ours, true)) / len(true) for ours, true in zip(found, truth, strict=True) if len(true))
    return float(np.mean(list(shares)))
