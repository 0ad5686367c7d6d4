"""How fast a search is answered, and what it takes: measured through the very `search()` that pages use.

Queries are encoded by the machine's GPU worker where one runs, as for a page, and by this process where none does;
then the message broker has no share in the times. No query was asked before, so that the memory of earlier queries is
not what is measured. Rows of these queries are removed at the end.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from django.db import connection
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from embeddings import worker
from embeddings.gpu import SLOT
from embeddings.models import Embedding, Encoder, QueryEncoding
from embeddings.search import SearchError, SearchRequest, search
from embeddings.search.dense import has_vectors
from embeddings.search.queries import EncodeQuery, encode_on_worker
from evaluation.environment import describe_environment
from evaluation.models import PerformanceRun
from evaluation.service_memory import MIB, Memory, gib
from evaluation.service_queries import PerformanceError, kinds_of, requests
from itembank.threads import ThreadPool

WARM_UP = 5  # calls after the first, which loads the model
OTHER_CALLS = 200  # at most, of kinds but the main one and of several clients at once
SAMPLES = 50  # of the memory during the calls
GIVE_UP = 5  # failures in a row: the rest would fail too, after a time limit each
DELETED_AT_ONCE = 1_000
REASONS = 5  # of failures that are named
HERE, WORKER = "this process", "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`calls` one after another by the encoder's main kind of query, then up to 200 of the other and by `clients`."""

    calls: int = 1_000
    clients: int = 4
    k: int = 10
    seed: int = 1

    def __post_init__(self) -> None:
        if min(self.calls, self.clients) < 1:
            raise PerformanceError(_("Ask for at least one call and one client."))


@dataclass(slots=True)
class Series:
    """Calls one after another: milliseconds of each answered one, in all and by stage, and why others failed."""

    milliseconds: list[float] = field(default_factory=list)
    stages: list[dict[str, float]] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    answered_in_a_row: int = 0  # before the first failure
    failed_last: int = 0  # in a row
    resident: list[tuple[int, int]] = field(default_factory=list)  # (call, bytes of main memory)
    routes: set[str] = field(default_factory=set)
    seconds: float = 0.0  # in calls

    @property
    def calls(self) -> int:
        return len(self.milliseconds) + self.failures.total()

    def call(self, request: SearchRequest, encode: EncodeQuery) -> None:
        began = time.perf_counter()
        try:
            response = search(request, encode=encode)
        except Exception as error:  # whatever a call ends with, it is a call that was not answered
            self.failures[_reason(error)] += 1
            self.failed_last += 1
        else:
            self.milliseconds.append((time.perf_counter() - began) * 1000)
            self.stages.append(dict(response.timings_ms))
            self.routes.add(response.route)
            self.failed_last = 0
            self.answered_in_a_row += not self.failures
        self.seconds += time.perf_counter() - began


@dataclass(slots=True)
class Bench:
    """One encoder's service under one plan."""

    encoder: Encoder
    plan: Plan
    encode: EncodeQuery
    memory: Memory

    def queries(self, kind: str) -> Iterator[SearchRequest]:
        return requests(self.encoder, kind, k=self.plan.k, seed=self.plan.seed)

    def first_call(self, kind: str) -> float:
        """Milliseconds of the first call, which loads the model; a few others warm up. Raises SearchError."""
        queries = self.queries(kind)
        first = next(queries)
        began = time.perf_counter()
        search(first, encode=self.encode)
        cold = (time.perf_counter() - began) * 1000
        for request in islice(queries, WARM_UP):
            search(request, encode=self.encode)
        return cold

    def in_a_row(self, kind: str, calls: int) -> Series:
        series, every = Series(), max(1, calls // SAMPLES)
        for number, request in enumerate(islice(self.queries(kind), calls)):
            if number % every == 0:
                self._sample(series, number)
            series.call(request, self.encode)
            if series.failed_last == GIVE_UP:
                break
        self._sample(series, series.calls)
        return series

    def at_once(self, kind: str) -> float | None:
        """Answered calls a second with `clients` threads, each with a database connection of its own."""
        clients = self.plan.clients
        ready = list(islice(self.queries(kind), max(clients, min(self.plan.calls, OTHER_CALLS))))
        shares = [ready[start::clients] for start in range(clients)]
        began = time.perf_counter()
        with ThreadPool(clients) as pool:
            answered = sum(pool.map(self._share, shares))
        return _per_second(answered, time.perf_counter() - began)

    def _share(self, share: Sequence[SearchRequest]) -> int:
        series = Series()
        try:
            for request in share:
                series.call(request, self.encode)
                if series.failed_last == GIVE_UP:
                    break
        finally:
            connection.close()
        return len(series.milliseconds)

    def _sample(self, series: Series, number: int) -> None:
        self.memory.sample()
        resident = self.memory.resident()
        if resident is not None:
            series.resident.append((number, resident))


def measure(encoder_slug: str, plan: Plan) -> PerformanceRun:
    """A stored performance run. Takes the GPU slot where no worker has it. Raises PerformanceError, SearchError."""
    encoder = _searchable(encoder_slug)
    main, *others = kinds_of(encoder)
    with _encoding() as (encode, encoded_by):
        bench = Bench(encoder, plan, encode, Memory(SLOT.holder(), here=encoded_by == HERE))
        cold = bench.first_call(main)
        loaded = bench.memory.sample()
        series = {main: bench.in_a_row(main, plan.calls)}
        series |= {kind: bench.in_a_row(kind, min(plan.calls, OTHER_CALLS)) for kind in others}
        at_once = bench.at_once(main)
        peak = bench.memory.peak()
    routes = sorted({route for each in series.values() for route in each.routes})
    vectors = Embedding.objects.filter(encoder=encoder).count()
    return PerformanceRun.objects.create(
        encoder_slug=encoder.slug,
        encoder_fingerprint=encoder.fingerprint,
        machine=describe_environment(),
        configuration={**asdict(plan), "encoded_by": encoded_by, "vectors": vectors, "routes": routes},
        figures={
            **figures_of(series, main),
            "cold_ms": round(cold, 3),
            "throughput": {"1": _per_second(len(series[main].milliseconds), series[main].seconds)}
            | ({str(plan.clients): at_once} if plan.clients > 1 else {}),
            "memory": {"of": bench.memory.of, "after_load_gb": gib(loaded), "peak_gb": gib(peak)},
            "memory_gb": gib(peak),
        },
    )


def _searchable(slug: str) -> Encoder:
    encoder = Encoder.objects.filter(slug=slug).first()
    if encoder is None:
        known = ", ".join(Encoder.objects.values_list("slug", flat=True)) or "-"
        raise PerformanceError(
            _("There is no encoder “%(slug)s”. There are: %(known)s.") % {"slug": slug, "known": known}
        )
    if not has_vectors(encoder):
        raise PerformanceError(
            _("The encoder %(encoder)s has no vectors yet. Start an embedding job for it.") % {"encoder": slug}
        )
    return encoder


@contextmanager
def _encoding() -> Iterator[tuple[EncodeQuery, str]]:
    """How queries are encoded, and by whom; what they leave in the database is removed."""
    asked: list[Any] = []
    try:
        with _device() as (encode, encoded_by):

            def remembering(row: QueryEncoding) -> None:
                asked.append(row.pk)
                encode(row)

            yield remembering, encoded_by
    finally:
        for start in range(0, len(asked), DELETED_AT_ONCE):
            QueryEncoding.objects.filter(pk__in=asked[start : start + DELETED_AT_ONCE]).delete()


@contextmanager
def _device() -> Iterator[tuple[EncodeQuery, str]]:
    here: tuple[EncodeQuery, str] = (lambda row: worker.encode_query(str(row.pk))), HERE
    if SLOT.held:
        yield here
        return
    with SLOT.owned_if_free() as free:
        yield here if free else (encode_on_worker, WORKER)


# ---- figures


def figures_of(series: Mapping[str, Series], main: str) -> dict[str, Any]:
    """What `gates.performance_figure` and the report read.

    `p95_ms` is that of the slowest kind of query, `latency_mean_ms` of the main kind; `calls`, `calls_ok` and `rss` are
    of the main kind's calls in a row.
    """
    latency = {kind: _latency(each) for kind, each in series.items() if each.milliseconds}
    failures = sum((each.failures for each in series.values()), Counter[str]())
    return {
        "calls": series[main].calls,
        "answered": len(series[main].milliseconds),
        "calls_ok": series[main].answered_in_a_row,
        "failures": dict(failures.most_common(REASONS)),
        "latency": latency,
        "latency_mean_ms": latency[main]["mean"] if main in latency else None,
        "p95_ms": max((each["p95"] for each in latency.values()), default=None),
        "rss": _growth(series[main].resident),
    }


def _latency(series: Series) -> dict[str, Any]:
    """Milliseconds; `quantiles` are the percentiles from 0 to 100, for a chart of the distribution."""
    stages = {name: [each[name] for each in series.stages] for name in series.stages[0]}
    return {
        "calls": series.calls,
        **_spread(series.milliseconds),
        "stages": {name: _spread(values) for name, values in stages.items()},
        "quantiles": [round(float(each), 3) for each in np.percentile(series.milliseconds, range(101))],
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    sample: NDArray[np.float64] = np.asarray(values, np.float64)
    p50, p95, p99 = np.percentile(sample, [50, 95, 99])
    found = {"mean": sample.mean(), "p50": p50, "p95": p95, "p99": p99, "min": sample.min(), "max": sample.max()}
    return {name: round(float(value), 3) for name, value in found.items()}


def _growth(resident: Sequence[tuple[int, int]]) -> dict[str, float | None]:
    """MiB at the start and the end, and for 1,000 calls the slope of a straight line through the second half.

    In the first half allocators and tokenisers fill what they keep, which is no leak.
    """
    if len(resident) < 2:
        return {"start_mb": None, "end_mb": None, "slope_mb_per_1000": None}
    calls, size = np.asarray(resident, np.float64).T
    late = calls >= calls[-1] / 2
    slope = float(np.polyfit(calls[late], size[late] / MIB, 1)[0]) * 1_000 if late.sum() > 1 else None
    return {
        "start_mb": round(float(size[0]) / MIB, 1),
        "end_mb": round(float(size[-1]) / MIB, 1),
        "slope_mb_per_1000": None if slope is None else round(slope, 2),
    }


def _per_second(answered: int, seconds: float) -> float | None:
    return round(answered / seconds, 2) if answered else None


def _reason(error: Exception) -> str:
    return error.code if isinstance(error, SearchError) else type(error).__name__
