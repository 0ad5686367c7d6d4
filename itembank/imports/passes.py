"""The two passes over an upload: the check that fills the preview, and the import that lands the good rows.

A chunk of rows is settled in one transaction together with the counts and the place in the file that the batch has
reached. A pass that is killed therefore leaves whole chunks, and goes on behind them when it is run again.
"""

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from itembank.alone import Work, alone_on
from itembank.models import UploadBatch, UploadRow
from itembank.uploads.drafts import UploadError
from itembank.uploads.opening import open_upload

from .chunks import Chunk, prepare, split
from .intake import ImageIntake
from .landing import known_hashes, land
from .preview import keep_rejected, keep_sample, refused_row

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5  # of workers that died over the same chunk
COUNTS = ("new_count", "changed_count", "unchanged_count", "rejected_count")

State = UploadBatch.State
Step = Callable[[UploadBatch, Chunk], None]
Progress = Callable[[UploadBatch], None]


def check_upload(batch_id: int, *, progress: Progress | None = None) -> None:
    """Fill the preview of a batch in the state checking; it ends as ready, or as failed with the reason.

    Safe to call at any time from anywhere: where the batch is in another state or another process works on it,
    nothing happens. `progress` is called after each chunk.
    """
    _run(batch_id, State.CHECKING, _check_chunk, then=State.READY, progress=progress)


def import_upload(batch_id: int, *, progress: Progress | None = None) -> None:
    """Land the good rows of a batch in the state importing; it ends as imported. As safe as `check_upload`."""
    _run(batch_id, State.IMPORTING, _import_chunk, then=State.IMPORTED, progress=progress)


def _run(batch_id: int, state: State, step: Step, *, then: State, progress: Progress | None) -> None:
    with alone_on(Work.UPLOAD, batch_id) as alone:
        batch = _claimed(batch_id, state) if alone else None
        if batch is None:
            return
        with translation.override(batch.language), _rare_collections():
            try:
                _work(batch, step, then, progress)
            except UploadError as error:
                _fail(batch, str(error))
            except (DatabaseError, InterfaceError):
                raise  # the sweeper rings again
            except Exception as error:
                logger.exception("upload %s failed", batch_id)
                _fail(batch, _unexpected(error))


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Rows make many objects and no cycles: looking for cycles all the time costs a fifth of a pass."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _claimed(batch_id: int, state: State) -> UploadBatch | None:
    """The batch, with one more attempt on it; None where there is nothing to do."""
    mine = UploadBatch.objects.filter(pk=batch_id, state=state)
    mine.update(attempts=F("attempts") + 1, heartbeat_at=timezone.now())
    batch = mine.first()
    if batch and batch.attempts > MAX_ATTEMPTS:
        with translation.override(batch.language):
            _fail(batch, _broken_off(batch))
        return None
    return batch


def _work(batch: UploadBatch, step: Step, then: State, progress: Progress | None) -> None:
    images = Path(batch.images_file.path) if batch.images_file else None
    with open_upload(Path(batch.file.path), images=images) as upload:
        intake = ImageIntake(upload.images)
        rows = islice(upload.rows(), batch.processed_rows, None)
        for chunk in split(rows):
            settled = _settle(batch, prepare(chunk, intake), step)
            if settled is None:
                return
            if progress:
                progress(settled)
    _finish(batch, then)


def _settle(batch: UploadBatch, chunk: Chunk, step: Step) -> UploadBatch | None:
    """The batch after the chunk; None where the batch was cancelled meanwhile."""
    with transaction.atomic():
        current = UploadBatch.objects.select_for_update(no_key=True).get(pk=batch.pk)
        if current.state != batch.state:
            return None
        step(current, chunk)
        current.processed_rows += chunk.size
        current.total_rows = max(current.total_rows, current.processed_rows)
        current.heartbeat_at = timezone.now()
        current.attempts = 0
        current.save(update_fields=["processed_rows", "total_rows", "heartbeat_at", "attempts", *COUNTS])
    return current


def _check_chunk(batch: UploadBatch, chunk: Chunk) -> None:
    """Count what an import would do now; keep the rejected rows and a sample of the others."""
    known = known_hashes(record.code for record in chunk.records)
    new = [record for record in chunk.records if record.code not in known]
    met = [record for record in chunk.records if record.code in known]
    changed = [record for record in met if known[record.code] != record.derived.record_hash]
    keep_sample(batch, new=new, changed=changed)
    keep_rejected(batch, chunk.rejected)
    unchanged = len(met) - len(changed)
    _count(batch, new=len(new), changed=len(changed), unchanged=unchanged, rejected=len(chunk.rejected))


def _import_chunk(batch: UploadBatch, chunk: Chunk) -> None:
    """Land the chunk's good rows. The bank may have changed since the check: counts and reasons are those of now."""
    if batch.processed_rows == 0:
        batch.rows.filter(outcome=UploadRow.Outcome.REJECTED).delete()
    landed = land(chunk.records, batch_id=batch.pk)
    rejected = [*chunk.rejected, *(refused_row(record, reason) for record, reason in landed.refused)]
    keep_rejected(batch, rejected)
    unchanged = len(chunk.records) - landed.new - landed.changed - len(landed.refused)
    _count(batch, new=landed.new, changed=landed.changed, unchanged=unchanged, rejected=len(rejected))


def _count(batch: UploadBatch, *, new: int, changed: int, unchanged: int, rejected: int) -> None:
    batch.new_count += new
    batch.changed_count += changed
    batch.unchanged_count += unchanged
    batch.rejected_count += rejected


def _finish(batch: UploadBatch, state: State) -> None:
    finished_at = timezone.now() if state == State.IMPORTED else None
    mine = UploadBatch.objects.filter(pk=batch.pk, state=batch.state)
    if not mine.filter(processed_rows__gt=0).exists():
        _fail(batch, _("The file has no items."))
    mine.update(state=state, finished_at=finished_at, attempts=0, heartbeat_at=timezone.now())


def _fail(batch: UploadBatch, reason: str) -> None:
    if batch.state == State.IMPORTING:
        reason += " " + _("What had landed before stays; upload the corrected file and the rest will follow.")
    mine = UploadBatch.objects.filter(pk=batch.pk, state=batch.state)
    mine.update(state=State.FAILED, error=reason, finished_at=timezone.now())


def _unexpected(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return _("The uploaded file is gone from the server. Upload it again.")
    if isinstance(error, MemoryError):
        return _("The file needs more memory than the worker has. Split it.")
    message = _("The file could not be read (%(kind)s). The server's log tells more; nothing further was imported.")
    return message % {"kind": type(error).__name__}


def _broken_off(batch: UploadBatch) -> str:
    message = _("The worker died %(times)d times after row %(row)d. Split the file, or look at the server's log.")
    return message % {"times": MAX_ATTEMPTS, "row": batch.processed_rows}
