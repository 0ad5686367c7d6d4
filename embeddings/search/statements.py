"""Statements whose rows are many or large: in binary, through psycopg's own cursor on Django's connection."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import psycopg
from django.db import connection
from pgvector import HalfVector
from pgvector.psycopg.halfvec import HalfVectorBinaryDumper
from psycopg import sql


def binary_rows(statement: sql.Composed | sql.SQL, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
    """All rows; parameters may be HalfVectors. Never prepared: a plan made for others may be a bad one for these."""
    with (
        connection.cursor() as outer,
        connection.wrap_database_errors,
        psycopg.Cursor(cast("psycopg.Connection[tuple[Any, ...]]", outer.connection)) as cursor,
    ):
        cursor.adapters.register_dumper(HalfVector, HalfVectorBinaryDumper)
        return cursor.execute(statement, parameters, prepare=False, binary=True).fetchall()


def written_out(statement: sql.Composed, parameters: Mapping[str, Any]) -> str:
    """The statement with its parameters quoted in it."""
    with connection.cursor() as outer, connection.wrap_database_errors:
        return psycopg.ClientCursor(outer.connection).mogrify(statement, parameters)
