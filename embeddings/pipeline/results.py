"""Writing what became of a micro-batch. No vector of an old content is ever stored over an edit."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import connection, transaction
from pgvector import HalfVector
from pgvector.psycopg.halfvec import HalfVectorBinaryDumper
from psycopg import Cursor

from embeddings.encoders.base import Vectors
from embeddings.models import Embedding, Encoder, JobItem
from embeddings.pipeline.inputs import Failure, Work
from embeddings.pipeline.leases import FAILURES_TO_QUARANTINE, FREE, Claim, Lease
from itembank.models import Item

# The vector replaces whatever is there: the guard has seen that it is of the item's present content.
UPSERT = """
INSERT INTO embeddings_embedding (encoder_id, item_id, content_hash, embedding, created_at)
VALUES (%b, %b, %b, %b::halfvec, now())
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
    rows = [
        (encoder.pk, work.claim.item_id, work.content_hash, HalfVector(vector))
        for work, vector in sorted(embedded, key=lambda pair: pair[0].claim.item_id)
    ]
    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:  # Django's own binds text
        cursor.adapters.register_dumper(HalfVector, HalfVectorBinaryDumper)
        cursor.executemany(UPSERT, rows)


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
