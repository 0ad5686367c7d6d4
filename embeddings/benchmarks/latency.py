"""Latency and recall of `search()`, filter by filter, beside peers that search the same vectors for the same queries.

Each takes its share of the queries in turn, several times, so that a busy moment of the machine strikes all alike.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from pgvector import HalfVector

from embeddings.benchmarks.peers import RECALL, FaissHnsw, K, NumpyScan, Places, best_passing, recall
from embeddings.benchmarks.synthetic import NO_FILTER, SELECTIONS, Bank, Labels, Rows, Selection
from embeddings.benchmarks.verdicts import Verdicts
from embeddings.models import Encoder, QueryEncoding
from embeddings.search import SearchRequest, search

ROUNDS = 5
TIMES_FAISS, TIMES_SCAN = 4.0, 1.0
FAISS, SCAN = "faiss HNSW fp16", "NumPy, exact float32"

Ask = Callable[[int], Places]


@dataclass
class Measured:
    """What one contender found for each query, and how long it took, in seconds."""

    ask: Ask
    found: dict[int, Places] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def take(self, number: int) -> None:
        began = time.perf_counter()
        self.found[number] = self.ask(number)
        self.seconds.append(time.perf_counter() - began)

    @property
    def p50(self) -> float:
        return float(np.percentile(self.seconds, 50)) * 1000

    @property
    def p95(self) -> float:
        return float(np.percentile(self.seconds, 95)) * 1000

    def figure(self, truth: Sequence[Places]) -> str:
        return f"P50 {self.p50:6.1f} ms  P95 {self.p95:6.1f} ms  recall@10 {self.recall(truth):.4f}"

    def recall(self, truth: Sequence[Places]) -> float:
        return recall([self.found[number] for number in range(len(truth))], truth)


class Searcher:
    """Calls `search()` for a query by its number; its vector is stored, as after an earlier search for the same."""

    def __init__(self, encoder: Encoder, vectors: Rows, subjects: Labels) -> None:
        self._slug, self._vectors, self._subjects = encoder.slug, vectors, subjects
        self.texts = [f"query {number}" for number in range(len(vectors))]
        self.routes: dict[str, str] = {}  # the last that each selection took
        for number in range(len(vectors)):
            self.ask(NO_FILTER, number)

    def ask(self, selection: Selection, number: int) -> Places:
        filters = selection.filters(int(self._subjects[number]))
        request = SearchRequest(text=self.texts[number], encoder=self._slug, filters=filters, k=K)
        response = search(request, encode=self._encode)
        self.routes[selection.name] = response.route
        return np.array([hit.item_id - 1 for hit in response.hits], np.int64)

    def _encode(self, row: QueryEncoding) -> None:
        vector = self._vectors[self.texts.index(row.text)]
        QueryEncoding.objects.filter(pk=row.pk).update(embedding=HalfVector(vector))


def measure_latency(
    encoder: Encoder, bank: Bank, matrix: Rows, verdicts: Verdicts, *, queries: int, with_peers: bool
) -> list[str]:
    """Print a line for each filter and each peer; returns the queries' texts, whose vectors are stored."""
    vectors, subjects = bank.queries(queries)
    truth = _truth(bank, matrix @ vectors.T, subjects)
    searcher = Searcher(encoder, vectors, subjects)
    contenders = {each.name: Measured(partial(searcher.ask, each)) for each in SELECTIONS}
    scan = NumpyScan(matrix)
    contenders[SCAN] = Measured(lambda number: scan.search(vectors[number]))
    if with_peers:
        index = FaissHnsw(matrix)
        index.tune(vectors, truth[NO_FILTER.name])
        verdicts.note(FAISS, f"built in {index.build_seconds:.0f} s, ef {index.ef}")
        contenders[FAISS] = Measured(lambda number: index.search(vectors[number]))
    _take_turns(contenders, queries)
    _report(contenders, searcher.routes, truth, verdicts)
    return searcher.texts


def _truth(bank: Bank, scores: Rows, subjects: Labels) -> dict[str, list[Places]]:
    """The true neighbours for each selection and query; scores are (items, queries)."""
    found: dict[str, list[Places]] = {}
    for selection in SELECTIONS:
        passing = {subject: selection.passing(bank, subject) for subject in map(int, np.unique(subjects))}
        columns = zip(scores.T, subjects, strict=True)
        found[selection.name] = [best_passing(column, passing[int(subject)]) for column, subject in columns]
    return found


def _take_turns(contenders: dict[str, Measured], queries: int) -> None:
    for share in np.array_split(np.arange(queries), min(ROUNDS, queries)):
        for measured in contenders.values():
            measured.ask(int(share[0]))  # the caches are another's
            for number in share:
                measured.take(int(number))


def _report(
    contenders: dict[str, Measured], routes: dict[str, str], truth: dict[str, list[Places]], verdicts: Verdicts
) -> None:
    whole = truth[NO_FILTER.name]
    for name in (FAISS, SCAN):
        if name in contenders:
            verdicts.note(name, contenders[name].figure(whole))
    scan = contenders[SCAN].p50
    for selection in SELECTIONS:
        measured = contenders[selection.name]
        verdicts.note(
            f"search, {selection.name}", f"{measured.figure(truth[selection.name])}  {routes[selection.name]}"
        )
        verdicts.at_least(f"  recall@10, {selection.name}", measured.recall(truth[selection.name]), RECALL)
        if selection != NO_FILTER:
            verdicts.at_most(f"  P50 / NumPy, {selection.name}", measured.p50 / scan, TIMES_SCAN)
        elif FAISS in contenders:
            verdicts.at_most("  P50 / faiss", measured.p50 / contenders[FAISS].p50, TIMES_FAISS)
