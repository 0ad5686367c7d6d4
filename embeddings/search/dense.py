"""The nearest vectors of one encoder. Which way they are found is decided here, never by the planner.

An HNSW index under a filter finds 44% of the neighbours where the filter does not match the query's subject, so a
filtered search compares with every vector that passes. Where many do, the index is asked for the nearest hundred of
all: if enough of them pass, they are the answer; if not, and vectors are long, their sign bits are compared first
(docs/decisions/0004). Exact statements order by `embedding` itself: the index is on `embedding::halfvec(n)` and cannot
be chosen for them.

A function of the database (migration 0009) makes the settings that a statement needs, and runs it: in a transaction it
would take four round trips, 0.2 of 3 ms more. Vectors are binary parameters (the ORM costs 2-3 ms a query).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql

from embeddings.indexes import index_is_ready, uses_bits
from embeddings.models import Encoder
from embeddings.partitions import bits_name, keeps_bits, partition_name
from embeddings.search.conditions import condition_of, values_of
from embeddings.search.filters import Filters
from embeddings.search.statements import binary_rows, written_out

Vector = NDArray[np.float32]
Row = tuple[Any, ...]

SMALL_K = 10
HNSW_CANDIDATES, HNSW_CANDIDATES_LARGE_K = 64, 200
BIT_CANDIDATES, BIT_CANDIDATES_LARGE_K = 200, 400
EF_SEARCH_MAX = 1000  # pgvector's
# Under a filter the index is asked in two steps: whether any of the nearest few passes, then for the nearest hundred.
PROBED = 16
LISTED, LISTED_CANDIDATES = 100, 240
EXACT_MAX_FILTERED = 5000  # so many vectors are compared in a few milliseconds


class Route(StrEnum):
    INDEX = "index"
    INDEX_FILTERED = "index-filtered"
    EXACT = "exact"
    EXACT_FILTERED = "exact-filtered"
    BITS = "bits"
    BITS_FILTERED = "bits-filtered"


class Neighbour(NamedTuple):
    """`score` is the cosine; `stale` says that the item was edited after it was embedded; `has_image` is the item's."""

    item_id: int
    code: str
    score: float
    stale: bool
    has_image: bool


class Span(NamedTuple):
    """Neighbouring dimensions of a space, counted from 0."""

    start: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestQuery:
    """The `k` items nearest to `vector`, leaving out the item `without`.

    With a `span`, only those dimensions are compared, and items that are zero there are left out.
    """

    vector: Vector
    filters: Filters
    k: int
    without: int | None = None
    span: Span | None = None

    def compared(self) -> HalfVector:
        return HalfVector(self.vector[self.span.start :][: self.span.size] if self.span else self.vector)

    def parameters(self) -> dict[str, Any]:
        return {**values_of(self.filters), "k": self.k, "without": self.without or 0}


def spans_of(encoder: Encoder) -> tuple[Span, ...]:
    """The parts of a concatenation, in their order; none of another encoder."""
    sizes = list(encoder.parts.values_list("part__dimensions", flat=True)) if encoder.backend == "concat" else []
    return tuple(Span(sum(sizes[:position]), size) for position, size in enumerate(sizes))


def asked_span(spans: Sequence[Span], vector: NDArray[np.floating[Any]]) -> Span | None:
    """The part of a concatenation that the query has, or None where it has all of them.

    What a query lacks says nothing about an item: left in, the empty part would rank each item that has it last
    (docs/decisions/0003).
    """
    asked = [span for span in spans if vector[span.start :][: span.size].any()]
    return asked[0] if len(asked) == 1 and len(spans) > 1 else None


def nearest(encoder: Encoder, query: NearestQuery, *, exact: bool = False) -> tuple[list[Neighbour], Route]:
    """Neighbours by (score descending, code ascending in code point order), and the route that found them."""
    exact = exact or query.span is not None
    route = choose_route(encoder, query.filters, exact=exact, k=query.k)
    rows = _listed(encoder, query) if route is Route.INDEX_FILTERED else _rows(encoder, query, route)
    if route is Route.INDEX_FILTERED and len(rows) < query.k:
        route = _wide_route(encoder)
        rows = _rows(encoder, query, route)
    return [Neighbour(item_id, code, 1 - distance, *rest) for item_id, code, distance, *rest, _at_cut in rows], route


def _rows(encoder: Encoder, query: NearestQuery, route: Route) -> Sequence[Row]:
    def run(*, ties: str = "LIMIT {candidates}") -> Sequence[Row]:
        return _run(_statement(encoder, query, route, ties=ties), query, route, candidates=_candidates(route, query.k))

    rows = run()
    # One that differs in as many bits as the last candidate: luck may have chosen among equal vectors.
    if any(at_cut for *_, at_cut in rows):
        rows = run(ties="FETCH FIRST {candidates} ROWS WITH TIES")
    return rows


def _listed(encoder: Encoder, query: NearestQuery) -> Sequence[Row]:
    """Those that pass of the nearest hundred; none where none of the nearest few passes: then the filter keeps away
    from the query, and looking further would be in vain.
    """
    route = Route.INDEX_FILTERED
    few = _statement(encoder, query, route, listed=PROBED)
    if not _run(few, query, route, candidates=PROBED):
        return []
    return _rows(encoder, query, route)


def choose_route(encoder: Encoder, filters: Filters, *, exact: bool = False, k: int = SMALL_K) -> Route:
    """The way to try first; INDEX_FILTERED may find too few."""
    if filters and (exact or not _passes_many(filters)):
        return Route.EXACT_FILTERED
    if exact or not index_is_ready(encoder):
        return _wide_route(encoder) if filters else Route.EXACT
    if filters:
        return Route.INDEX_FILTERED if k <= SMALL_K and not uses_bits(encoder) else _wide_route(encoder)
    return Route.BITS if uses_bits(encoder) else Route.INDEX


def _wide_route(encoder: Encoder) -> Route:
    """Without the index, for a filter that many items pass."""
    return Route.BITS_FILTERED if keeps_bits(encoder) else Route.EXACT_FILTERED


def _passes_many(filters: Filters) -> bool:
    """Whether so many items pass that comparing with the vector of each would take long; counts no further."""
    statement = sql.SQL(
        "SELECT count(*) > {most} FROM (SELECT FROM itembank_item WHERE {condition} LIMIT {most} + 1) AS passing"
    ).format(most=sql.Literal(EXACT_MAX_FILTERED), condition=condition_of(filters))
    return bool(binary_rows(statement, values_of(filters))[0][0])


def stored_vector(encoder: Encoder, item_id: int) -> Vector | None:
    """The item's vector (float32), or None where it has none."""
    statement = sql.SQL("SELECT embedding FROM {table} WHERE item_id = %(item)s").format(table=_table(encoder))
    return _first_vector(binary_rows(statement, {"item": item_id}))


def known_query_vector(encoder: Encoder, digest: str) -> Vector | None:
    """The vector (float32) of a query that was asked before, or None."""
    statement = sql.SQL(
        "SELECT embedding FROM embeddings_queryencoding "
        "WHERE encoder_id = %(encoder)s AND digest = %(digest)s AND embedding IS NOT NULL"
    ).format()
    return _first_vector(binary_rows(statement, {"encoder": encoder.pk, "digest": digest}))


def _first_vector(rows: Sequence[Row]) -> Vector | None:
    return HalfVector.from_binary(rows[0][0]).to_numpy().astype(np.float32) if rows else None


def has_vectors(encoder: Encoder) -> bool:
    return bool(binary_rows(sql.SQL("SELECT EXISTS (SELECT FROM {table})").format(table=_table(encoder)), {})[0][0])


def _statement(
    encoder: Encoder, query: NearestQuery, route: Route, *, listed: int = LISTED, ties: str = "LIMIT {candidates}"
) -> sql.Composed:
    """A query for (item id, code, distance to $1, stale, has image, differs in as many bits as the last candidate).

    Ties at the cut are all fetched before codes decide; among candidates by bits, where `ties` says so.
    """
    nearest_rows = {
        Route.INDEX: (
            "SELECT item_id, content_hash, embedding::halfvec({size}) <=> $1::halfvec({size}) AS distance "
            "FROM {table} WHERE item_id <> %(without)s ORDER BY distance FETCH FIRST %(k)s ROWS WITH TIES"
        ),
        Route.INDEX_FILTERED: (
            "SELECT listed.* FROM ("
            "SELECT item_id, content_hash, embedding::halfvec({size}) <=> $1::halfvec({size}) AS distance "
            "FROM {table} WHERE item_id <> %(without)s ORDER BY distance FETCH FIRST {listed} ROWS WITH TIES"
            ") AS listed JOIN itembank_item ON id = item_id AND {condition}"
        ),
        Route.EXACT: (
            "SELECT item_id, content_hash, {compared} <=> $1::halfvec AS distance "
            "FROM {table} WHERE item_id <> %(without)s ORDER BY distance FETCH FIRST %(k)s ROWS WITH TIES"
        ),
        Route.EXACT_FILTERED: (
            "SELECT item_id, content_hash, {compared} <=> $1::halfvec AS distance "
            "FROM {table} WHERE item_id IN (SELECT id FROM itembank_item WHERE {condition}) AND item_id <> %(without)s "
            "ORDER BY distance FETCH FIRST %(k)s ROWS WITH TIES"
        ),
        Route.BITS: (
            "SELECT item_id, content_hash, embedding <=> $1::halfvec AS distance FROM ("
            "SELECT item_id, content_hash, embedding FROM {table} WHERE item_id <> %(without)s "
            "ORDER BY binary_quantize(embedding)::bit({size}) <~> binary_quantize($1::halfvec)::bit({size}) "
            "LIMIT {candidates}) AS candidate"
        ),
        # The array makes the scan follow the key; a join reads all bits, and takes half as long again.
        Route.BITS_FILTERED: (
            "SELECT item_id, content_hash, embedding <=> $1::halfvec AS distance, "
            "differing = max(differing) OVER () AS at_cut FROM ("
            "SELECT item_id, bits <~> binary_quantize($1::halfvec)::bit({size}) AS differing FROM {bits} "
            "WHERE item_id = ANY(ARRAY(SELECT id FROM itembank_item WHERE {condition})) "
            "ORDER BY differing {ties}"
            ") AS candidate JOIN {table} USING (item_id) "
            "WHERE item_id <> %(without)s ORDER BY distance FETCH FIRST %(k)s ROWS WITH TIES"
        ),
    }[route]
    statement = (
        f"WITH nearest AS MATERIALIZED ({nearest_rows}) "  # noqa: S608 - names and literals below are quoted by psycopg
        "SELECT item_id, item.code, distance, nearest.content_hash <> item.content_hash, item.category = 'image', "
        "{at_cut} FROM nearest JOIN itembank_item AS item ON item.id = item_id "
        "WHERE distance < 'NaN' "  # the cosine with a zero vector, and greater than all others
        'ORDER BY distance, item.code COLLATE "C" LIMIT %(k)s'
    )
    return sql.SQL(statement).format(
        table=_table(encoder),
        bits=sql.Identifier(bits_name(encoder)),
        at_cut=sql.SQL("at_cut" if route is Route.BITS_FILTERED else "false"),
        compared=_compared(query.span),
        size=sql.Literal(encoder.dimensions),
        ties=sql.SQL(ties).format(candidates=sql.Literal(_candidates(route, query.k))),
        candidates=sql.Literal(_candidates(route, query.k)),
        listed=sql.Literal(listed),
        condition=condition_of(query.filters),
    )


def _compared(span: Span | None) -> sql.Composable:
    if span is None:
        return sql.SQL("embedding")
    return sql.SQL("subvector(embedding, {}, {})").format(sql.Literal(span.start + 1), sql.Literal(span.size))


def _candidates(route: Route, k: int) -> int:
    if route is Route.INDEX_FILTERED:
        return LISTED_CANDIDATES
    if route in {Route.BITS, Route.BITS_FILTERED}:
        return BIT_CANDIDATES if k <= SMALL_K else max(k, BIT_CANDIDATES_LARGE_K)
    return HNSW_CANDIDATES if k <= SMALL_K else HNSW_CANDIDATES_LARGE_K


def _table(encoder: Encoder) -> sql.Identifier:
    return sql.Identifier(partition_name(encoder))


def _run(statement: sql.Composed, query: NearestQuery, route: Route, *, candidates: int) -> Sequence[Row]:
    """Iterative scans make up for rows that the index finds and the statement leaves out.

    The planner may not prefer to read a whole table where an index is the route: it holds an HNSW with many links for
    dearer than it is, and an array for shorter.
    """
    return binary_rows(
        sql.SQL("SELECT * FROM embeddings_nearest(%(candidates)s, %(may_scan)s, %(statement)s, %(query)s)"),
        {
            "candidates": min(candidates, EF_SEARCH_MAX),
            "may_scan": route in {Route.EXACT, Route.EXACT_FILTERED},
            "statement": written_out(statement, query.parameters()),
            "query": query.compared(),
        },
    )
