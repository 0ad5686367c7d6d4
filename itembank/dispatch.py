"""Uploads as pages use them: the services, with a doorbell rung once the change is committed."""

from functools import partial

from django.contrib.auth.models import User
from django.core.files.base import File
from django.db import transaction

from itembank import services
from itembank.models import UploadBatch
from itembank.services import UploadStateError, cancel_upload
from itembank.tasks import ring

__all__ = ["UploadStateError", "cancel_upload", "confirm_upload", "create_upload"]


def create_upload(*, file: File[bytes], images_file: File[bytes] | None, user: User) -> UploadBatch:
    """See services.create_upload."""
    batch = services.create_upload(file=file, images_file=images_file, user=user)
    transaction.on_commit(partial(ring, batch.pk, batch.state))
    return batch


def confirm_upload(*, batch_id: int) -> None:
    """See services.confirm_upload."""
    services.confirm_upload(batch_id=batch_id)
    transaction.on_commit(partial(ring, batch_id, UploadBatch.State.IMPORTING))
