"""Many stored vectors at once, in the order that is asked for."""

from collections.abc import Iterator, Sequence

import numpy as np
from django.db import connection
from numpy.typing import NDArray
from psycopg import Cursor, sql

from embeddings.models import Encoder
from embeddings.partitions import partition_name

CHUNK_BYTES = 4 * 2**20
HEADER_BYTES = 4  # of a halfvec, before its numbers
THEIRS = """
SELECT vector.item_id, halfvec_send(vector.embedding)
FROM unnest(%b::bigint[]) WITH ORDINALITY AS wanted (item_id, place)
JOIN {table} vector ON vector.item_id = wanted.item_id ORDER BY wanted.place
"""


def stored_vectors(
    encoder: Encoder, item_ids: Sequence[int], *, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
    """Chunks of (item ids (n,), vectors (n, dimensions)) in the order asked; items without a vector are left out."""
    step = max(1, chunk_bytes // (2 * encoder.dimensions))
    connection.ensure_connection()
    statement = sql.SQL(THEIRS).format(table=sql.Identifier(partition_name(encoder))).as_string(connection.connection)
    with Cursor(connection.connection) as cursor:  # Django's own binds and reads text
        for first in range(0, len(item_ids), step):
            cursor.execute(statement, [list(item_ids[first : first + step])], binary=True)
            rows = cursor.fetchall()
            numbers = b"".join(row[1][HEADER_BYTES:] for row in rows)
            vectors = np.frombuffer(numbers, ">f2").reshape(len(rows), encoder.dimensions)
            yield np.array([row[0] for row in rows], np.int64), vectors
