"""The vector index of one encoder: an HNSW graph over its partition, built beside running searches and writes.

Up to 4,000 dimensions it orders half-precision vectors by cosine distance; above, where pgvector's HNSW takes no
halfvec, it orders sign bits by Hamming distance and the search reranks.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import psutil
from django.db import connection
from psycopg import sql

from embeddings.models import EmbeddingJob, Encoder
from embeddings.partitions import partition_name
from itembank.alone import Work, alone_on

logger = logging.getLogger(__name__)

HALFVEC_INDEX_MAX_DIMENSIONS = 4000
INDEX_MIN_ROWS = 20_000  # below, comparing with every vector is as fast and finds all
HNSW_LINKS, HNSW_BUILD_CANDIDATES = 24, 128  # docs/decisions/0010
MEGABYTE = 1024 * 1024
BUILD_MEMORY_LIMIT = 2048 * MEGABYTE


class IndexState(StrEnum):
    NONE = "none"
    BUILDING = "building"
    INVALID = "invalid"  # a build that was cut off leaves a useless index behind, which costs every write
    READY = "ready"


_NAME = "embedding_", "_hnsw"
_READY = "EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass({}) AND indisvalid)"
READY_BY_ID = _READY.format(f"'{_NAME[0]}' || id || '{_NAME[1]}'")
"""Of a row of embeddings_encoder, in SQL: whether searches can use its index."""


def index_name(encoder: Encoder) -> str:
    return str(encoder.pk).join(_NAME)


def uses_bits(encoder: Encoder) -> bool:
    """Whether the index holds sign bits instead of halfvec."""
    return encoder.dimensions > HALFVEC_INDEX_MAX_DIMENSIONS


def index_state(encoder: Encoder) -> IndexState:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid, EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.relid = indrelid) "
            "FROM pg_index WHERE indexrelid = to_regclass(%s)",
            [index_name(encoder)],
        )
        row = cursor.fetchone()
    if row is None:
        return IndexState.NONE
    valid, building = row
    if valid:
        return IndexState.READY
    return IndexState.BUILDING if building else IndexState.INVALID


def index_is_ready(encoder: Encoder) -> bool:
    """Whether searches can use it, as it was read with the encoder, or else in half the time of `index_state`."""
    if encoder.index_was_ready is not None:
        return encoder.index_was_ready
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_READY.format('%s')}", [index_name(encoder)])
        return bool(cursor.fetchone()[0])


def wants_index(encoder: Encoder) -> bool:
    """Whether the encoder has so many vectors that searches should use an index."""
    statement = sql.SQL("SELECT count(*) >= {least} FROM (SELECT FROM {table} LIMIT {least}) AS first_rows").format(
        least=sql.Literal(INDEX_MIN_ROWS), table=sql.Identifier(partition_name(encoder))
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.as_string(cursor.connection))
        return bool(cursor.fetchone()[0])


def encoders_to_index() -> list[Encoder]:
    """Encoders that need an index built or repaired now. One with a running job waits: an index slows its writes."""
    idle = Encoder.objects.exclude(jobs__state=EmbeddingJob.State.RUNNING)
    return [encoder for encoder in idle if _needs_build(encoder)]


def _needs_build(encoder: Encoder) -> bool:
    state = index_state(encoder)
    return state is IndexState.INVALID or (state is IndexState.NONE and wants_index(encoder))


def build_index(encoder: Encoder) -> IndexState:
    """Build the encoder's index unless it is ready; a broken one is replaced. Searches and writes go on meanwhile.

    Returns READY, or BUILDING where another process is at it. Takes minutes for 100,000 vectors. Must run outside a
    transaction (RuntimeError).
    """
    if connection.in_atomic_block:
        raise RuntimeError("An index cannot be built inside a transaction; call build_index outside of atomic().")
    with alone_on(Work.INDEX, encoder.pk) as alone:
        if not alone:
            return IndexState.BUILDING
        state = index_state(encoder)
        if state is IndexState.READY:
            return state
        if state is IndexState.INVALID:
            logger.warning("The index %s is broken and is built again", index_name(encoder))
            drop_index(encoder)
        _create(encoder)
    return index_state(encoder)


def drop_index(encoder: Encoder) -> None:
    """Drop the index, if there is one, without blocking searches. Must run outside a transaction."""
    _execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {index}").format(index=sql.Identifier(index_name(encoder))))


def _create(encoder: Encoder) -> None:
    size = sql.Literal(encoder.dimensions)
    expression = (
        sql.SQL("(binary_quantize(embedding)::bit({size})) bit_hamming_ops")
        if uses_bits(encoder)
        else sql.SQL("(embedding::halfvec({size})) halfvec_cosine_ops")
    ).format(size=size)
    statement = sql.SQL(
        "CREATE INDEX CONCURRENTLY {index} ON {table} USING hnsw ({expression}) "
        "WITH (m = {links}, ef_construction = {candidates})"
    ).format(
        index=sql.Identifier(index_name(encoder)),
        table=sql.Identifier(partition_name(encoder)),
        expression=expression,
        links=sql.Literal(HNSW_LINKS),
        candidates=sql.Literal(HNSW_BUILD_CANDIDATES),
    )
    with _build_memory():
        _execute(statement)
    _execute(sql.SQL("ANALYZE {table}").format(table=sql.Identifier(partition_name(encoder))))


def build_megabytes() -> int:
    """Room for the graph, at most an eighth of the memory: one that outgrows it takes twice as long to build."""
    return min(BUILD_MEMORY_LIMIT, psutil.virtual_memory().total // 8) // MEGABYTE


@contextmanager
def _build_memory() -> Iterator[None]:
    _execute(sql.SQL("SET maintenance_work_mem = {memory}").format(memory=sql.Literal(f"{build_megabytes()}MB")))
    try:
        yield
    finally:
        _execute(sql.SQL("RESET maintenance_work_mem"))


def _execute(statement: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement.as_string(cursor.connection))
