"""The figures of runs as pages show them. Computed from the rankings, and kept for a while: a completed run's rankings
and its frozen truth do not change, and equal fingerprints have equal figures."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.cache import cache

from evaluation.bounds import Bounds, bounds
from evaluation.engine.queries import count_unaskable
from evaluation.intervals import Interval, interval
from evaluation.metrics import METRICS, PerQuery, per_query, split
from evaluation.models import EvaluationRun
from evaluation.results import judged_of, ranked_of
from evaluation.run_settings import RunSettings
from evaluation.slices import Slice, group
from groundtruth.models import TruthQuery, TruthSet

T = TypeVar("T")
KEY_METRICS = ("R@5", "R@10", "RR", "nDCG@10")
DIMENSIONS = ("category", "subject", "unit", "grade", "difficulty")
SLOW_BOUNDS = tuple(name for name in METRICS if split(name).measure in {"nDCG", "AP"})  # they search for theirs
QUICK_BOUNDS = tuple(name for name in METRICS if name not in SLOW_BOUNDS)
LARGE = 2_000  # queries, above which a page does not wait for slow bounds that nobody asked for
KEPT_FOR = 6 * 3600  # seconds
VERSION = 1  # of what is kept


@dataclass(frozen=True, slots=True)
class Figures:
    """Each metric's mean with its interval over `queries`, and what it may become once the unjudged are judged.

    `left_out` queries have no relevant item, `unaskable` ones no image or no text to ask with.
    """

    intervals: Mapping[str, Interval]
    bounds: Mapping[str, Bounds]
    queries: int
    left_out: tuple[str, ...]
    unaskable: int


@dataclass(frozen=True, slots=True)
class SliceFigures:
    """The key metrics over one slice of the queries."""

    name: str
    queries: int
    small: bool
    intervals: Mapping[str, Interval]


def figures_of(run: EvaluationRun, minimum_relevance: int = 1, *, every_bound: bool = False) -> Figures:
    """Of a large run without the bounds that are slow (SLOW_BOUNDS), unless every one is asked for."""
    slow = every_bound and run.total > LARGE
    part = f"figures-{minimum_relevance}{'-bounds' if slow else ''}"
    return _kept(run, part, lambda: _figures(run, minimum_relevance, every_bound or run.total <= LARGE))


def _figures(run: EvaluationRun, minimum_relevance: int, every_bound: bool) -> Figures:
    judged, ranked = judged_of(run), ranked_of(run)
    found = per_query(judged, ranked, METRICS, minimum_relevance)
    return Figures(
        {name: interval(name, found.values[name], _seed(run)) for name in METRICS},
        bounds(judged, ranked, METRICS if every_bound else QUICK_BOUNDS, minimum_relevance) if found.queries else {},
        len(found.queries),
        found.left_out,
        count_unaskable(run.truth_set, RunSettings.from_json(run.configuration)),
    )


def values_of(run: EvaluationRun, names: Sequence[str] = KEY_METRICS, minimum_relevance: int = 1) -> PerQuery:
    """Value by value, of the metrics named."""
    part = f"values-{'+'.join(names)}-{minimum_relevance}"
    return _kept(run, part, lambda: per_query(judged_of(run), ranked_of(run), names, minimum_relevance))


def slices_of(run: EvaluationRun, dimension: str, minimum_relevance: int = 1) -> list[SliceFigures]:
    """The key metrics by category, subject, unit, grade or difficulty of the query item."""
    return _kept(run, f"slices-{dimension}-{minimum_relevance}", lambda: _slices(run, dimension, minimum_relevance))


def _slices(run: EvaluationRun, dimension: str, minimum_relevance: int) -> list[SliceFigures]:
    found = values_of(run, KEY_METRICS, minimum_relevance)
    return [
        SliceFigures(
            part.name,
            len(part),
            part.small,
            {name: interval(name, found.values[name][part.indices], _seed(run)) for name in KEY_METRICS},
        )
        for part in grouped(run.truth_set, found.queries, dimension)
    ]


def grouped(truth_set: TruthSet, queries: Sequence[str], dimension: str) -> tuple[Slice, ...]:
    """The queries by that field of their item; "" where it is not given."""
    rows = TruthQuery.objects.filter(truth_set=truth_set).values_list("query_id", f"item__{dimension}")
    return group(queries, {query: "" if value is None else str(value) for query, value in rows.order_by()})


def key_figures(runs: Iterable[EvaluationRun], *, seconds: float) -> dict[int, dict[str, Interval]]:
    """The key metrics of the completed among these runs by id, from one look at what is kept.

    What is not kept is computed until the seconds are over; the rest is left for the next time.
    """
    completed = [run for run in runs if run.state == EvaluationRun.State.COMPLETED]
    kept = cache.get_many([_key(run, "key") for run in completed])
    until = time.monotonic() + seconds
    found: dict[int, dict[str, Interval]] = {}
    for run in completed:
        if (intervals := kept.get(_key(run, "key"))) is not None:
            found[run.pk] = intervals
        elif time.monotonic() < until:
            found[run.pk] = _kept(run, "key", lambda run=run: _key_intervals(run))  # type: ignore[misc]
    return found


def _key_intervals(run: EvaluationRun) -> dict[str, Interval]:
    found = values_of(run)
    return {name: interval(name, found.values[name], _seed(run)) for name in KEY_METRICS}


def _seed(run: EvaluationRun) -> int:
    return RunSettings.from_json(run.configuration).seed


def _kept(run: EvaluationRun, part: str, compute: Callable[[], T]) -> T:
    if run.state != EvaluationRun.State.COMPLETED:
        return compute()
    key = _key(run, part)
    kept: Any = cache.get(key)
    if kept is None:
        kept = compute()
        cache.set(key, kept, KEPT_FOR)
    return kept  # type: ignore[no-any-return]


def _key(run: EvaluationRun, part: str) -> str:
    return f"evaluation-{VERSION}-{run.fingerprint}-{part}"
