"""Searches of several clients at once, alone and while a job writes vectors."""

import time
from collections.abc import Sequence

import numpy as np
from django.core.management.base import CommandError

from embeddings.benchmarks.clients import Asked, ask_at_once
from embeddings.benchmarks.verdicts import Verdicts
from embeddings.dispatch import cancel_job, start_job
from embeddings.models import EmbeddingJob, Encoder, JobItem
from itembank.processes import running_worker

CLIENTS = (1, 4, 8)
CLIENTS_BESIDE_A_JOB = 4
START_SECONDS = 300


def measure_clients(encoder: Encoder, texts: Sequence[str], verdicts: Verdicts, *, seconds: float) -> None:
    """Print queries a second, latency and errors for one, four and eight clients without a filter."""
    for clients in CLIENTS:
        asked = ask_at_once(encoder.slug, texts, clients=clients, seconds=seconds)
        _report(f"{clients} clients", asked, verdicts)


def measure_under_job(encoder: Encoder, texts: Sequence[str], verdicts: Verdicts, *, seconds: float) -> None:
    """The same while the worker embeds all items anew and writes their vectors into the indexed partition."""
    with running_worker("gpu", {"LOG_LEVEL": "ERROR"}):
        job = start_job(encoder=encoder, scope=EmbeddingJob.Scope.ALL)
        _wait_for_vectors(job)
        before, began = _done(job), time.monotonic()
        asked = ask_at_once(encoder.slug, texts, clients=CLIENTS_BESIDE_A_JOB, seconds=seconds)
        written = (_done(job) - before) / (time.monotonic() - began)
        job.refresh_from_db()
        verdicts.note("a job beside searches", f"writes {written:.0f} vectors/s; it is {job.state}")
        if job.state == EmbeddingJob.State.RUNNING:
            cancel_job(job=job)
    _report(f"{CLIENTS_BESIDE_A_JOB} clients beside a job", asked, verdicts)


def _wait_for_vectors(job: EmbeddingJob) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _done(job):
        if time.monotonic() > deadline:
            raise CommandError(f"The job wrote nothing within {START_SECONDS} s.")
        time.sleep(0.05)


def _done(job: EmbeddingJob) -> int:
    return job.items.filter(state=JobItem.State.DONE).count()


def _report(name: str, asked: Asked, verdicts: Verdicts) -> None:
    p50, p95 = np.percentile(asked.latencies, [50, 95]) * 1000 if asked.latencies else (0.0, 0.0)
    verdicts.note(name, f"{asked.per_second:6.0f} queries/s  P50 {p50:6.1f} ms  P95 {p95:6.1f} ms")
    verdicts.at_most(
        "  errors", len(asked.errors), 0, f"{len(asked.errors)} {'; '.join(sorted(set(asked.errors))[:3])}"
    )
