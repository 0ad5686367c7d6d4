"""An encoder's vectors as a file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray
from psycopg import sql

from embeddings.exchange.npz import CHUNK_BYTES, new_archive, write_array
from embeddings.exchange.progress import Report, Stage, silent
from embeddings.models import Encoder
from embeddings.partitions import partition_name
from embeddings.stored_vectors import stored_vectors
from itembank.models import HASH_LENGTH

WITH_VECTORS = """
SELECT item.code, item.id, vector.content_hash
FROM {table} vector JOIN itembank_item item ON item.id = vector.item_id
"""


class NothingToExport(Exception):  # noqa: N818 - a decision, not a fault
    """The encoder has no vectors."""


def export_embeddings(*, encoder: Encoder, path: Path, overwrite: bool = False, report: Report = silent) -> int:
    """Write the encoder's vectors, in the order of item codes, as they are at one moment; returns how many.

    The file appears when it is whole. Must run outside a transaction (RuntimeError). Raises NothingToExport,
    FileExistsError, OSError.
    """
    if connection.in_atomic_block:
        raise RuntimeError("An export needs a snapshot of its own; call export_embeddings outside of atomic().")
    with new_archive(path, overwrite=overwrite) as archive, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        rows = _rows_with_vectors(encoder)
        if not rows:
            raise NothingToExport
        _write(archive, encoder, rows, report)
    return len(rows)


def _write(archive: ZipFile, encoder: Encoder, rows: Sequence[tuple[str, int, str]], report: Report) -> None:
    count = len(rows)
    width = max(len(code) for code, _id, _hash in rows)
    write_array(archive, "fingerprint", f"<U{HASH_LENGTH}", (), [np.array(encoder.fingerprint)])
    write_array(archive, "ids", f"<U{width}", (count,), _texts([code for code, _id, _hash in rows]))
    write_array(archive, "content_hashes", f"<U{HASH_LENGTH}", (count,), _texts([row[2] for row in rows]))
    vectors = _reported(encoder, [item_id for _code, item_id, _hash in rows], report)
    write_array(archive, "embeddings", "<f2", (count, encoder.dimensions), vectors)


def _rows_with_vectors(encoder: Encoder) -> list[tuple[str, int, str]]:
    """(code, item id, content hash), sorted here: a sort in the database would carry the vectors to disk and back."""
    with connection.cursor() as cursor:
        cursor.execute(_on_partition(WITH_VECTORS, encoder))
        return sorted(cursor.fetchall())


def _texts(values: Sequence[str], step: int = 4096) -> Iterator[NDArray[Any]]:
    return (np.array(values[first : first + step]) for first in range(0, len(values), step))


def _reported(encoder: Encoder, item_ids: Sequence[int], report: Report) -> Iterator[NDArray[Any]]:
    written = 0
    for found, vectors in stored_vectors(encoder, item_ids, chunk_bytes=CHUNK_BYTES):
        yield vectors
        written += len(found)
        report(Stage.WRITE, written, len(item_ids))


def _on_partition(statement: str, encoder: Encoder) -> str:
    connection.ensure_connection()
    table = sql.Identifier(partition_name(encoder))
    return sql.SQL(statement).format(table=table).as_string(connection.connection)
