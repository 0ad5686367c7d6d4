"""Celery tasks of the ground floor. A message carries an id and may be lost, doubled or late without harm."""

import logging

from celery import shared_task
from django.conf import settings
from kombu.exceptions import OperationalError

from itembank.imports import passes
from itembank.models import UploadBatch
from itembank.selectors import silent_uploads

logger = logging.getLogger(__name__)


@shared_task(name="itembank.check_upload")
def check_upload(batch_id: int) -> None:
    passes.check_upload(batch_id)


@shared_task(name="itembank.import_upload")
def import_upload(batch_id: int) -> None:
    passes.import_upload(batch_id)


@shared_task(name="itembank.sweep_uploads")
def sweep_uploads() -> None:
    """Ring for uploads whose message was lost or whose worker died; one that is alive loses nothing by it."""
    for batch in silent_uploads(seconds=settings.SWEEP_SECONDS):
        ring(batch.pk, batch.state)


def ring(batch_id: int, state: str) -> None:
    """Tell a worker about an upload in the given state. Without a broker that is left to the sweeper."""
    task = {UploadBatch.State.CHECKING: check_upload, UploadBatch.State.IMPORTING: import_upload}[
        UploadBatch.State(state)
    ]
    try:
        task.apply_async((batch_id,), expires=max(60, 2 * settings.SWEEP_SECONDS))
    except OperationalError as error:
        logger.warning("The broker does not answer (%s); upload %d goes on with the next sweep", error, batch_id)
