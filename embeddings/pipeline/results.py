"""Writing what became of a micro-batch. No vector of an old content is ever stored over an edit."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from django.db import connection, transaction
from psycopg import Cursor
from psycopg.adapt import Dumper
from psycopg.pq import Format

from embeddings.encoders.base import Vectors
from embeddings.models import Embedding, Encoder, JobItem
from embeddings.pipeline.inputs import Failure, Work
from embeddings.pipeline.leases import FAILURES_TO_QUARANTINE, FREE, Claim, Lease
from itembank.models import Item

# The vector replaces whatever is there: the guard has seen that it is of the item's present content. One statement for
# all takes 36 us a row of 1,664 dimensions, a statement for each 63.
UPSERT = """
INSERT INTO embeddings_embedding (encoder_id, item_id, content_hash, embedding, created_at)
SELECT %b, item_id, content_hash, embedding, now()
FROM unnest(%b::bigint[], %b::text[], %b::halfvec[]) AS new (item_id, content_hash, embedding)
ON CONFLICT (item_id, encoder_id) DO UPDATE
SET content_hash = EXCLUDED.content_hash, embedding = EXCLUDED.embedding, created_at = EXCLUDED.created_at
"""


@dataclass(slots=True)
class Results:
    """What became of the works of a micro-batch: each is in one of the three."""

    embedded: list[tuple[Work, Vectors]] = field(default_factory=list)  # with its vector, (dimensions,)
    failures: list[Failure] = field(default_factory=list)
    to_split: list[Work] = field(default_factory=list)  # failed together: smaller batches will tell which
    last_reason: str = ""

    @property
    def first_failures(self) -> int:
        """Without those of items that are known to fail."""
        return bool(self.to_split) + sum(
            failure.final or not failure.work.claim.failures_alone for failure in self.failures
        )

    def __iadd__(self, other: "Results") -> "Results":
        self.embedded += other.embedded
        self.failures += other.failures
        self.to_split += other.to_split
        self.last_reason = other.last_reason or self.last_reason
        return self


@transaction.atomic
def write(encoder: Encoder, lease: Lease, results: Results) -> None:
    """Store vectors and failures, each only while the lease is ours and the item is still what was embedded.

    What has changed meanwhile waits again. Locks go from rows of the job to items, as in a deletion of items.
    """
    works = [work for work, _ in results.embedded] + [failure.work for failure in results.failures]
    ours = lease.lock(work.claim.id for work in works)
    kept = unchanged([work for work in works if work.claim.id in ours])
    embedded = [pair for pair in results.embedded if pair[0].claim.id in kept]
    store_vectors(encoder, embedded)
    _mark_done([work.claim for work, _ in embedded])
    for failure in results.failures:
        if failure.work.claim.id in kept:
            _mark_failed(failure)
    lease.give_back(ours - kept)
    _halve(lease, results.to_split)


def unchanged(works: Sequence[Work]) -> set[int]:
    """The claims whose item still has the content that was read; it keeps it until the transaction ends.

    An item that is being edited right now counts as changed: waiting for the editor could deadlock with an import, and
    its vector would be outdated a moment later anyway.
    """
    if not works:
        return set()
    items = Item.objects.filter(pk__in=[work.claim.item_id for work in works]).order_by("pk")
    statement, parameters = items.values_list("pk", "content_hash").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} FOR SHARE SKIP LOCKED", parameters)
        hashes = dict(cursor.fetchall())
    return {work.claim.id for work in works if hashes.get(work.claim.item_id) == work.content_hash}


def store_vectors(encoder: Encoder, embedded: Sequence[tuple[Work, Vectors]]) -> None:
    """Upsert in the order of items, so that two writers wait for each other instead of deadlocking."""
    if not embedded:
        return
    ordered = sorted(embedded, key=lambda pair: pair[0].claim.item_id)
    items, hashes = [work.claim.item_id for work, _ in ordered], [work.content_hash for work, _ in ordered]
    vectors = np.stack([vector for _, vector in ordered])
    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:  # Django's own binds text
        cursor.adapters.register_dumper(HalfVectors, HalfVectorsDumper)
        (oid,) = cursor.execute("SELECT 'halfvec'::regtype::oid::int").fetchone() or (0,)
        cursor.execute(UPSERT, (encoder.pk, items, hashes, HalfVectors(oid, vectors)))


@dataclass(frozen=True, slots=True)
class HalfVectors:
    """Rows, (n, dimensions), to be bound as a halfvec[]; `oid` is the number of the type halfvec in this database."""

    oid: int
    rows: Vectors


class HalfVectorsDumper(Dumper):
    """PostgreSQL's binary array: its dimensions, no NULLs, the element's type, length, first index; then each element
    after its length in bytes, a halfvec being two 16-bit numbers (its dimensions, nothing) and the values."""

    format = Format.BINARY

    def dump(self, obj: HalfVectors) -> bytes:
        count, dimensions = obj.rows.shape
        layout = [("bytes", ">i4"), ("dimensions", ">u2"), ("nothing", ">u2"), ("values", ">f2", dimensions)]
        elements = np.zeros(count, np.dtype(layout))
        elements["bytes"], elements["dimensions"] = 4 + 2 * dimensions, dimensions
        elements["values"] = obj.rows
        return struct.pack(">iiIii", 1, 0, obj.oid, count, 1) + elements.tobytes()


@transaction.atomic
def drop(encoder: Encoder, lease: Lease, claims: Sequence[Claim]) -> None:
    """Items that hold nothing for this space any more leave the job, and their old vectors go."""
    ours = lease.lock(claim.id for claim in claims)
    items = [claim.item_id for claim in claims if claim.id in ours]
    Embedding.objects.filter(encoder=encoder, item__in=items).delete()
    JobItem.objects.filter(pk__in=ours).delete()


@transaction.atomic
def skip(lease: Lease, claims: Sequence[Claim]) -> None:
    """Items that have their vector already are done."""
    ours = lease.lock(claim.id for claim in claims)
    _mark_done([claim for claim in claims if claim.id in ours])


def _mark_done(claims: Sequence[Claim]) -> None:
    done = JobItem.objects.filter(pk__in=[claim.id for claim in claims])
    done.update(state=JobItem.State.DONE, reason="", **FREE)


def _mark_failed(failure: Failure) -> None:
    failures = failure.work.claim.failures_alone + 1
    quarantined = failure.final or failures >= FAILURES_TO_QUARANTINE
    JobItem.objects.filter(pk=failure.work.claim.id).update(
        state=JobItem.State.QUARANTINED if quarantined else JobItem.State.PENDING,
        failures_alone=failures,
        batch_limit=1,
        reason=failure.reason,
        **FREE,
    )


def _halve(lease: Lease, works: Sequence[Work]) -> None:
    lease.give_back([work.claim.id for work in works], batch_limit=max(1, len(works) // 2))
