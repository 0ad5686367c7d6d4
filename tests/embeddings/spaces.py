"""Vector spaces of any size, filled without a model."""

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray
from psycopg import sql

from embeddings.encoders.base import EncoderSpec, Modality
from embeddings.loading import load_vectors
from embeddings.models import Encoder
from embeddings.partitions import bits_name, create_partition, partition_name
from embeddings.pipeline.inputs import Work
from embeddings.pipeline.leases import Claim
from embeddings.pipeline.results import store_vectors
from embeddings.search import dense
from embeddings.search.dense import NearestQuery, Route
from embeddings.search.statements import written_out
from itembank.models import Item

_numbers = itertools.count(1)

Vectors = NDArray[np.float32]


def make_space(dimensions: int, *, modality: Modality = Modality.TEXT) -> Encoder:
    """An encoder of that size with an empty partition."""
    spec = EncoderSpec(
        backend="hashing", model_id="test", revision=str(next(_numbers)), modality=modality, dimensions=dimensions
    )
    fields = {name: getattr(spec, name) for name in Encoder.SPEC_FIELDS} | {"options": {}}
    slug = f"space-{spec.revision}"
    encoder = Encoder.objects.create(slug=slug, name=slug, fingerprint=spec.fingerprint(), **fields)
    create_partition(encoder)
    return encoder


def make_items(count: int, **fields: Any) -> list[Item]:
    """Many plausible text items at once, codes in order."""
    first = next(_numbers)
    hashes = [hashlib.sha256(f"{first}/{number}".encode()).hexdigest() for number in range(count)]
    shared = {"subject": "수학", "grade": "중2", "unit": "일차함수", "difficulty": 3, "category": "text_only"}
    return Item.objects.bulk_create(
        Item(
            code=f"S{first:04d}-{number:05d}",
            content_hash=digest,
            record_hash=digest,
            **{"text": f"{first}번째 묶음의 {number}번째 문항"} | shared | fields,
        )
        for number, digest in enumerate(hashes)
    )


def fill(encoder: Encoder, items: Sequence[Item], vectors: Vectors) -> None:
    load_vectors(encoder, ((item.pk, item.content_hash, vector) for item, vector in zip(items, vectors, strict=True)))


def upsert(encoder: Encoder, item: Item, vector: Vectors) -> None:
    """As the pipeline writes."""
    claim = Claim(id=0, item_id=item.pk, batch_limit=1, failures_alone=0)
    store_vectors(encoder, [(Work(claim, item.content_hash, item.text, (), False), vector)])


def wrong_bits(encoder: Encoder) -> int:
    """How many rows of the bits lack their vector, or are not its signs, or are missing."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM {partition_name(encoder)} FULL JOIN {bits_name(encoder)} USING (item_id) "  # noqa: S608
            f"WHERE (bits = binary_quantize(embedding)::bit({encoder.dimensions})) IS NOT TRUE"
        )
        return int(cursor.fetchone()[0])


def clustered(count: int, dimensions: int, *, seed: int = 0) -> Vectors:
    """Unit rows around a common mean and a centre for each thirty, as embeddings of similar items are."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(max(1, count // 30), dimensions)) + random.normal(size=dimensions) * 0.5
    rows = centres[random.integers(len(centres), size=count)] + random.normal(size=(count, dimensions)) * 0.6
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


EXPLAINED = """
CREATE OR REPLACE FUNCTION pg_temp.explained(statement text, query halfvec) RETURNS SETOF text LANGUAGE plpgsql
AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN ' || statement USING query; END $$
"""


def plan_of(encoder: Encoder, query: NearestQuery, route: Route | None = None) -> str:
    """PostgreSQL's plan for the statement of a search, under the settings that the search makes."""
    route = route or dense.choose_route(encoder, query.filters)
    with connection.cursor() as cursor:
        cursor.execute(EXPLAINED)
    statement = written_out(dense._statement(encoder, query, route), query.parameters())
    explained = sql.SQL(
        "SELECT 0::bigint, line::varchar, 0::float8, false, false, false FROM pg_temp.explained({}, $1) AS line"
    ).format(sql.Literal(statement))
    return "\n".join(code for _id, code, *_rest in dense._run(explained, query, route, candidates=100))
