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


COPY_ITEMS = """
INSERT INTO groundtruth_truthitem (truth_set_id, item_id)
SELECT %(new)s, item_id FROM groundtruth_truthitem WHERE truth_set_id = %(old)s ORDER BY id
"""
COPY_QUERIES = """
INSERT INTO groundtruth_truthquery (truth_set_id, query_id, item_id, query_type)
SELECT %(new)s, query_id, item_id, query_type FROM groundtruth_truthquery WHERE truth_set_id = %(old)s ORDER BY id
"""
COPY_PAIRS = """
INSERT INTO groundtruth_truthpair (truth_set_id, query_id, item_id, relevance, score, approved_relevance, provenance)
SELECT %(new)s, theirs.id, pair.item_id, pair.relevance, pair.score, pair.approved_relevance, pair.provenance
FROM groundtruth_truthpair pair
JOIN groundtruth_truthquery ours ON ours.id = pair.query_id
JOIN groundtruth_truthquery theirs ON theirs.truth_set_id = %(new)s AND theirs.query_id = ours.query_id
WHERE pair.truth_set_id = %(old)s ORDER BY pair.id
"""


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


def copy_contents(old: TruthSet, new: TruthSet) -> None:
    """The items, queries and pairs of a set into one that has none, within the database."""
    with connection.cursor() as cursor:
        for statement in (COPY_ITEMS, COPY_QUERIES, COPY_PAIRS):
            cursor.execute(statement, {"old": old.pk, "new": new.pk})
