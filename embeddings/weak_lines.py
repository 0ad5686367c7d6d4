"""The cosine below which hits of an encoder are weak, measured on its own vectors (embeddings/search/weak.py).

It is measured where the vectors lie, whichever way they came (jobs, imports): the cpu worker looks each minute for
encoders that have no line, or whose partition is twice or half the size of then.
"""

import numpy as np
from django.db import connection
from psycopg import sql

from embeddings.models import EmbeddingJob, Encoder
from embeddings.partitions import partition_name
from embeddings.search.weak import chance_line
from embeddings.stored_vectors import stored_vectors

SAMPLED = 2_000  # two million pairs, 16 MB at 2,048 dimensions and as much for their cosines
SEED = 995

LOWEST_ITEMS = "SELECT item_id FROM {table} ORDER BY item_id LIMIT %s"
LAST_ITEM = "SELECT max(item_id) FROM {table}"
# The next item with a vector from each of the numbers drawn: an index finds it, whatever lies between. Tables that are
# sampled by page give neighbours, which are alike more often than chance has it.
NEXT_ITEMS = """
SELECT DISTINCT found.item_id FROM unnest(%s::bigint[]) AS drawn (number) CROSS JOIN LATERAL (
    SELECT item_id FROM {table} WHERE item_id >= drawn.number ORDER BY item_id LIMIT 1
) AS found ORDER BY found.item_id
"""


def encoders_to_measure() -> list[Encoder]:
    """One with a running job waits: the first items of a bank are more alike than all of them."""
    idle = Encoder.objects.exclude(jobs__state=EmbeddingJob.State.RUNNING)
    return [encoder for encoder in idle if _is_due(encoder)]


def measure_weak_below(encoder: Encoder) -> float | None:
    """Measure and keep the encoder's line; None where it has too few vectors. Half a second at 2,048 dimensions."""
    size, item_ids = _partition_bytes(encoder), sampled_items(encoder)
    chunks = [vectors.astype(np.float32) for _ids, vectors in stored_vectors(encoder, item_ids)]
    encoder.weak_below = chance_line(np.concatenate(chunks)) if chunks else None
    encoder.weak_measured_bytes = size
    # Not saved: it may have been deleted meanwhile.
    Encoder.objects.filter(pk=encoder.pk).update(weak_below=encoder.weak_below, weak_measured_bytes=size)
    return encoder.weak_below


def sampled_items(encoder: Encoder) -> list[int]:
    """All items with a vector, or 2,000 at most, spread over all of them: the same ones as long as nothing changes."""
    lowest = _item_ids(LOWEST_ITEMS, encoder, SAMPLED + 1)
    if len(lowest) <= SAMPLED:
        return lowest
    (last,) = _item_ids(LAST_ITEM, encoder)
    return _item_ids(NEXT_ITEMS, encoder, drawn_numbers(lowest[0], last))


def drawn_numbers(first: int, last: int) -> list[int]:
    """One at random from each of 2,000 equal stretches."""
    within = np.random.default_rng(SEED).random(SAMPLED)
    places = (np.arange(SAMPLED) + within) / SAMPLED * (last - first + 1)
    return [first + int(place) for place in places]


def _item_ids(statement: str, encoder: Encoder, *parameters: int | list[int]) -> list[int]:
    table = sql.Identifier(partition_name(encoder))
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(table=table).as_string(cursor.connection), parameters)
        return [item_id for (item_id,) in cursor.fetchall()]


def _is_due(encoder: Encoder) -> bool:
    known = encoder.weak_measured_bytes
    if encoder.weak_below is None or known is None:
        return True
    return not known / 2 < _partition_bytes(encoder) < known * 2


def _partition_bytes(encoder: Encoder) -> int:
    """Without reading a row, as counting them would."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size(to_regclass(%s))", [partition_name(encoder)])
        return int(cursor.fetchone()[0])
