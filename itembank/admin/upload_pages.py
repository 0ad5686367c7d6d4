"""What the page of one upload shows."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from itembank.models import Item, ItemImage, UploadBatch, UploadRow
from itembank.selectors import sample_images, sample_rows, upload_counts
from itembank.thumbnails import fitted_size

THUMBNAIL_SIZE = 96
State = UploadBatch.State
STATE_LOOKS = {
    State.CHECKING: "ib-run",
    State.READY: "ib-warn",
    State.IMPORTING: "ib-run",
    State.IMPORTED: "ib-good",
    State.FAILED: "ib-bad",
    State.CANCELLED: "",
}
_COUNT_LOOKS = {"new": "ib-done", "changed": "ib-leased", "unchanged": "ib-pending", "rejected": "ib-failed"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A thumbnail of the preview; sizes in pixels."""

    url: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A row of the preview: the item as it would land, and the names of the fields that would change."""

    row: UploadRow
    pictures: list[Picture]
    changes: list[str]


def number(count: int) -> str:
    return number_format(count, force_grouping=True)


def detail(batch: UploadBatch, user: User) -> dict[str, Any]:
    return {
        "live": live(batch),
        "look": STATE_LOOKS[State(batch.state)],
        "controls": _controls(batch) if user.has_perm("itembank.import_uploads") else [],
        "nothing_to_do": batch.state == State.READY and not batch.new_count + batch.changed_count,
        "samples": [_sample(row) for row in sample_rows(batch)],
    }


def live(batch: UploadBatch) -> dict[str, Any]:
    """What the page asks for again while a worker is at it. `percent` is None while the number of rows is unknown."""
    known = batch.state != State.CHECKING and batch.total_rows
    return {
        "state": batch.state,
        "percent": 100 * batch.processed_rows // batch.total_rows if known else None,
        "words": _words(batch),
        "counts": [
            {"name": name, "label": str(UploadRow.Outcome(name).label), "count": number(count), "look": look}
            for (name, count), look in zip(upload_counts(batch).items(), _COUNT_LOOKS.values(), strict=True)
        ],
    }


def _words(batch: UploadBatch) -> str:
    if batch.state in (State.CHECKING, State.IMPORTING) and batch.heartbeat_at is None:
        return _("Waiting for a worker …")
    if batch.state == State.CHECKING:
        return _("%(rows)s rows checked") % {"rows": number(batch.processed_rows)}
    if not batch.total_rows:
        return ""
    numbers = {"rows": number(batch.processed_rows), "total": number(batch.total_rows)}
    return _("%(rows)s of %(total)s rows") % numbers


def _controls(batch: UploadBatch) -> list[str]:
    """The buttons that fit the state."""
    if batch.state == State.READY:
        return ["confirm", "cancel"] if batch.new_count + batch.changed_count else ["cancel"]
    return ["cancel"] if batch.state in (State.CHECKING, State.IMPORTING) else []


def _sample(row: UploadRow) -> Sample:
    changes = [_field_label(name) for name in row.raw.get("changes", [])]
    return Sample(row, [_picture(row, image) for image in sample_images(row)], changes)


def _picture(row: UploadRow, image: ItemImage) -> Picture:
    url = reverse("admin:itembank_uploadbatch_image", args=[row.batch_id, image.sha256])
    return Picture(url, *fitted_size(image, THUMBNAIL_SIZE))


def _field_label(name: str) -> str:
    return _("images") if name == "images" else str(Item._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
