"""The partition of the embeddings table that holds one encoder's vectors: made with the encoder, dropped with it."""

from django.db import connection
from psycopg import sql

from embeddings.models import Encoder

# A row must fit its 8 kB page to be stored plain; two bytes a dimension. Longer vectors stay in TOAST, uncompressed.
PLAIN_MAX_DIMENSIONS = 2048


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


def _execute(statement: str, names: dict[str, sql.Composable]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(**names).as_string(cursor.connection))
