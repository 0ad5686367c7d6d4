"""Clients that search at once, each a process with a connection of its own, as web processes are."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

READY_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Asked:
    """What the clients saw within `seconds`: the latency of each answer, in seconds, and what failed."""

    seconds: float
    latencies: list[float]
    errors: list[str]

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds


def ask_at_once(slug: str, texts: Sequence[str], *, clients: int, seconds: float) -> Asked:
    """Let so many clients search by the texts, whose vectors are stored, again and again for so long."""
    context = get_context("spawn")
    barrier, results = context.Barrier(clients), context.Queue()
    processes = [
        context.Process(target=_client, args=(barrier, results, slug, [*texts[n:], *texts[:n]], seconds), daemon=True)
        for n in range(clients)
    ]
    for process in processes:
        process.start()
    answers = [results.get(timeout=READY_SECONDS + seconds + 60) for _ in processes]
    for process in processes:
        process.join()
    return Asked(
        seconds,
        [value for latencies, _ in answers for value in latencies],
        [e for _, errors in answers for e in errors],
    )


def _client(
    barrier: Barrier, results: "Queue[tuple[list[float], list[str]]]", slug: str, texts: Sequence[str], seconds: float
) -> None:
    import django

    django.setup()
    from embeddings.search import SearchRequest, search  # needs the set-up

    latencies: list[float] = []
    errors: list[str] = []
    search(SearchRequest(text=texts[0], encoder=slug))
    barrier.wait(READY_SECONDS)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        try:
            search(SearchRequest(text=texts[len(latencies) % len(texts)], encoder=slug))
            latencies.append(time.perf_counter() - began)
        except Exception as error:  # any failure is what we look for
            errors.append(repr(error))
    results.put((latencies, errors))
