"""Celery tasks. Their messages are doorbells: an id at most, and no harm done by one that is lost, doubled or late."""

import logging
from contextlib import suppress

from celery import shared_task
from django.conf import settings
from kombu.exceptions import OperationalError

from embeddings import job_services, term_services, worker
from embeddings.indexes import build_index, encoders_to_index
from embeddings.selectors import jobs_with_waiting_rows
from embeddings.weak_lines import encoders_to_measure, measure_weak_below

logger = logging.getLogger(__name__)

TERMS_SECONDS = 30  # before other work of the cpu worker has its turn


# Acknowledged when they begin: rows and the sweeper bring work back sooner than the broker would, and a worker that
# holds an unacknowledged message when the broker dies ends with an error (kombu 5.7 fails to put the message back).
@shared_task(name="embeddings.run_job", acks_late=False)
def run_job(job_id: int) -> None:
    """Work on the job for a while, then ring for whatever waits next."""
    if worker.work_on(job_id):
        ring_next()


@shared_task(name="embeddings.encode_query", acks_late=False)
def encode_query(query_id: str) -> None:
    """Write the query's vector, or why there is none, to its row."""
    worker.encode_query(query_id)


@shared_task(name="embeddings.rerank_query", acks_late=False)
def rerank_query(query_id: str) -> None:
    """Write the new order of the query's hits, or why there is none, to its row."""
    worker.rerank_query(query_id)


@shared_task(name="embeddings.sweep")
def sweep() -> None:
    """Mend what lost messages and dead workers left, and ring for whatever waits."""
    job_services.sweep()
    ring_next()


@shared_task(name="embeddings.build_indexes")
def build_indexes() -> None:
    """Build the vector indexes that large encoders lack, and those that are broken."""
    for encoder in encoders_to_index():
        build_index(encoder)


@shared_task(name="embeddings.measure_weak_lines")
def measure_weak_lines() -> None:
    """Measure below which cosine hits are weak, for encoders that were filled or have grown."""
    for encoder in encoders_to_measure():
        measure_weak_below(encoder)


@shared_task(name="embeddings.index_terms")
def index_terms() -> None:
    """Store the terms of new and edited items for a while, and ring for the rest; keep the lexical index small."""
    indexed = term_services.index_terms(seconds=TERMS_SECONDS)
    if indexed.items and not indexed.finished:
        with suppress(OperationalError):  # the sweeper rings as well
            index_terms.apply_async(expires=60)


def ring(job_id: int) -> None:
    """Tell a worker about the job. Without a broker that is left to the sweeper."""
    try:
        run_job.apply_async((job_id,), expires=max(60, 2 * settings.SWEEP_SECONDS))
    except OperationalError as error:
        logger.warning("The broker does not answer (%s); job %d goes on with the next sweep", error, job_id)


def ring_next() -> None:
    """Ring for the oldest job that a worker could go on with."""
    for job in jobs_with_waiting_rows()[:1]:
        ring(job.pk)
