"""The lexical index in this process: a generation from PostgreSQL, and beside it what was written since.

Each search asks whether there is anything newer (one statement, 0.3 ms). A snapshot never changes: a search keeps the
one that it began with, while another thread makes the next.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from embeddings.search.generations import Generation, load_generation
from embeddings.search.lexical import frequency_weight, rarity


class State(NamedTuple):
    """What PostgreSQL holds: the newest generation and the highest version of terms."""

    generation: int | None
    version: int


class Written(NamedTuple):
    """The terms of an item, by column, that are newer than the generation."""

    code: str
    columns: NDArray[np.int32]
    counts: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Newer:
    """The documents newer than the generation, in the order of item codes: so few that a search looks at all of them.

    Each entry is a term of a document: the document's row, the term's column, and the weight of its frequency, which
    lacks the term's `rarities` (those of the generation's terms, then of new ones). Rows rise.
    """

    item_ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int32]
    weights: NDArray[np.float32]
    rarities: NDArray[np.float64]

    def scores(self, asked: Counter[int]) -> NDArray[np.float32]:
        factors = np.zeros(len(self.rarities), np.float32)
        for column, often in asked.items():
            factors[column] = often * self.rarities[column]
        given = factors[self.columns]
        matched = np.flatnonzero(given)
        weights = given[matched] * self.weights[matched]
        return np.bincount(self.rows[matched], weights, minlength=len(self.item_ids)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All documents of one moment. `replaced` are the generation's places whose items are among the newer."""

    state: State
    seen: int
    generation: Generation
    by_id: NDArray[np.int64]  # the generation's places in the order of item ids
    written: Mapping[int, Written]
    new_columns: Mapping[str, int]
    newer: Newer
    replaced: NDArray[np.int64]

    def column(self, term: str) -> int | None:
        found = self.generation.columns.get(term)
        return self.new_columns.get(term) if found is None else found

    def asked(self, terms: Iterable[str]) -> Counter[int]:
        """How often the query has each known term, by column, the first ones first."""
        columns = map(self.column, terms)
        return Counter(column for column in columns if column is not None)

    def full_score(self, terms: Sequence[str]) -> float:
        """What an item of mean length scores that has each term once; a term counts as often as it is given.

        Terms that no item has are counted too: they are what the bank lacks of the query.
        """
        unknown = float(rarity(np.zeros(1), len(self.generation.item_ids) + len(self.newer.item_ids))[0])
        columns = map(self.column, terms)
        return sum(unknown if column is None else float(self.newer.rarities[column]) for column in columns)

    def places(self, item_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The generation's places of those items that it holds and nothing newer replaces, in order."""
        return np.setdiff1d(_places(self.generation, self.by_id, item_ids), self.replaced)


class LexicalIndex:
    """This process's snapshot, brought up to date at each search by whichever thread is first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None

    def current(self) -> Snapshot:
        state, snapshot = stored_state(), self._snapshot
        if snapshot is not None and snapshot.state == state:
            return snapshot
        with self._lock:
            if self._snapshot is None or self._snapshot.state != state:
                self._snapshot = _refreshed(self._snapshot)
            return self._snapshot

    def forget(self) -> None:
        self._snapshot = None


INDEX = LexicalIndex()


def stored_state() -> State:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT max(id) FROM embeddings_lexicalgeneration), "
            "(SELECT coalesce(max(version), 0) FROM embeddings_itemterms)"
        )
        return State(*cursor.fetchone())


def _refreshed(old: Snapshot | None) -> Snapshot:
    state = stored_state()
    if old is not None and old.state.generation == state.generation:
        # Of what was written nothing is lost, unless the newest of it was deleted: then all of it is read again.
        known = old if old.state.version <= state.version else None
        return _snapshot(state, old.generation, old.by_id, known)
    generation = load_generation(state.generation)
    if generation is None:  # replaced between the two statements
        return _refreshed(old)
    return _snapshot(state, generation, np.argsort(generation.item_ids, kind="stable"), None)


def _snapshot(state: State, generation: Generation, by_id: NDArray[np.int64], known: Snapshot | None) -> Snapshot:
    new_columns = dict(known.new_columns) if known else {}
    written = dict(known.written) if known else {}
    seen = known.seen if known else generation.version
    for item_id, code, terms, version in _rows_since(seen):
        written[item_id] = _written(code, terms, generation, new_columns)
        seen = max(seen, version)
    newer = _newer(written, generation, len(new_columns))
    return Snapshot(
        state=state,
        seen=seen,
        generation=generation,
        by_id=by_id,
        written=written,
        new_columns=new_columns,
        newer=newer,
        replaced=_places(generation, by_id, newer.item_ids),
    )


def _rows_since(version: int) -> list[tuple[int, str, str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT item.id, item.code, terms, version FROM embeddings_itemterms "
            "JOIN itembank_item AS item ON item.id = item_id WHERE version > %s",
            [version],
        )
        rows: list[tuple[int, str, str, int]] = cursor.fetchall()
    return rows


def _written(code: str, terms: str, generation: Generation, new_columns: dict[str, int]) -> Written:
    numbers = generation.columns
    often = Counter(terms.split("\n")) if terms else Counter[str]()
    columns = [
        numbers[term] if term in numbers else new_columns.setdefault(term, len(numbers) + len(new_columns))
        for term in often
    ]
    return Written(code, np.array(columns, np.int32), np.fromiter(often.values(), np.int32, len(often)))


def _newer(written: Mapping[int, Written], generation: Generation, new: int) -> Newer:
    order = sorted(written, key=lambda item_id: written[item_id].code)  # code points, as PostgreSQL's "C"
    columns = np.concatenate([np.empty(0, np.int32), *(written[item_id].columns for item_id in order)])
    counts = np.concatenate([np.empty(0, np.int32), *(written[item_id].counts for item_id in order)])
    sizes = np.array([len(written[item_id].columns) for item_id in order], np.int64)
    rows = np.repeat(np.arange(len(order)), sizes)
    lengths = np.bincount(rows, counts, minlength=len(order))
    mean = generation.mean_length if len(generation.item_ids) else float(lengths.mean()) if len(lengths) else 0.0
    found = np.bincount(columns, minlength=len(generation.columns) + new)[len(generation.columns) :]
    return Newer(
        item_ids=np.array(order, np.int64),
        rows=rows,
        columns=columns,
        weights=frequency_weight(counts, lengths[rows], mean).astype(np.float32),
        rarities=np.concatenate([generation.rarities, rarity(found, len(generation.item_ids) + len(order))]),
    )


def _places(generation: Generation, by_id: NDArray[np.int64], item_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places of those items that the generation holds, in order."""
    if not len(generation.item_ids):
        return np.empty(0, np.int64)
    spots = np.searchsorted(generation.item_ids, item_ids, sorter=by_id)
    places = by_id[np.minimum(spots, len(by_id) - 1)]
    return np.sort(places[generation.item_ids[places] == item_ids])
