"""What may be done with embedding jobs. Each function owns its transaction.

None sends a message: embeddings/dispatch.py does, once the change is committed.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.models import User
from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from embeddings.models import Embedding, EmbeddingJob, Encoder, JobItem, QueryEncoding, QueryReranking
from embeddings.pipeline.leases import FREE, release_overdue_rows
from embeddings.selectors import items_in_scope, parts_of, unfinished_rows
from itembank.models import Item

QUERY_LIFE = timedelta(days=1)
State = EmbeddingJob.State

FILL = """
INSERT INTO embeddings_jobitem
    (job_id, item_id, state, attempts, failures_alone, batch_limit, in_flight, lease_owner, reason, updated_at)
SELECT %s, item.id, 'pending', 0, 0, {limit}, false, '', '', now() FROM ({items}) item ORDER BY item.id
"""


class JobStateError(Exception):
    """The job is not in a state in which this can be done; the message says so to the user."""


@transaction.atomic
def start_job(
    *, encoder: Encoder, scope: str, user: User | None = None, item_ids: Iterable[int] | None = None
) -> EmbeddingJob:
    """A running job over the items of the scope that suit the encoder; a finished one where there are none.

    A concatenation is built from its parts: jobs for what these lack come before its own.

    `item_ids` are those of the scope "selection". Raises ValueError where they are missing or out of place.
    """
    if (scope == EmbeddingJob.Scope.SELECTION) != (item_ids is not None):
        raise ValueError("item_ids belong to the scope 'selection', and to no other")
    items = items_in_scope(encoder, scope, list(item_ids or ()))
    _start_parts(encoder, items, user)
    return _start(encoder, scope, items, user)


def _start(encoder: Encoder, scope: str, items: QuerySet[Item], user: User | None) -> EmbeddingJob:
    job = EmbeddingJob.objects.create(encoder=encoder, scope=scope, created_by=user)
    _fill(job, items)
    finish_job(job=job)
    return job


def _start_parts(encoder: Encoder, items: QuerySet[Item], user: User | None) -> None:
    """Jobs over what the encoder's parts lack of the items, except what a running or paused job of a part has."""
    for part in parts_of(encoder):
        missing = items_in_scope(part, EmbeddingJob.Scope.MISSING).filter(pk__in=items.order_by().values("pk"))
        missing = missing.filter(~Exists(unfinished_rows(part).filter(item=OuterRef("pk"))))
        if missing.exists():
            _start_parts(part, missing, user)
            _start(part, EmbeddingJob.Scope.MISSING, missing, user)


def _fill(job: EmbeddingJob, items: QuerySet[Item]) -> None:
    try:
        select, parameters = items.order_by().values("id").query.sql_with_params()
    except EmptyResultSet:  # a selection of nothing
        return
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(items=select, limit=JobItem.LARGEST_BATCH), [job.pk, *parameters])


def pause_job(*, job: EmbeddingJob) -> EmbeddingJob:
    """Hold the job after the micro-batches in work. Raises JobStateError."""
    return _change(job, {State.RUNNING: State.PAUSED})


def hold_stuck_job(*, job: EmbeddingJob, error: str) -> None:
    """Pause a job that cannot go on, with the reason; nothing where a person was faster."""
    EmbeddingJob.objects.filter(pk=job.pk, state=State.RUNNING).update(state=State.PAUSED, error=error)


@transaction.atomic
def resume_job(*, job: EmbeddingJob) -> EmbeddingJob:
    """Go on with a paused job, that of a concatenation after what its parts lack. Raises JobStateError."""
    resumed = _change(job, {State.PAUSED: State.RUNNING}, error="")
    _start_parts(job.encoder, _waiting_items(job), job.created_by)
    return resumed


@transaction.atomic
def catch_up_parts(*, job: EmbeddingJob, item_ids: Iterable[int]) -> None:
    """Embed the parts of items that were edited since; the concatenation's job waits. Nothing for one not running."""
    if EmbeddingJob.objects.select_for_update().filter(pk=job.pk, state=State.RUNNING).exists():
        _start_parts(job.encoder, Item.objects.filter(pk__in=list(item_ids)), job.created_by)


def cancel_job(*, job: EmbeddingJob) -> EmbeddingJob:
    """End the job; vectors that it made stay. Raises JobStateError."""
    return _change(job, {State.RUNNING: State.CANCELLED, State.PAUSED: State.CANCELLED}, finished_at=Now())


@transaction.atomic
def retry_failed(*, job: EmbeddingJob) -> EmbeddingJob:
    """Let the job's quarantined items try again, each alone, those of a concatenation in its parts too.

    Raises JobStateError where there are none.
    """
    locked = EmbeddingJob.objects.select_for_update().get(pk=job.pk)
    quarantined = JobItem.objects.filter(job=locked, state=JobItem.State.QUARANTINED)
    if locked.state == State.CANCELLED or not quarantined.update(
        state=JobItem.State.PENDING, failures_alone=0, batch_limit=1, reason="", **FREE
    ):
        raise JobStateError(_("Job %(id)s has no quarantined items to try again.") % {"id": job.pk})
    if locked.state != State.PAUSED:
        EmbeddingJob.objects.filter(pk=job.pk).update(state=State.RUNNING, error="", finished_at=None)
    _start_parts(job.encoder, _waiting_items(job), job.created_by)
    job.refresh_from_db()
    return job


@transaction.atomic
def finish_job(*, job: EmbeddingJob) -> bool:
    """End a running job that has nothing left to do; returns whether it has ended.

    Items that were edited after their vector was written wait again first: a finished job leaves nothing outdated.
    """
    locked = EmbeddingJob.objects.select_for_update().filter(pk=job.pk, state=State.RUNNING).first()
    unfinished = JobItem.objects.filter(job=job, state__in=[JobItem.State.PENDING, JobItem.State.LEASED])
    if locked is None or unfinished.exists() or _requeue_outdated(locked):
        return False
    failed = JobItem.objects.filter(job=job, state=JobItem.State.QUARANTINED).exists()
    locked.state = State.COMPLETED_WITH_FAILURES if failed else State.COMPLETED
    locked.finished_at = timezone.now()
    locked.save(update_fields=["state", "finished_at"])
    job.refresh_from_db()
    return True


def sweep() -> None:
    """Mend what lost messages and dead workers left: free rows whose lease ran out, end jobs that are through."""
    release_overdue_rows()
    unfinished = JobItem.objects.filter(job=OuterRef("pk"), state__in=[JobItem.State.PENDING, JobItem.State.LEASED])
    for job in EmbeddingJob.objects.filter(~Exists(unfinished), state=State.RUNNING):
        finish_job(job=job)
    QueryEncoding.objects.filter(created_at__lt=Now() - QUERY_LIFE).delete()
    QueryReranking.objects.filter(created_at__lt=Now() - QUERY_LIFE).delete()


def _waiting_items(job: EmbeddingJob) -> QuerySet[Item]:
    return Item.objects.filter(pk__in=job.items.filter(state=JobItem.State.PENDING).order_by().values("item"))


def _requeue_outdated(job: EmbeddingJob) -> int:
    current = Embedding.objects.filter(
        encoder=job.encoder_id, item=OuterRef("item"), content_hash=OuterRef("item__content_hash")
    )
    outdated = JobItem.objects.filter(~Exists(current), job=job, state=JobItem.State.DONE)
    return JobItem.objects.filter(pk__in=outdated.values("pk")).update(state=JobItem.State.PENDING, **FREE)


def _change(job: EmbeddingJob, moves: dict[State, State], **values: object) -> EmbeddingJob:
    """Move the job from one state to another in one step, so that two people who press at once both get an answer."""
    for before, after in moves.items():
        if EmbeddingJob.objects.filter(pk=job.pk, state=before).update(state=after, **values):
            job.refresh_from_db()
            return job
    job.refresh_from_db()
    raise JobStateError(
        _("Job %(id)s is in the state “%(state)s”, so this cannot be done.")
        % {"id": job.pk, "state": job.get_state_display()}
    )
