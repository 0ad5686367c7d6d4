"""Many new queries and pairs at once, by COPY. Locks and refusals are the callers' (groundtruth/set_services.py)."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.db import connection

from groundtruth.models import TruthSet

QUERIES = "COPY groundtruth_truthquery (truth_set_id, query_id, item_id, query_type) FROM STDIN"
PAIRS = (
    "COPY groundtruth_truthpair (truth_set_id, query_id, item_id, relevance, score, approved_relevance, provenance) "
    "FROM STDIN"
)


class NewPair(NamedTuple):
    """`query` is the id of the TruthQuery's row, `item` of the candidate's."""

    query: int
    item: int
    relevance: int | None = None
    score: float | None = None
    provenance: Mapping[str, Any] = {}


def load_queries(truth_set: TruthSet, queries: Iterable[tuple[str, int, str]]) -> int:
    """Store queries: (query id, id of the item, query type); returns how many. Raises IntegrityError."""
    return copy_rows(QUERIES, ((truth_set.pk, *query) for query in queries))


def load_pairs(truth_set: TruthSet, pairs: Iterable[NewPair]) -> int:
    """Store pairs; returns how many. `pairs` may not read from the database. Raises IntegrityError."""
    rows = (
        (truth_set.pk, new.query, new.item, new.relevance, new.score, None, json.dumps(dict(new.provenance)))
        for new in pairs
    )
    return copy_rows(PAIRS, rows)


def copy_rows(statement: str, rows: Iterable[tuple[Any, ...]]) -> int:
    """Runs a COPY .. FROM STDIN; returns the number of rows. All of them land or none."""
    count = 0
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    return count
