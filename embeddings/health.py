"""Whether an encoder's vectors may serve searches: complete, well formed, and not the same for different items."""

from dataclasses import dataclass

from django.db import connection
from django.utils.translation import gettext as _
from psycopg import sql

from embeddings.encoders.base import Modality
from embeddings.models import Encoder
from embeddings.partitions import partition_name
from embeddings.selectors import Coverage, coverage

NORM_TOLERANCE = 0.01  # half precision is off by less than 0.001
IDENTICAL_SHARE, IDENTICAL_FEW = 0.05, 3

# What of an item the encoder sees: items that differ in nothing else may well share a vector.
SEEN_CONTENT = {
    Modality.TEXT: "md5(item.text || item.choices::text)",
    Modality.IMAGE: (
        "(SELECT string_agg(image.sha256, ',' ORDER BY image.role, image.position) FROM itembank_itemimage AS image "
        "WHERE image.item_id = item.id AND image.role <> 'explanation')"
    ),
    Modality.MULTIMODAL: "item.content_hash",
}


@dataclass(frozen=True, slots=True)
class VectorHealth:
    """Counts over one encoder's vectors. `identical` counts different contents that share a vector with another."""

    dimensions: int
    coverage: Coverage
    vectors: int
    wrong_size: int
    not_unit: int
    contents: int
    identical: int

    @property
    def problems(self) -> tuple[str, ...]:
        """Why these vectors may not serve searches, translated; empty when they may."""
        found = [self._incomplete(), self._malformed(), self._collapsed()]
        return tuple(problem for problem in found if problem)

    def _incomplete(self) -> str:
        if not self.vectors:
            return _("It has no vectors. Start an embedding job.")
        waiting = self.coverage.missing + self.coverage.stale
        if not waiting:
            return ""
        return _("%(waiting)s of %(total)s items have no current vector. Embed what is missing.") % {
            "waiting": waiting,
            "total": self.coverage.total,
        }

    def _malformed(self) -> str:
        broken = self.wrong_size + self.not_unit
        if not broken:
            return ""
        return _("%(broken)s vectors are damaged (not %(dimensions)s numbers of length 1). Embed all items again.") % {
            "broken": broken,
            "dimensions": self.dimensions,
        }

    def _collapsed(self) -> str:
        if self.identical <= max(IDENTICAL_FEW, IDENTICAL_SHARE * self.contents):
            return ""
        return _(
            "%(identical)s of %(contents)s different items have a vector that another item has too. The model or its "
            "input is broken: look at the encoder's settings."
        ) % {"identical": self.identical, "contents": self.contents}


def vector_health(encoder: Encoder) -> VectorHealth:
    """Reads every vector once: about a second for 100,000 of 1,000 dimensions."""
    vectors, wrong_size, not_unit = _row(
        encoder,
        "SELECT count(*), count(*) FILTER (WHERE vector_dims(embedding) <> {dimensions}), "
        "count(*) FILTER (WHERE NOT l2_norm(embedding) BETWEEN 1 - {tolerance} AND 1 + {tolerance}) FROM {table}",
    )
    contents, identical = _row(
        encoder,
        "WITH vector AS (SELECT md5(halfvec_send(embedding)) AS digest, {content} AS content "
        "FROM {table} JOIN itembank_item AS item ON item.id = item_id), "
        "shared AS (SELECT count(DISTINCT content) AS contents FROM vector GROUP BY digest) "
        "SELECT (SELECT count(DISTINCT content) FROM vector), coalesce(sum(contents) FILTER (WHERE contents > 1), 0) "
        "FROM shared",
    )
    return VectorHealth(
        dimensions=encoder.dimensions,
        coverage=coverage(encoder),
        vectors=vectors,
        wrong_size=wrong_size,
        not_unit=not_unit,
        contents=contents,
        identical=identical,
    )


def _row(encoder: Encoder, statement: str) -> tuple[int, ...]:
    query = sql.SQL(statement).format(
        table=sql.Identifier(partition_name(encoder)),
        dimensions=sql.Literal(encoder.dimensions),
        tolerance=sql.Literal(NORM_TOLERANCE),
        content=sql.SQL(SEEN_CONTENT[Modality(encoder.modality)]),
    )
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(cursor.connection))
        return tuple(int(count) for count in cursor.fetchone())
