"""Uploads taken through the services in this process, as a worker and a person would."""

from pathlib import Path

from django.core.files.base import ContentFile

from itembank import services
from itembank.imports.passes import check_upload, import_upload
from itembank.models import UploadBatch


def make_upload(data: bytes, *, name: str = "items.jsonl", images: bytes | None = None) -> UploadBatch:
    """An upload as it is just after it was sent."""
    images_file = ContentFile(images, name="images.zip") if images else None
    return services.create_upload(file=ContentFile(data, name=name), images_file=images_file)


def checked(data: bytes, *, name: str = "items.jsonl", images: bytes | None = None) -> UploadBatch:
    """An upload whose preview is there, or which failed."""
    batch = make_upload(data, name=name, images=images)
    check_upload(batch.pk)
    batch.refresh_from_db()
    return batch


def imported(data: bytes, *, name: str = "items.jsonl", images: bytes | None = None) -> UploadBatch:
    """An upload that was checked, confirmed and imported."""
    return confirmed(checked(data, name=name, images=images))


def confirmed(batch: UploadBatch) -> UploadBatch:
    services.confirm_upload(batch_id=batch.pk)
    import_upload(batch.pk)
    batch.refresh_from_db()
    return batch


def counts(batch: UploadBatch) -> tuple[int, int, int, int]:
    """New, changed, unchanged, rejected."""
    return batch.new_count, batch.changed_count, batch.unchanged_count, batch.rejected_count


def stored_files(media: Path) -> list[str]:
    """Names of the image files below the media folder."""
    return sorted(path.relative_to(media).as_posix() for path in media.glob("items/*/*"))
