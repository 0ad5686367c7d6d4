"""System checks of the vectors' storage. They need the database: `manage.py check --database default`."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connection

from embeddings.indexes import IndexState, index_state
from embeddings.models import Encoder


@register(Tags.database)
def vector_indexes_are_whole(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    if not databases or Encoder._meta.db_table not in connection.introspection.table_names():
        return []
    broken = (encoder for encoder in Encoder.objects.all() if index_state(encoder) is IndexState.INVALID)
    return [
        Warning(
            f"The vector index of the encoder {encoder.slug} is broken: searches compare with every vector.",
            hint=f"The cpu worker rebuilds it within minutes; at once: manage.py build_index --encoder {encoder.slug}",
            id="embeddings.W001",
        )
        for encoder in broken
    ]
