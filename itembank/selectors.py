"""Read access to uploads: what the pages and commands show."""

from datetime import timedelta

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from itembank.models import ItemImage, UploadBatch, UploadRow
from itembank.uploads.columns import FIELDS

State = UploadBatch.State
Outcome = UploadRow.Outcome


def upload_counts(batch: UploadBatch) -> dict[str, int]:
    """Rows of the file by outcome: of the check, or of the import once it has begun."""
    return {
        "new": batch.new_count,
        "changed": batch.changed_count,
        "unchanged": batch.unchanged_count,
        "rejected": batch.rejected_count,
    }


def rejected_rows(batch: UploadBatch) -> QuerySet[UploadRow]:
    """One entry a reason, in the order of the file."""
    return batch.rows.filter(outcome=Outcome.REJECTED).order_by("row", "id")


def sample_rows(batch: UploadBatch) -> QuerySet[UploadRow]:
    """The first rows that would change or come in as new."""
    return batch.rows.filter(outcome__in=[Outcome.CHANGED, Outcome.NEW]).order_by("outcome", "row")


def rejected_columns(batch: UploadBatch) -> list[str]:
    """The names of all columns that rejected rows came with, those of the upload format first."""
    query = "SELECT DISTINCT jsonb_object_keys(raw) FROM itembank_uploadrow WHERE batch_id = %s AND outcome = %s"
    with connection.cursor() as cursor:
        cursor.execute(query, [batch.pk, Outcome.REJECTED])
        return sorted((name for (name,) in cursor.fetchall()), key=_place)


def silent_uploads(*, seconds: int) -> QuerySet[UploadBatch]:
    """Uploads that should be under way and of which no worker has given a sign of life for so long."""
    since = timezone.now() - timedelta(seconds=seconds)
    under_way = UploadBatch.objects.filter(state__in=[State.CHECKING, State.IMPORTING])
    return under_way.annotate(sign=Coalesce("heartbeat_at", "created_at")).filter(sign__lt=since).order_by("pk")


def _place(column: str) -> tuple[bool, str]:
    return column not in FIELDS, column


def sample_images(row: UploadRow) -> list[ItemImage]:
    """The images of a sample row, as they would be saved."""
    return [
        ItemImage(
            role=image["role"], file=image["name"], **{name: image[name] for name in ("sha256", "width", "height")}
        )
        for image in row.raw.get("images", [])
    ]


def sample_image(*, batch_id: int, sha256: str) -> ItemImage | None:
    """An image of the upload's sample, by its hash."""
    shown = UploadRow.objects.filter(batch=batch_id, raw__images__contains=[{"sha256": sha256}]).exclude(
        outcome=Outcome.REJECTED
    )
    images = (image for row in shown[:1] for image in sample_images(row))
    return next((image for image in images if image.sha256 == sha256), None)
