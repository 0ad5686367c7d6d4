"""The partition of the embeddings table that holds one encoder's vectors: made with the encoder, dropped with it.

Beside a partition of long vectors stands a narrow table of their sign bits, which a filtered search scans
(docs/decisions/0004). A trigger on the partition keeps it, row by row, in the transaction of the vector: those that see
whole statements do not fire on a partition that is written through its parent.
"""

import struct
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import ArrayLike, NDArray
from psycopg import sql

from embeddings.models import Encoder
from itembank.models import HASH_LENGTH

# A row must fit its 8 kB page to be stored plain; two bytes a dimension. Longer vectors stay in TOAST, uncompressed.
PLAIN_MAX_DIMENSIONS = 2048
BITS_MIN_DIMENSIONS = 1792  # the signs of fewer numbers order neighbours too coarsely

KEEP_BITS = """
CREATE FUNCTION {keeper}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO {bits} (item_id, bits) VALUES (NEW.item_id, binary_quantize(NEW.embedding));
    ELSIF TG_OP = 'UPDATE' THEN
        UPDATE {bits} SET item_id = NEW.item_id, bits = binary_quantize(NEW.embedding) WHERE item_id = OLD.item_id;
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM {bits} WHERE item_id = OLD.item_id;
    ELSE
        TRUNCATE {bits};
    END IF;
    RETURN NULL;
END
$$
"""

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
COPY_TRAILER = struct.pack(">h", -1)
# All bits of a half's exponent, its bytes swapped: infinity or NaN. Ten times as fast as isfinite.
ENDLESS = np.uint16(0x007C)
COPY_BLOCK_ROWS = 64  # sent at once: each write is a wait


def partition_name(encoder: Encoder) -> str:
    return f"embeddings_embedding_{encoder.pk}"


def bits_name(encoder: Encoder) -> str:
    return f"embedding_{encoder.pk}_bits"


def keeps_bits(encoder: Encoder) -> bool:
    """Whether the sign bits of its vectors are kept: they are long, and each number weighs alike (no concatenation)."""
    return encoder.dimensions >= BITS_MIN_DIMENSIONS and encoder.backend != "concat"


def create_partition(encoder: Encoder) -> None:
    """Make the encoder's partition, with its own check of the vectors' size. Fails if it exists."""
    storage = "PLAIN" if encoder.dimensions <= PLAIN_MAX_DIMENSIONS else "EXTERNAL"
    names = _names(encoder) | {
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
    if keeps_bits(encoder):
        _create_bits(encoder)


def _create_bits(encoder: Encoder) -> None:
    names = _names(encoder) | {"dimensions": sql.Literal(encoder.dimensions)}
    _execute("CREATE TABLE {bits} (item_id bigint PRIMARY KEY, bits bit({dimensions}) STORAGE PLAIN NOT NULL)", names)
    _execute(KEEP_BITS, names)
    _execute(
        "CREATE TRIGGER keep_bits AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {keeper}()",
        names,
    )
    _execute("CREATE TRIGGER empty_bits AFTER TRUNCATE ON {table} EXECUTE FUNCTION {keeper}()", names)


def drop_partition(encoder: Encoder) -> None:
    """Drop all of the encoder's vectors at once."""
    _execute("DROP TABLE IF EXISTS {table}, {bits}", _names(encoder))
    _execute("DROP FUNCTION IF EXISTS {keeper}()", _names(encoder))


def load_vectors(encoder: Encoder, rows: Iterable[tuple[int, str, ArrayLike]]) -> int:
    """Store many new vectors by binary COPY; returns how many. All of them land or none.

    Rows are (item id, content hash, unit vector of the encoder's dimensions). Raises ValueError for a vector of another
    size or beyond half precision, IntegrityError where the item is unknown or has a vector already.
    """
    statement = sql.SQL("COPY {table} (encoder_id, item_id, content_hash, embedding) FROM STDIN (FORMAT binary)")
    count, remaining = 0, iter(rows)
    with connection.cursor() as cursor, connection.wrap_database_errors:
        query = statement.format(table=sql.Identifier(partition_name(encoder))).as_string(cursor.connection)
        with cursor.copy(query) as copy:
            copy.write(COPY_HEADER)
            while block := list(islice(remaining, COPY_BLOCK_ROWS)):
                copy.write(_copy_rows(encoder, block))
                count += len(block)
            copy.write(COPY_TRAILER)
    return count


def _copy_rows(encoder: Encoder, rows: Sequence[tuple[int, str, ArrayLike]]) -> bytes:
    """PostgreSQL's binary COPY format: for each row the number of fields, then each field after its length in bytes."""
    size = encoder.dimensions
    block = np.zeros(len(rows), _copy_type(size))
    block["fields"], block["encoder_bytes"], block["item_bytes"], block["hash_bytes"] = 4, 8, 8, HASH_LENGTH
    block["vector_bytes"], block["dimensions"], block["encoder"] = 4 + 2 * size, size, encoder.pk
    for place, (item_id, content_hash, vector) in enumerate(rows):
        block["item"][place] = item_id
        block["hash"][place] = _hash_bytes(content_hash, item_id)
        block["vector"][place] = _shaped(np.asarray(vector), size, item_id)
    endless = (block["vector"].view("<u2") & ENDLESS) == ENDLESS
    if endless.any():
        raise _bad_vector(size, rows[int(endless.any(axis=1).argmax())][0], (size,))
    return block.tobytes()


@cache
def _copy_type(size: int) -> np.dtype[np.void]:
    """A row as it is sent; a halfvec is its dimensions, two bytes that are 0, and its numbers."""
    counts = [("fields", ">i2"), ("encoder_bytes", ">i4"), ("encoder", ">i8"), ("item_bytes", ">i4"), ("item", ">i8")]
    text = [("hash_bytes", ">i4"), ("hash", f"S{HASH_LENGTH}")]
    vector = [("vector_bytes", ">i4"), ("dimensions", ">u2"), ("unused", ">u2"), ("vector", ">f2", (size,))]
    return np.dtype([*counts, *text, *vector])


def _hash_bytes(content_hash: str, item_id: int) -> bytes:
    if len(content_hash) != HASH_LENGTH:
        raise ValueError(f"a content hash has {HASH_LENGTH} digits; that of item {item_id} is {content_hash!r}")
    return content_hash.encode("ascii")


def _shaped(vector: NDArray[Any], size: int, item_id: int) -> NDArray[Any]:
    if vector.shape != (size,):
        raise _bad_vector(size, item_id, vector.shape)
    return vector


def _bad_vector(size: int, item_id: int, shape: tuple[int, ...]) -> ValueError:
    return ValueError(
        f"a vector must be {size} finite numbers within 65,504; that of item {item_id} has the shape {shape}"
    )


def _names(encoder: Encoder) -> dict[str, sql.Composable]:
    return {
        "table": sql.Identifier(partition_name(encoder)),
        "bits": sql.Identifier(bits_name(encoder)),
        "keeper": sql.Identifier(f"embedding_{encoder.pk}_keep_bits"),
    }


def _execute(statement: str, names: dict[str, sql.Composable]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(**names).as_string(cursor.connection))
