"""Which runs the address of a comparison names, and the second of them against the baseline by slice."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest

from evaluation.admin.words import State, chosen, number
from evaluation.comparison import Difference, by_slice
from evaluation.figures import DIMENSIONS, KEPT_FOR, KEY_METRICS, grouped, values_of
from evaluation.metrics import PerQuery
from evaluation.models import EvaluationRun
from evaluation.run_settings import RunSettings
from itembank.admin.base import row_id


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the address asks for. The first run is the baseline; `second` is held against it by slice and by query."""

    runs: list[EvaluationRun]
    second: EvaluationRun
    metric: str
    relevance: int
    by: str

    @property
    def baseline(self) -> EvaluationRun:
        return self.runs[0]

    @property
    def pair(self) -> dict[str, Any]:
        """The address of these two alone."""
        runs = {"runs": f"{self.baseline.pk},{self.second.pk}", "baseline": self.baseline.pk, "second": self.second.pk}
        return runs | {"metric": self.metric, "relevance": self.relevance, "by": self.by}


def named_runs(request: HttpRequest, most: int) -> list[EvaluationRun]:
    """The runs that the address names, in its order, or those of a matrix."""
    runs = EvaluationRun.objects.select_related("truth_set")
    if matrix := request.GET.get("matrix", "").replace("\x00", ""):
        return list(runs.filter(matrix=matrix).order_by("pk")[:most])
    ids = [each for part in request.GET.get("runs", "").split(",") if (each := row_id(part)) is not None]
    by_id = runs.in_bulk(ids[:most])
    return [by_id[each] for each in dict.fromkeys(ids) if each in by_id]


def chosen_of(request: HttpRequest, runs: list[EvaluationRun]) -> Chosen | None:
    """None where fewer than two of them are complete."""
    completed = [run for run in runs if run.state == State.COMPLETED]
    if len(completed) < 2:
        return None
    by_id = {str(run.pk): run for run in completed}
    baseline = by_id.get(request.GET.get("baseline", ""), completed[0])
    others = [run for run in completed if run != baseline]
    second = by_id.get(request.GET.get("second", ""), others[0])
    return Chosen(
        [baseline, *others],
        others[0] if second == baseline else second,
        chosen(request.GET.get("metric"), KEY_METRICS, KEY_METRICS[0]),
        number(request.GET.get("relevance"), 1, most=3),
        chosen(request.GET.get("by"), DIMENSIONS, "category"),
    )


def values_by_run(asked: Chosen, runs: list[EvaluationRun]) -> dict[str, PerQuery]:
    return {str(run.pk): values_of(run, KEY_METRICS, asked.relevance) for run in runs}


def same_queries(first: PerQuery, second: PerQuery, one: EvaluationRun, other: EvaluationRun) -> bool:
    return one.truth_set_id == other.truth_set_id and first.queries == second.queries and bool(first.queries)


def second_by_slice(asked: Chosen, values: Mapping[str, PerQuery]) -> tuple[Difference, ...]:
    """Where both answer the same queries."""
    one, other = str(asked.baseline.pk), str(asked.second.pk)
    parts = grouped(asked.baseline.truth_set, values[one].queries, asked.by)
    found: tuple[Difference, ...] = kept(asked, "slices", lambda: by_slice(values, one, other, asked.metric, parts))
    return found


def settings_of(run: EvaluationRun) -> RunSettings:
    return RunSettings.from_json(run.configuration)


def kept(asked: Chosen, part: str, compute: Any) -> Any:
    """Tests over 10,000 queries take seconds; the same runs give the same."""
    runs = asked.runs if part == "all" else [asked.baseline, asked.second]
    told = [part, [[run.pk, run.fingerprint] for run in runs], asked.metric, asked.relevance]
    digest = hashlib.sha256(json.dumps([*told, "" if part == "all" else asked.by]).encode()).hexdigest()
    return cache.get_or_set(f"evaluation-compared-{digest}", compute, KEPT_FOR)
