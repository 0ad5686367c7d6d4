"""The temporary table that a truth file passes through, and what is asked of it there."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import connection
from django.utils.translation import gettext as _

from groundtruth.loading import copy_rows
from groundtruth.models import TruthSet
from itembank.uploads.drafts import RowError
from itembank.uploads.raw import shown

# A query has no item, a pair no source.
MAKE = """
DROP TABLE IF EXISTS pg_temp.truth_incoming;
CREATE TEMPORARY TABLE truth_incoming (
    row integer NOT NULL, query_id text NOT NULL, source text, query_type text, item text, relevance smallint
) ON COMMIT DROP
"""
FILL = "COPY pg_temp.truth_incoming (row, query_id, source, query_type, item, relevance) FROM STDIN"
# The query ids of qrels are codes, or Q_ and a code.
NAME_SOURCES = r"""
UPDATE pg_temp.truth_incoming query SET source = CASE
    WHEN query_id LIKE 'Q\_%' AND NOT EXISTS (SELECT FROM itembank_item WHERE code = query.query_id)
    THEN substr(query_id, 3) ELSE query_id END
WHERE item IS NULL AND source IS NULL
"""
TWICE = """
SELECT row, query_id, {named}, count(*) OVER () FROM (
    SELECT row, query_id, {named}, row_number() OVER (PARTITION BY {key} ORDER BY row) AS place
    FROM pg_temp.truth_incoming WHERE item IS {what}
) numbered WHERE place > 1 ORDER BY row LIMIT %s
"""
THEMSELVES = """
SELECT pair.row, pair.query_id, pair.item, count(*) OVER () FROM pg_temp.truth_incoming pair
JOIN pg_temp.truth_incoming query
    ON query.query_id = pair.query_id AND query.item IS NULL AND query.source = pair.item
WHERE pair.item IS NOT NULL ORDER BY pair.row LIMIT %s
"""
UNKNOWN = """
SELECT code, count(*) OVER () FROM (
    SELECT source FROM pg_temp.truth_incoming WHERE item IS NULL
    UNION SELECT item FROM pg_temp.truth_incoming WHERE item IS NOT NULL
) named (code) WHERE NOT EXISTS (SELECT FROM itembank_item WHERE itembank_item.code = named.code)
ORDER BY code COLLATE "C" LIMIT %s
"""
LAND_QUERIES = """
INSERT INTO groundtruth_truthquery (truth_set_id, query_id, item_id, query_type)
SELECT %s, query.query_id, item.id, query.query_type
FROM pg_temp.truth_incoming query JOIN itembank_item item ON item.code = query.source
WHERE query.item IS NULL ORDER BY query.row, query.query_id
"""
LAND_PAIRS = """
INSERT INTO groundtruth_truthpair (truth_set_id, query_id, item_id, relevance, provenance)
SELECT query.truth_set_id, query.id, item.id, pair.relevance, '{}'
FROM pg_temp.truth_incoming pair
JOIN groundtruth_truthquery query ON query.truth_set_id = %s AND query.query_id = pair.query_id
JOIN itembank_item item ON item.code = pair.item
ORDER BY pair.row, item.id
"""
COUNT = "SELECT count(*) FILTER (WHERE item IS NULL), count(item) FROM pg_temp.truth_incoming"


class Landed(NamedTuple):
    queries: int
    pairs: int
    skipped_queries: int
    skipped_pairs: int


class Staging:
    """One import's rows. It lives in the caller's transaction."""

    def __init__(self) -> None:
        _run(MAKE)

    def fill(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Rows: number, query id, source, query type, item, relevance."""
        copy_rows(FILL, rows)
        _run("ANALYZE pg_temp.truth_incoming")
        _run(NAME_SOURCES)

    def contradictions(self, most: int) -> tuple[list[RowError], int]:
        """What rows say against each other: the first errors, and how many there are."""
        errors: list[RowError] = []
        total = 0
        for statement, error_of in _CHECKS:
            found = _rows(statement, most)
            errors += [error_of(*row[:3]) for row in found]
            total += found[0][3] if found else 0
        return sorted(errors, key=lambda error: error.row or 0)[:most], total

    def unknown_items(self, most: int) -> tuple[list[str], int]:
        """The first codes in order that no item has, and how many there are."""
        found = _rows(UNKNOWN, most)
        return [code for code, _count in found], found[0][1] if found else 0

    def land(self, truth_set: TruthSet) -> Landed:
        """Insert what names known items."""
        queries, pairs = _run(LAND_QUERIES, truth_set.pk), _run(LAND_PAIRS, truth_set.pk)
        ((all_queries, all_pairs),) = _rows(COUNT)
        return Landed(queries, pairs, all_queries - queries, all_pairs - pairs)


def _query_twice(row: int, query_id: str, _source: str) -> RowError:
    message = _("The query id “{name}” is there twice, or with another item or type.")
    return RowError(row, "query_id", "query-duplicate", message.format(name=shown(query_id)))


def _source_twice(row: int, _query_id: str, source: str) -> RowError:
    message = _("The item “{name}” is already that of another query.").format(name=shown(source))
    return RowError(row, "source_item_id", "source-duplicate", message)


def _pair_twice(row: int, query_id: str, item: str) -> RowError:
    message = _("The item “{item}” is there twice for the query “{query}”.")
    return RowError(row, "id", "pair-duplicate", message.format(item=shown(item), query=shown(query_id)))


def _itself(row: int, _query_id: str, item: str) -> RowError:
    return RowError(row, "id", "pair-itself", f"{shown(item)}: " + _("An item cannot be relevant to itself."))


_CHECKS = (
    (TWICE.format(named="source", key="query_id", what="NULL"), _query_twice),
    (TWICE.format(named="source", key="source", what="NULL"), _source_twice),
    (TWICE.format(named="item", key="query_id, item", what="NOT NULL"), _pair_twice),
    (THEMSELVES, _itself),
)


def _run(statement: str, *parameters: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return int(cursor.rowcount)


def _rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return list(cursor.fetchall())
