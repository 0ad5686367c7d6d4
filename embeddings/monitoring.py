"""Metrics of this floor: searches, jobs and their rows, indexes; and what a gpu worker tells of its device."""

import sys
from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Min, OuterRef, Q, Subquery
from django.db.models.functions import Now
from prometheus_client.core import GaugeMetricFamily, Metric

from embeddings.gpu import SLOT
from embeddings.indexes import IndexState, index_state
from embeddings.models import EmbeddingJob, Encoder, JobItem
from embeddings.search.counting import SEARCH_ERRORS, SEARCH_SECONDS
from embeddings.selectors import RATE_WINDOW
from itembank import heartbeats
from itembank.monitoring import counts
from itembank.monitoring.ground import by_state
from itembank.monitoring.registry import gauge, gauges, register, register_queries

State = EmbeddingJob.State


def register_all() -> None:
    register("searches", search_metrics)
    register_queries("jobs", job_metrics)
    register_queries("indexes", index_metrics)
    heartbeats.add_figures(device_figures)


# ---- searches


def search_metrics() -> Iterable[Metric]:
    read = counts.Read()
    yield read.histogram(SEARCH_SECONDS, "Time of searches by method and stage.", ["method", "stage"])
    yield read.counter(SEARCH_ERRORS, "Searches that failed, by code.", ["code"])


# ---- jobs


def job_metrics() -> Iterable[Metric]:
    yield gauges("itembank_jobs", "Embedding jobs.", "state", by_state(EmbeddingJob, State.values))
    rows = JobItem.objects.filter(job__state__in=[State.RUNNING, State.PAUSED]).order_by()
    by_row_state = dict.fromkeys(map(str, JobItem.State.values), 0.0) | {
        state: float(count) for state, count in rows.values_list("state").annotate(Count("pk"))
    }
    yield gauges("itembank_job_rows", "Rows of running and paused jobs.", "state", by_row_state)
    quarantined = JobItem.objects.filter(state=JobItem.State.QUARANTINED).exclude(job__state=State.CANCELLED)
    yield gauge("itembank_quarantined_rows", "Rows that failed three times alone, of all jobs.", quarantined.count())
    text = "Since the longest waiting row of a running job began to wait; 0 where none waits."
    yield gauge("itembank_oldest_pending_row_seconds", text, oldest_pending_seconds())
    text = "Rows embedded in the last minute, a second."
    yield gauge("itembank_embeddings_per_second", text, embedded_lately() / RATE_WINDOW.total_seconds())


def oldest_pending_seconds() -> float:
    """One probe of an index for each running job."""
    waiting = JobItem.objects.filter(job=OuterRef("pk"), state=JobItem.State.PENDING).order_by("updated_at")
    running = EmbeddingJob.objects.filter(state=State.RUNNING).annotate(
        since=Subquery(waiting.values("updated_at")[:1])
    )
    age = running.order_by().aggregate(age=Now() - Min("since"))["age"]
    return max(0.0, age.total_seconds()) if age else 0.0


def embedded_lately() -> int:
    """Rows of the last minute; only of jobs that may have any, for the index goes by job."""
    since = Now() - RATE_WINDOW
    jobs = EmbeddingJob.objects.filter(Q(state__in=[State.RUNNING, State.PAUSED]) | Q(finished_at__gt=since))
    return JobItem.objects.filter(job__in=jobs, state=JobItem.State.DONE, updated_at__gt=since).count()


# ---- indexes


def index_metrics() -> Iterable[Metric]:
    text = "1 for the state that the encoder's vector index is in: none, building, invalid or ready."
    states = GaugeMetricFamily("itembank_index_state", text, labels=["encoder", "state"])
    active = GaugeMetricFamily("itembank_encoder_active", "1 for the encoder that serves searches.", labels=["encoder"])
    for encoder in Encoder.objects.order_by("slug"):
        now = index_state(encoder)
        for state in IndexState:
            states.add_metric([encoder.slug, state], float(state is now))
        active.add_metric([encoder.slug], float(encoder.is_active))
    yield states
    yield active


# ---- the device


def device_figures() -> dict[str, Any]:
    """Of the process that owns the GPU slot: its models, and the memory of the GPU where models lie on one."""
    if not SLOT.held:
        return {}
    return {"models": SLOT.loaded(), **_gpu_memory()}


def _gpu_memory() -> dict[str, int]:
    torch = sys.modules.get("torch")
    # One that was not used yet would be set up by the question, for half a gigabyte.
    if torch is None or not torch.cuda.is_initialized():
        return {}
    return {
        "device_bytes": torch.cuda.memory_allocated(),
        "device_reserved_bytes": torch.cuda.memory_reserved(),
        "device_total_bytes": torch.cuda.mem_get_info()[1],
    }
