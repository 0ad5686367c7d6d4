"""Latency and recall of `search()`, filter by filter, beside peers that search the same vectors for the same queries.

Each takes its share of the queries in turn, several times, so that a busy moment of the machine strikes all alike.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from pgvector import HalfVector

from embeddings.benchmarks.peers import (
    RECALL,
    FaissHnsw,
    Hnsw,
    Hnswlib,
    K,
    NumpyScan,
    Passing,
    Peer,
    Places,
    best_passing,
    recall,
)
from embeddings.benchmarks.synthetic import NO_FILTER, SELECTIONS, Bank, Labels, Rows, Selection
from embeddings.benchmarks.verdicts import Verdicts
from embeddings.models import Encoder, QueryEncoding
from embeddings.search import SearchRequest, search

ROUNDS = 20
TIMES_FAISS, TIMES_SCAN = 4.0, 1.0
HNSW: tuple[type[Hnsw], ...] = (FaissHnsw, Hnswlib)
PEERS = (NumpyScan.name, *(kind.name for kind in HNSW))

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
    passing = _passing(bank, subjects)
    truth = _truth(passing, matrix @ vectors.T, subjects)
    searcher = Searcher(encoder, vectors, subjects)
    contenders = {each.name: Measured(partial(searcher.ask, each)) for each in SELECTIONS}
    hnsw = [_tuned(kind, matrix, vectors, truth[NO_FILTER.name], verdicts) for kind in HNSW if with_peers]
    peers: list[Peer] = [NumpyScan(matrix), *hnsw]
    for peer in peers:
        for each in SELECTIONS if peer.takes_filters else [NO_FILTER]:
            masks = passing[each.name] if each != NO_FILTER else None
            contenders[_key(peer.name, each)] = Measured(partial(_ask_peer, peer, vectors, subjects, masks))
    _take_turns(contenders, queries)
    _report(contenders, searcher.routes, truth, verdicts)
    return searcher.texts


def _key(peer: str, selection: Selection) -> str:
    return f"{peer}, {selection.name}"


def _ask_peer(peer: Peer, vectors: Rows, subjects: Labels, masks: dict[int, Passing] | None, number: int) -> Places:
    return peer.search(vectors[number], None if masks is None else masks[int(subjects[number])])


def _passing(bank: Bank, subjects: Labels) -> dict[str, dict[int, Passing]]:
    """Which items pass each selection, for queries of each subject."""
    asked = [int(subject) for subject in np.unique(subjects)]
    return {each.name: {subject: each.passing(bank, subject) for subject in asked} for each in SELECTIONS}


def _truth(passing: dict[str, dict[int, Passing]], scores: Rows, subjects: Labels) -> dict[str, list[Places]]:
    """The true neighbours for each selection and query; scores are (items, queries)."""
    return {
        name: [best_passing(column, masks[int(subject)]) for column, subject in zip(scores.T, subjects, strict=True)]
        for name, masks in passing.items()
    }


def _tuned(kind: type[Hnsw], matrix: Rows, vectors: Rows, truth: Sequence[Places], verdicts: Verdicts) -> Hnsw:
    index = kind(matrix)
    index.tune(vectors, truth)
    verdicts.note(index.name, f"built in {index.build_seconds:.0f} s, ef {index.ef}")
    return index


def _take_turns(contenders: dict[str, Measured], queries: int) -> None:
    for share in np.array_split(np.arange(queries), min(ROUNDS, queries)):
        for measured in contenders.values():
            measured.ask(int(share[0]))  # the caches are another's
            for number in share:
                measured.take(int(number))


def _report(
    contenders: dict[str, Measured], routes: dict[str, str], truth: dict[str, list[Places]], verdicts: Verdicts
) -> None:
    scan = contenders[_key(NumpyScan.name, NO_FILTER)].p50
    for selection in SELECTIONS:
        measured, wanted = contenders[selection.name], truth[selection.name]
        verdicts.note(f"search, {selection.name}", f"{measured.figure(wanted)}  {routes[selection.name]}")
        for peer in PEERS:
            if theirs := contenders.get(_key(peer, selection)):
                ratio = f"search takes {measured.p50 / theirs.p50:.2f} of its time"
                verdicts.note(f"  {peer}", f"{theirs.figure(wanted)}  {ratio}")
        verdicts.at_least(f"  recall@10, {selection.name}", measured.recall(wanted), RECALL)
        if selection != NO_FILTER:
            verdicts.at_most(f"  P50 / unfiltered NumPy, {selection.name}", measured.p50 / scan, TIMES_SCAN)
        elif faiss := contenders.get(_key(FaissHnsw.name, NO_FILTER)):
            verdicts.at_most("  P50 / faiss", measured.p50 / faiss.p50, TIMES_FAISS)
