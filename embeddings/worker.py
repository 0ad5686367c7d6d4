"""The GPU worker process: how it starts, works on jobs, answers queries and stops."""

import io
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from celery.signals import worker_init, worker_ready, worker_shutting_down
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import translation
from PIL import Image

from embeddings import job_services
from embeddings.encoders.base import EncoderInput, Role
from embeddings.encoders.errors import EncoderError, ItemError, ModelUnavailable
from embeddings.gpu import SLOT, SlotTakenError
from embeddings.models import EmbeddingJob, QueryEncoding, QueryReranking
from embeddings.pipeline.concatenation import CONCATENATION, ConcatenationRun, PartsBehindError
from embeddings.pipeline.inputs import describe
from embeddings.pipeline.leases import free_rows_of, release_rows_of
from embeddings.pipeline.run import JobRun, JobStuckError, Run
from embeddings.precision_services import settle_precision
from embeddings.reranker_services import settle_reranker
from embeddings.search.answers import Hit
from embeddings.search.rerank import rerank
from embeddings.search.types import SearchError
from embeddings.selectors import ready_jobs

logger = logging.getLogger(__name__)

GPU_QUEUES = frozenset({"gpu.query", "gpu.batch"})
SLICE_SECONDS = 60.0
FIRST_PAUSE, LAST_PAUSE = 0.5, 10.0
IDLE_CHECK_SECONDS = 60.0

_stopping = threading.Event()
_batch_loop = threading.Lock()
_predecessor = threading.Lock()
_predecessor_buried = False


# ---- jobs


def work_on(job_id: int) -> bool:
    """Work on the job for a slice of time. Returns False at once where this process is at work on a job already."""
    if not _batch_loop.acquire(blocking=False):
        return False
    try:
        _work_through_outages(job_id, until=time.monotonic() + SLICE_SECONDS)
    finally:
        _batch_loop.release()
    return True


def _work_through_outages(job_id: int, *, until: float) -> None:
    """While the database is away, wait and try again; the rows tell what is left to do."""
    pause = FIRST_PAUSE
    while not _stopping.is_set():
        try:
            _work(job_id, until)
        except (OperationalError, InterfaceError) as error:
            connection.close()
            if time.monotonic() + pause > until:
                raise
            logger.warning("The database does not answer (%s); trying again in %.1f s", describe(error), pause)
            _stopping.wait(pause)
            pause = min(2 * pause, LAST_PAUSE)
        else:
            break


def _work(job_id: int, until: float) -> None:
    bury_predecessor()
    free_rows_of(SLOT.owner)  # what this process held when the database went away
    job = ready_jobs().select_related("encoder").filter(pk=job_id).first()
    if job is None:
        return
    try:
        job.encoder = settle_precision(job.encoder)
        run_kind(job)(job, SLOT, until, _stopping)()
    except (OperationalError, InterfaceError):
        raise
    except PartsBehindError as error:
        job_services.catch_up_parts(job=job, item_ids=error.item_ids)
    except Exception as error:  # a person has to look; a MemoryError would end the whole worker
        logger.exception("Job %d cannot go on and is paused", job.pk)
        job_services.hold_stuck_job(job=job, error=str(error) if isinstance(error, JobStuckError) else describe(error))
    else:
        job_services.finish_job(job=job)


def run_kind(job: EmbeddingJob) -> type[JobRun]:
    return ConcatenationRun if job.encoder.backend == CONCATENATION else Run


def bury_predecessor() -> None:
    """Free the rows of the process that had this slot before: it is dead, or the slot would not be ours."""
    global _predecessor_buried  # noqa: PLW0603 - once a process, whichever thread comes first
    with _predecessor:
        if not _predecessor_buried:
            release_rows_of(SLOT.owner)
            _predecessor_buried = True


# ---- queries


MOST_QUERIES = 16
MOST_CHARACTERS = 20_000
"""Of the texts that one forward pass takes: one query may have as many alone."""

_encoding = threading.Lock()
_rung: deque[str] = deque()


def encode_query(query_id: str) -> None:
    """See that the row gets its vector, or the reason why it has none; nothing where it is answered or gone.

    One thread at a time encodes, and it goes on for as long as bells ring: the others are free again at once, for the
    job and for other kinds of queries.
    """
    _rung.append(query_id)
    while _rung and _encoding.acquire(blocking=False):
        try:
            while _rung:
                _answer(_rung.popleft())
        finally:
            _encoding.release()


def _answer(query_id: str) -> None:
    """What else waits for the encoder is answered too, in one forward pass: later bells find their rows answered."""
    together = _claimed(query_id)
    if len(together) > 1 and _encode_together(together):
        return
    for each in together:
        _encode(each)


@transaction.atomic
def _claimed(query_id: str) -> list[QueryEncoding]:
    """The query and those with it, this worker's for as long as people wait; none where it is another's or answered.

    A claim and no lock: a model may load for minutes, and no transaction should be open as long.
    """
    unclaimed = QueryEncoding.objects.filter(embedding=None, error="").exclude(claimed_until__gt=Now())
    waiting = unclaimed.select_for_update(of=("self",), skip_locked=True)
    query = waiting.select_related("encoder").filter(pk=query_id).first()
    if query is None:
        return []
    together = _with_it(query, waiting)
    _rows_of(together).update(claimed_until=Now() + timedelta(seconds=settings.QUERY_TIMEOUT_SECONDS))
    return together


def _rows_of(queries: Sequence[QueryEncoding]) -> QuerySet[QueryEncoding]:
    return QueryEncoding.objects.filter(pk__in=[query.pk for query in queries])


def _with_it(query: QueryEncoding, waiting: QuerySet[QueryEncoding]) -> list[QueryEncoding]:
    """The query, and the texts that people wait for now, the oldest first. Images go alone: they are large."""
    if query.image is not None:
        return [query]
    since = Now() - timedelta(seconds=settings.QUERY_TIMEOUT_SECONDS)
    others = waiting.filter(encoder=query.encoder, image=None, created_at__gt=since).exclude(pk=query.pk)
    found, characters = [query], len(query.text)
    for other in others.order_by("created_at")[: MOST_QUERIES - 1]:
        characters += len(other.text)
        if characters > MOST_CHARACTERS:
            break
        other.encoder = query.encoder
        found.append(other)
    return found


def _encode_together(queries: Sequence[QueryEncoding]) -> bool:
    """False where one of them spoils it for the others: each alone tells which, and why."""
    try:
        vectors = _query_vectors(queries)
    except ModelUnavailable as error:  # for each of them: nobody need wait for as many attempts
        _rows_of(queries).update(error=str(error) or describe(error), claimed_until=None)
        return True
    except Exception as error:
        logger.info("%d queries are encoded one by one: %s", len(queries), describe(error))
        return False
    for query, vector in zip(queries, vectors, strict=True):
        _rows_of([query]).update(embedding=vector, error="", claimed_until=None)
    return True


def _encode(query: QueryEncoding) -> None:
    try:
        answer: dict[str, Any] = {"embedding": _query_vectors([query])[0], "error": ""}
    except ItemError as error:
        answer = {"error": error.reason}
    except (EncoderError, MemoryError) as error:
        answer = {"error": str(error) or describe(error)}
    except Exception as error:  # a person waits for an answer, whatever the backend raises
        logger.exception("Query %s could not be encoded", query.pk)
        answer = {"error": describe(error)}
    _rows_of([query]).update(**answer, claimed_until=None)


def _query_vectors(queries: Sequence[QueryEncoding]) -> list[list[float]]:
    model = SLOT.model(settle_precision(queries[0].encoder))
    features = model.backend.preprocess([_input(query) for query in queries], Role.QUERY)
    vectors: list[list[float]] = SLOT.forward(model, features, urgent=True).tolist()
    return vectors


def _input(query: QueryEncoding | QueryReranking) -> EncoderInput:
    images = (Image.open(io.BytesIO(query.image)).convert("RGB"),) if query.image else ()
    return EncoderInput(query.text, images)


def rerank_query(query_id: str) -> None:
    """Give the row the new order of its hits, or the reason why there is none; nothing where it is answered or gone."""
    query = QueryReranking.objects.select_related("reranker").filter(pk=query_id, answer__isnull=True).first()
    if query is None:
        return
    try:
        with translation.override(query.language or None):
            answer: dict[str, Any] = {"answer": _new_order(query)}
    except (EncoderError, SearchError, MemoryError) as error:
        answer = {"error": str(error) or describe(error)}
    except Exception as error:  # a person waits for an answer, whatever the backend raises
        logger.exception("The hits of query %s could not be reranked", query_id)
        answer = {"error": describe(error)}
    QueryReranking.objects.filter(pk=query_id).update(**answer)


def _new_order(query: QueryReranking) -> list[tuple[int, float | None, bool, str]]:
    hits = [Hit(rank, item_id, code, 0.0, {}) for rank, (item_id, code) in enumerate(query.hits, start=1)]
    found = rerank(
        query.item_id or _input(query),
        hits,
        reranker=settle_reranker(query.reranker).spec(),
        top_n=query.top_n,
        threshold=query.threshold,
    )
    return [(each.hit.item_id, each.score, each.image_used, each.problem) for each in found]


# ---- the process


@worker_init.connect
def take_slot(sender: Any, **_: Any) -> None:
    """A worker that serves the GPU queues owns the slot, or does not start."""
    if not GPU_QUEUES & set(sender.app.amqp.queues.consume_from):
        return
    if "prefork" in str(sender.pool_cls):
        raise SystemExit("The GPU queues need --pool=threads: a loaded model does not survive a fork.")
    try:
        SLOT.acquire()
    except SlotTakenError as error:
        raise SystemExit(str(error)) from None


@worker_ready.connect
def resume_jobs(**_: Any) -> None:
    """Take up at once what the previous process left, without waiting for the sweeper."""
    if not SLOT.held:
        return
    threading.Thread(target=_unload_idle_models, name="idle-models", daemon=True).start()
    try:
        from embeddings.tasks import ring_next  # tasks import this module

        bury_predecessor()
        ring_next()
    except (OperationalError, InterfaceError):
        logger.warning("The database does not answer yet; jobs go on with the next sweep")
    finally:
        connection.close()


@worker_shutting_down.connect
def stop(**_: Any) -> None:
    _stopping.set()


def _unload_idle_models() -> None:
    while not _stopping.wait(IDLE_CHECK_SECONDS):
        try:
            SLOT.unload_idle()
        except Exception:  # this thread has to live on: what cannot be freed now may be freed later
            logger.exception("Idle models could not be unloaded")
