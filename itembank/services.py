"""What people do with uploads and items. Each function owns its transaction; the work is done by itembank/imports."""

from pathlib import PurePosixPath
from typing import cast

from django.contrib.auth.models import User
from django.core.files.base import File
from django.db import transaction
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from itembank.imports.landing import DERIVED
from itembank.imports.records import UPLOADED, PlacedImage, StoredImage, derive
from itembank.models import Item, ItemImage, UploadBatch
from itembank.uploads.drafts import ImageRole

State = UploadBatch.State
CANCELLABLE = (State.CHECKING, State.READY, State.IMPORTING)
EDITED = (*UPLOADED, *DERIVED, "updated_at")


class UploadStateError(Exception):
    """The upload is not in the state that the step needs; the message says so to the person."""


def create_upload(
    *, file: File[bytes], images_file: File[bytes] | None = None, user: User | None = None
) -> UploadBatch:
    """Keep the files, to be checked (itembank/dispatch.py rings). Reasons will be in the language that is active."""
    name = PurePosixPath((file.name or "").replace("\\", "/")).name
    return UploadBatch.objects.create(
        file=file, file_name=name[-255:], images_file=images_file, created_by=user, language=get_language() or "ko"
    )


def confirm_upload(*, batch_id: int) -> None:
    """Let the import begin. Raises UploadStateError unless the preview is ready."""
    ready = UploadBatch.objects.filter(pk=batch_id, state=State.READY)
    zero = dict.fromkeys(("processed_rows", "new_count", "changed_count", "unchanged_count", "rejected_count"), 0)
    if not ready.update(state=State.IMPORTING, attempts=0, heartbeat_at=None, **zero):
        raise UploadStateError(_("This upload is not ready to be confirmed, or somebody has done it already."))


def cancel_upload(*, batch_id: int) -> None:
    """End the upload where it stands; rows that have landed stay. Raises UploadStateError where it has ended."""
    running = UploadBatch.objects.filter(pk=batch_id, state__in=CANCELLABLE)
    if not running.update(state=State.CANCELLED, finished_at=timezone.now()):
        raise UploadStateError(_("This upload has ended already."))


@transaction.atomic
def save_item(*, item: Item) -> Item:
    """Save an item that was edited by hand, with its derived fields right. Its images are those in the database.

    The row is locked, so that no import replaces an image meanwhile. Raises Item.DoesNotExist where it was deleted.
    """
    if item.pk:
        Item.objects.select_for_update(no_key=True).only("pk").get(pk=item.pk)
    fields = {name: getattr(item, name) for name in UPLOADED}
    derived = derive(fields, _placed_images(item))
    item.category, item.content_hash = derived.category.value, derived.content_hash
    item.record_hash = derived.record_hash
    item.save(update_fields=EDITED if item.pk else None)
    return item


def _placed_images(item: Item) -> list[PlacedImage]:
    """In the order of an upload: question, explanation, choices. Read now, whatever the item has prefetched."""
    order = {"question": 0, "explanation": 1, "choice": 2}
    images = ItemImage.objects.filter(item=item) if item.pk else ItemImage.objects.none()
    return [_placed_image(image) for image in sorted(images, key=lambda image: (order[image.role], image.position))]


def _placed_image(image: ItemImage) -> PlacedImage:
    stored = StoredImage(str(image.file), image.sha256, image.width, image.height)
    return PlacedImage(cast(ImageRole, image.role), image.position, stored)
