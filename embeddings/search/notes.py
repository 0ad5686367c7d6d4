"""What a reader of the hits should know about them."""

from collections.abc import Sequence

from django.db import connection
from django.utils.translation import gettext as _
from psycopg import sql

from embeddings.models import Encoder
from embeddings.partitions import partition_name
from embeddings.search.dense import Neighbour, Route
from embeddings.search.lexical_search import LexicalHit
from embeddings.search.types import Filters

COUNTED_ITEMS = 20_000  # counting a large bank would take longer than the search


def notes_on(encoder: Encoder, filters: Filters, neighbours: Sequence[Neighbour], route: Route) -> tuple[str, ...]:
    # Only a large bank has an index, and there the missing vectors are not counted.
    missing = "" if route in {Route.INDEX, Route.INDEX_FILTERED, Route.BITS} else _missing_vectors(encoder)
    notes = [missing, _no_hits(filters, neighbours), _stale(neighbours)]
    return tuple(note for note in notes if note)


def notes_on_words(found: Sequence[LexicalHit]) -> tuple[str, ...]:
    notes = [_missing_terms(), "" if found else _("No item that passes the filters has any of these words.")]
    return tuple(note for note in notes if note)


def _missing_terms() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM itembank_item), (SELECT count(*) FROM embeddings_itemterms) "
            "WHERE (SELECT reltuples FROM pg_class WHERE oid = 'itembank_item'::regclass) < %s",
            [COUNTED_ITEMS],
        )
        items, indexed = cursor.fetchone() or (0, 0)
    if indexed >= items:
        return ""
    return _(
        "The words of %(missing)s of %(items)s items are not indexed yet. The cpu worker does it, or “manage.py "
        "index_terms”."
    ) % {"missing": items - indexed, "items": items}


def _missing_vectors(encoder: Encoder) -> str:
    statement = sql.SQL(
        "SELECT (SELECT count(*) FROM itembank_item), (SELECT count(*) FROM {table}) "
        "WHERE (SELECT reltuples FROM pg_class WHERE oid = 'itembank_item'::regclass) < {most}"
    ).format(table=sql.Identifier(partition_name(encoder)), most=sql.Literal(COUNTED_ITEMS))
    with connection.cursor() as cursor:
        cursor.execute(statement.as_string(cursor.connection))
        items, vectors = cursor.fetchone() or (0, 0)
    if vectors >= items:
        return ""
    return _("%(missing)s of %(items)s items have no vector of this encoder and cannot be found.") % {
        "missing": items - vectors,
        "items": items,
    }


def _no_hits(filters: Filters, neighbours: Sequence[Neighbour]) -> str:
    return _("No item with a vector passes the filters.") if filters and not neighbours else ""


def _stale(neighbours: Sequence[Neighbour]) -> str:
    stale = sum(each.stale for each in neighbours)
    if not stale:
        return ""
    return _("%(stale)s of the hits were edited after they were embedded; a job brings them up to date.") % {
        "stale": stale
    }
