"""The lexical index as PostgreSQL keeps it: one generation of arrays, built by the cpu worker, loaded by every process.

A generation is written and read in one step each, so that a reader has all of one or all of another, and a build that
is cut off leaves nothing behind.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from django.db import transaction
from django.db.models.functions import Collate
from numpy.typing import NDArray
from psycopg import sql

from embeddings.models import ItemTerms, LexicalGeneration, LexicalPart
from embeddings.search.lexical import count_matrix, counted, rarity, weight_matrix
from embeddings.search.statements import binary_rows
from itembank.models import Item

PART_BYTES = 8 * 1024 * 1024
READ_ROWS = 4000


@dataclass(frozen=True, slots=True)
class Generation:
    """BM25 weights by term. Documents are places in the order of item codes.

    `starts` (terms + 1,) bounds each term's run in `places` (which rise within it) and `weights`; `columns` numbers the
    terms. 8 bytes for each different term of a document, and about 100 for each term of the bank.
    """

    version: int
    mean_length: float
    item_ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    places: NDArray[np.int32]
    weights: NDArray[np.float32]
    columns: dict[str, int]
    rarities: NDArray[np.float64]


EMPTY = Generation(
    version=0,
    mean_length=0.0,
    item_ids=np.empty(0, np.int64),
    starts=np.zeros(1, np.int64),
    places=np.empty(0, np.int32),
    weights=np.empty(0, np.float32),
    columns={},
    rarities=np.empty(0, np.float64),
)


def built_generation() -> Generation:
    """From the terms as they are now. Two seconds for 100,000 items; no other process may be writing terms."""
    newest = ItemTerms.objects.order_by("-version").values_list("version", flat=True).first() or 0
    item_ids: list[int] = []
    columns: dict[str, int] = {}

    def documents() -> Iterator[list[str]]:
        for item_id, terms in _terms_by_code():
            item_ids.append(item_id)
            yield terms.split("\n") if terms else []

    counts = count_matrix((counted(terms, columns) for terms in documents()), columns)
    weights = weight_matrix(counts).T.tocsr()
    weights.sort_indices()
    return Generation(
        version=newest,
        mean_length=float(counts.sum()) / len(item_ids) if item_ids else 0.0,
        item_ids=np.array(item_ids, np.int64),
        starts=weights.indptr[: len(columns) + 1].astype(np.int64),
        places=weights.indices.astype(np.int32),
        weights=weights.data,
        columns=columns,
        rarities=rarity(np.diff(weights.indptr[: len(columns) + 1]), len(item_ids)),
    )


def _terms_by_code() -> Iterator[tuple[int, str]]:
    items = Item.objects.filter(indexed_terms__isnull=False).order_by(Collate("code", "C"))
    yield from items.values_list("pk", "indexed_terms__terms").iterator(chunk_size=READ_ROWS)


def store_generation(built: Generation) -> LexicalGeneration:
    """Make it the newest, and delete those before it; whoever is reading one reads it to its end."""
    with transaction.atomic():
        row = LexicalGeneration.objects.create(
            version=built.version, documents=len(built.item_ids), mean_length=built.mean_length
        )
        for name, data in _arrays(built):
            for position, first in enumerate(range(0, len(data), PART_BYTES)):
                piece = data[first : first + PART_BYTES]
                LexicalPart.objects.create(generation=row, name=name, position=position, data=piece)
        LexicalGeneration.objects.filter(pk__lt=row.pk).delete()
    return row


def _arrays(built: Generation) -> Iterator[tuple[str, bytes]]:
    yield "terms", "\n".join(built.columns).encode()
    yield "item_ids", built.item_ids.astype("<i8").tobytes()
    yield "starts", built.starts.astype("<i8").tobytes()
    yield "places", built.places.astype("<i4").tobytes()
    yield "weights", built.weights.astype("<f4").tobytes()


def load_generation(pk: int | None) -> Generation | None:
    """The stored generation, the empty one for None. None where it was replaced meanwhile."""
    if pk is None:
        return EMPTY
    row = LexicalGeneration.objects.filter(pk=pk).first()
    parts = _parts(pk)
    if row is None or "starts" not in parts:
        return None
    terms = parts["terms"].decode() if "terms" in parts else ""
    starts = np.frombuffer(parts["starts"], "<i8")
    return Generation(
        version=row.version,
        mean_length=row.mean_length,
        item_ids=np.frombuffer(parts.get("item_ids", b""), "<i8"),
        starts=starts,
        places=np.frombuffer(parts.get("places", b""), "<i4"),
        weights=np.frombuffer(parts.get("weights", b""), "<f4"),
        columns={term: column for column, term in enumerate(terms.split("\n"))} if terms else {},
        rarities=rarity(np.diff(starts), row.documents),
    )


def _parts(pk: int) -> dict[str, bytes]:
    """One statement, so that all of the pieces are of one moment; in binary, since hex would be twice as long."""
    statement = sql.SQL(
        "SELECT name, data FROM embeddings_lexicalpart WHERE generation_id = %(pk)s ORDER BY name, position"
    )
    found: defaultdict[str, list[bytes]] = defaultdict(list)
    for name, data in binary_rows(statement, {"pk": pk}):
        found[name].append(data)
    return {name: b"".join(pieces) for name, pieces in found.items()}
