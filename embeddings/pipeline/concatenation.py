"""One run over a job of a concatenated encoder: from the stored vectors of its parts, without any model."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np
from django.db import connection
from django.utils.translation import gettext as _
from numpy.typing import NDArray
from psycopg import Cursor

from embeddings.encoders.base import Vectors
from embeddings.encoders.concat import concatenate
from embeddings.encoders.errors import EncoderError
from embeddings.models import EmbeddingJob, Encoder, EncoderPart, JobItem
from embeddings.pipeline.inputs import Failure, Work
from embeddings.pipeline.leases import Claim
from embeddings.pipeline.results import Results, write
from embeddings.pipeline.run import JobRun, JobStuckError
from embeddings.selectors import items_for
from itembank.models import Item

WINDOW = 1024  # rows claimed, read and written at once: a few megabytes a part
CONCATENATION = "concat"  # the backend of such encoders

STORED = """
SELECT item_id, content_hash, halfvec_send(embedding) FROM embeddings_embedding
WHERE encoder_id = %b AND item_id = ANY(%b)
"""


class PartsBehindError(Exception):
    """Items of the job were edited since their parts were embedded: the parts come first."""

    def __init__(self, item_ids: Collection[int]) -> None:
        super().__init__(f"{len(item_ids)} items lack a current vector of a part")
        self.item_ids = item_ids


class Gap(Enum):
    """Why an item has no current vector in a part that suits it."""

    AWAITED = auto()  # a running job of the part has it
    WANTED = auto()  # no job of the part has had its present content
    BLOCKED = auto()  # a person stopped the job that has it, or it is stuck
    QUARANTINED = auto()


@dataclass(frozen=True, slots=True)
class Trace:
    """What a job of a part says of an item."""

    state: str
    reason: str
    job_id: int
    job_state: str

    @property
    def unfinished(self) -> bool:
        return self.state in {JobItem.State.PENDING, JobItem.State.LEASED}


@dataclass
class ConcatenationRun(JobRun):
    """Builds the vectors of rows of one job until none waits, the job is no longer running, the time is over or `stop`
    is set.

    Raises PartsBehindError where parts must be embedded first, JobStuckError where a person has to see to that. What
    could be built is built by then, and the rest waits.
    """

    _parts: list[EncoderPart] = field(init=False)
    _wanted: set[int] = field(default_factory=set, init=False)
    _blocked: defaultdict[tuple[Encoder, int], int] = field(default_factory=lambda: defaultdict(int), init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._parts = list(self.job.encoder.parts.select_related("part"))

    def __call__(self) -> None:
        try:
            self.slot.model(self.job.encoder)  # not loaded: only to hear whether its definition still holds
            while self._may_go_on() and (claims := self._claim(WINDOW)) is not None:
                self._build(read_hashes(claims))
                self._keep_lease()
        except EncoderError as error:
            raise JobStuckError(str(error)) from error
        finally:
            self._lease.give_back_all()  # rows with a gap were held till now, or they would be claimed again and again
        if self._wanted:
            raise PartsBehindError(self._wanted)
        if self._blocked:
            raise JobStuckError(" ".join(self._obstacles()))

    def _build(self, works: Sequence[Work]) -> None:
        if not works:
            return
        columns = [stored_rows(part.part, works) for part in self._parts]
        gaps = np.any([lacking for _rows, lacking in columns], axis=0)
        whole = np.flatnonzero(~gaps).tolist()
        parts = [rows[whole] for rows, _lacking in columns]
        results = join([works[index] for index in whole], parts, [part.weight for part in self._parts])
        results.failures += self._look_into(works, [lacking for _rows, lacking in columns])
        write(self.job.encoder, self._lease, results)

    def _look_into(self, works: Sequence[Work], gaps: Sequence[NDArray[np.bool_]]) -> list[Failure]:
        """Remember what keeps the works with a gap from being built; returns those that never will be."""
        failed: dict[int, Failure] = {}
        stopped, wanted = set(), set()
        for part, lacking in zip(self._parts, gaps, strict=True):
            behind = {works[index].claim.item_id: works[index] for index in np.flatnonzero(lacking).tolist()}
            for item_id, (gap, trace) in traced(part.part, behind).items():
                if gap is Gap.QUARANTINED and trace:
                    failed[item_id] = Failure(behind[item_id], f"{part.part.slug}: {trace.reason}", final=True)
                elif gap is Gap.BLOCKED and trace:
                    stopped.add(item_id)
                    self._blocked[part.part, trace.job_id] += 1
                elif gap is Gap.WANTED:
                    wanted.add(item_id)
        self._wanted |= wanted - stopped - failed.keys()
        return list(failed.values())

    def _obstacles(self) -> Iterable[str]:
        for (part, job_id), count in self._blocked.items():
            job = EmbeddingJob.objects.get(pk=job_id)
            yield _(
                "Items without a current vector of %(part)s: %(count)d. Job %(job)s of %(part)s is in the state "
                "“%(state)s”. Let it finish or start a new one, then resume this job."
            ) % {"part": part.slug, "count": count, "job": job_id, "state": job.get_state_display()}
            if job.error:
                yield f"({part.slug}: {job.error})"


def read_hashes(claims: Sequence[Claim]) -> list[Work]:
    """The items of the claims by their content alone; one that is gone is left out.

    The hash is read before anything else, as in `read_works`: what an edit changes later is refused by the guard.
    """
    ids = [claim.item_id for claim in claims]
    hashes = dict(Item.objects.filter(pk__in=ids).values_list("pk", "content_hash"))
    return [
        Work(claim, hashes[claim.item_id], "", (), picture_missing=False) for claim in claims if claim.item_id in hashes
    ]


def stored_rows(part: Encoder, works: Sequence[Work]) -> tuple[Vectors, NDArray[np.bool_]]:
    """The part's vectors of the works' present content, (n, dimensions), and which works lack theirs, (n,).

    Where the part does not suit an item its row is zero, and nothing is lacking.
    """
    suited = set(items_for(part).filter(pk__in=[work.claim.item_id for work in works]).values_list("pk", flat=True))
    sent = _sent(part, [work.claim.item_id for work in works if work.claim.item_id in suited])
    found = {
        index: sent[work.claim.item_id, work.content_hash]
        for index, work in enumerate(works)
        if (work.claim.item_id, work.content_hash) in sent
    }
    rows = np.zeros((len(works), part.dimensions), np.float32)
    rows[list(found)] = _received(found.values(), part.dimensions)
    lacking = [index not in found and work.claim.item_id in suited for index, work in enumerate(works)]
    return rows, np.array(lacking)


def _sent(part: Encoder, item_ids: list[int]) -> dict[tuple[int, str], bytes]:
    """Vectors as PostgreSQL sends them, by item and content."""
    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:  # Django's own reads text
        rows = cursor.execute(STORED, (part.pk, item_ids), binary=True)
        return {(item_id, content_hash): vector for item_id, content_hash, vector in rows}


def _received(sent: Iterable[bytes], dimensions: int) -> Vectors:
    """The binary form of halfvec: two 16-bit numbers (its dimensions, nothing), then the values."""
    layout = np.dtype([("head", ">u2", 2), ("values", ">f2", dimensions)])
    values: Vectors = np.frombuffer(b"".join(sent), layout)["values"].astype(np.float32)
    return values


def join(works: Sequence[Work], parts: Sequence[Vectors], weights: Sequence[float]) -> Results:
    """The concatenated vector of each work; a work that no part suits fails."""
    results = Results()
    if not works:
        return results
    some = np.any([rows.any(axis=1) for rows in parts], axis=0)
    present = np.flatnonzero(some).tolist()
    vectors = concatenate([rows[present] for rows in parts], weights)
    results.embedded = list(zip([works[index] for index in present], vectors, strict=True))
    reason = _("no part of the concatenation has a vector")
    results.failures = [Failure(works[index], reason, final=True) for index in np.flatnonzero(~some).tolist()]
    return results


def traced(part: Encoder, item_ids: Collection[int]) -> dict[int, tuple[Gap, Trace | None]]:
    """By item, why it has no current vector in the part, and the row of the part's jobs that says so."""
    if not item_ids:
        return {}
    rows = JobItem.objects.filter(job__encoder=part, item__in=list(item_ids)).order_by("updated_at", "job")
    traces: dict[int, list[Trace]] = {item_id: [] for item_id in item_ids}
    for row in rows.select_related("job"):
        traces[row.item_id].append(Trace(row.state, row.reason, row.job_id, row.job.state))
    return {item_id: judged(history) for item_id, history in traces.items()}


def judged(history: Sequence[Trace]) -> tuple[Gap, Trace | None]:
    """What the rows of a part's jobs say of one item, oldest first.

    WANTED only where no running or paused job has the item: exactly those get a new job, so that asking for one always
    brings the item further.
    """
    for state, gap in ((EmbeddingJob.State.RUNNING, Gap.AWAITED), (EmbeddingJob.State.PAUSED, Gap.BLOCKED)):
        for trace in history:
            if trace.unfinished and trace.job_state == state:
                return gap, trace
    last = history[-1] if history else None
    if last and last.state == JobItem.State.QUARANTINED:
        return Gap.QUARANTINED, last
    return (Gap.BLOCKED if last and last.unfinished else Gap.WANTED), last
