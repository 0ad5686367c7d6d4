"""Celery tasks that build truth sets. A message carries an id and may be lost, doubled or late without harm."""

import logging

from celery import shared_task
from django.conf import settings
from kombu.exceptions import OperationalError

from groundtruth.build_run import run_build
from groundtruth.builds import silent_builds

logger = logging.getLogger(__name__)


# Acknowledged when it begins: the sweeper brings a build back sooner than the broker would.
@shared_task(name="groundtruth.build_truth", acks_late=False)
def build_truth(set_id: int) -> None:
    run_build(set_id)


def sweep_builds() -> None:
    """Ring for builds whose message was lost or whose worker died; one that is alive loses nothing by it."""
    for truth_set in silent_builds(seconds=settings.SWEEP_SECONDS):
        ring_build(truth_set.pk)


def ring_build(set_id: int) -> None:
    """Tell a worker about a build. Without a broker that is left to the sweeper."""
    try:
        build_truth.apply_async((set_id,), expires=max(60, 2 * settings.SWEEP_SECONDS))
    except OperationalError as error:
        logger.warning("The broker does not answer (%s); build %d goes on with the next sweep", error, set_id)
