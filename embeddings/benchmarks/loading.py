"""Seconds to load vectors, against a bare COPY of the same rows, and to build their index.

Ours turns float32 into rows and leaves a partition with its key, references, sign bits and their trigger. The bare one
sends a file that COPY wrote into a table that was there, of the same columns and storage and nothing else.
"""

import tempfile
import time
from collections.abc import Sequence
from typing import IO

from django.db import connection
from psycopg import sql

from embeddings.benchmarks.synthetic import Rows
from embeddings.benchmarks.verdicts import Verdicts
from embeddings.indexes import MEGABYTE, build_index, index_name
from embeddings.loading import load_vectors
from embeddings.models import Encoder
from embeddings.partitions import bits_name, keeps_bits, partition_name

TIMES = 2  # by turns; the fastest of each counts
LOAD_RATIO = 0.8


def load_bank(encoder: Encoder, items: Sequence[tuple[int, str]], matrix: Rows, verdicts: Verdicts) -> None:
    """Leaves the vectors in the partition, vacuumed as autovacuum would."""
    loads, copies = [], []
    with tempfile.TemporaryFile() as file:
        for turn in range(TIMES):
            _execute("TRUNCATE {table}", encoder)
            loads.append(_load(encoder, items, matrix))
            if turn == 0:
                _copy_out(encoder, file)
            copies.append(_bare_copy(encoder, file))
    _settle(encoder)
    ours, bare = (len(items) / min(seconds) for seconds in (loads, copies))
    verdicts.note("load_vectors", f"{ours:,.0f} rows/s")
    verdicts.note("bare COPY", f"{bare:,.0f} rows/s")
    verdicts.at_least("load / bare COPY", ours / bare, LOAD_RATIO)


def measure_index(encoder: Encoder, verdicts: Verdicts) -> None:
    """Build the encoder's index. Prints seconds and size; leaves nothing to be written while searches are measured."""
    began = time.perf_counter()
    state = build_index(encoder)
    seconds = time.perf_counter() - began
    _execute("CHECKPOINT", encoder)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_relation_size(to_regclass(%s)), pg_relation_size(to_regclass(%s)), "
            "pg_relation_size(to_regclass(%s))",
            [index_name(encoder), partition_name(encoder), bits_name(encoder)],
        )
        index, table, bits = (size and size / MEGABYTE for size in cursor.fetchone())
    verdicts.note(
        "index", f"{state}, {seconds:.0f} s, {index:,.0f} MB; vectors {table:,.0f} MB, bits {bits or 0:,.0f} MB"
    )


def _load(encoder: Encoder, items: Sequence[tuple[int, str]], matrix: Rows) -> float:
    began = time.perf_counter()
    load_vectors(encoder, ((*item, vector) for item, vector in zip(items, matrix, strict=True)))
    return time.perf_counter() - began


def _copy_out(encoder: Encoder, file: IO[bytes]) -> None:
    """What was loaded, as COPY writes it, and a plain table for it: the same columns, no key, check or trigger."""
    with connection.cursor() as cursor, cursor.copy(_filled("COPY {table} TO STDOUT (FORMAT binary)", encoder)) as copy:
        file.writelines(bytes(block) for block in copy)
    _execute("CREATE TABLE plain (LIKE {table} INCLUDING STORAGE)", encoder)


def _bare_copy(encoder: Encoder, file: IO[bytes]) -> float:
    _execute("TRUNCATE plain", encoder)
    file.seek(0)
    began = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy("COPY plain FROM STDIN (FORMAT binary)") as copy:
        while block := file.read(MEGABYTE):
            copy.write(block)
    return time.perf_counter() - began


def _settle(encoder: Encoder) -> None:
    _execute("DROP TABLE plain", encoder)
    _execute("VACUUM ANALYZE {table}", encoder)
    if keeps_bits(encoder):
        _execute("VACUUM ANALYZE {bits}", encoder)
    _execute("CHECKPOINT", encoder)


def _execute(statement: str, encoder: Encoder) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_filled(statement, encoder))


def _filled(statement: str, encoder: Encoder) -> str:
    names = {"table": sql.Identifier(partition_name(encoder)), "bits": sql.Identifier(bits_name(encoder))}
    return sql.SQL(statement).format(**names).as_string()
