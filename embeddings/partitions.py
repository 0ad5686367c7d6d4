"""The partition of the embeddings table that holds one encoder's vectors: made with the encoder, dropped with it."""

import struct
from collections.abc import Iterable

import numpy as np
from django.db import connection
from numpy.typing import ArrayLike
from psycopg import sql

from embeddings.models import Encoder
from itembank.models import HASH_LENGTH

# A row must fit its 8 kB page to be stored plain; two bytes a dimension. Longer vectors stay in TOAST, uncompressed.
PLAIN_MAX_DIMENSIONS = 2048

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
COPY_TRAILER = struct.pack(">h", -1)
COPY_ROW = struct.Struct(f">hiqiqi{HASH_LENGTH}s")
COPY_HALFVEC = struct.Struct(">iHH")


def partition_name(encoder: Encoder) -> str:
    return f"embeddings_embedding_{encoder.pk}"


def create_partition(encoder: Encoder) -> None:
    """Make the encoder's partition, with its own check of the vectors' size. Fails if it exists."""
    storage = "PLAIN" if encoder.dimensions <= PLAIN_MAX_DIMENSIONS else "EXTERNAL"
    names = {
        "table": sql.Identifier(partition_name(encoder)),
        "check": sql.Identifier(f"embedding_{encoder.pk}_dimensions"),
        "dimensions": sql.Literal(encoder.dimensions),
        "encoder": sql.Literal(encoder.pk),
        "storage": sql.SQL(storage),
    }
    _execute(
        "CREATE TABLE {table} PARTITION OF embeddings_embedding "
        "(CONSTRAINT {check} CHECK (vector_dims(embedding) = {dimensions})) FOR VALUES IN ({encoder})",
        names,
    )
    _execute("ALTER TABLE {table} ALTER COLUMN embedding SET STORAGE {storage}", names)


def drop_partition(encoder: Encoder) -> None:
    """Drop all of the encoder's vectors at once."""
    _execute("DROP TABLE IF EXISTS {table}", {"table": sql.Identifier(partition_name(encoder))})


def load_vectors(encoder: Encoder, rows: Iterable[tuple[int, str, ArrayLike]]) -> int:
    """Store many new vectors by binary COPY; returns how many. All of them land or none.

    Rows are (item id, content hash, unit vector of the encoder's dimensions). Raises ValueError for a vector of another
    size or beyond half precision, IntegrityError where the item is unknown or has a vector already.
    """
    statement = sql.SQL("COPY {table} (encoder_id, item_id, content_hash, embedding) FROM STDIN (FORMAT binary)")
    count = 0
    with connection.cursor() as cursor, connection.wrap_database_errors:
        query = statement.format(table=sql.Identifier(partition_name(encoder))).as_string(cursor.connection)
        with cursor.copy(query) as copy:
            copy.write(COPY_HEADER)
            for row in rows:
                copy.write(_copy_row(encoder, *row))
                count += 1
            copy.write(COPY_TRAILER)
    return count


def _copy_row(encoder: Encoder, item_id: int, content_hash: str, vector: ArrayLike) -> bytes:
    """One row in PostgreSQL's binary COPY format: the number of fields, then each field after its length in bytes."""
    half = np.asarray(vector).astype(">f2")
    if half.shape != (encoder.dimensions,) or not np.isfinite(half).all():
        raise ValueError(
            f"a vector must be {encoder.dimensions} finite numbers within 65,504; that of item {item_id} has the shape "
            f"{half.shape}"
        )
    if len(content_hash) != HASH_LENGTH:
        raise ValueError(f"a content hash has {HASH_LENGTH} digits; that of item {item_id} is {content_hash!r}")
    fields = COPY_ROW.pack(4, 8, encoder.pk, 8, item_id, HASH_LENGTH, content_hash.encode("ascii"))
    return fields + COPY_HALFVEC.pack(4 + half.nbytes, encoder.dimensions, 0) + half.tobytes()


def _execute(statement: str, names: dict[str, sql.Composable]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(**names).as_string(cursor.connection))
