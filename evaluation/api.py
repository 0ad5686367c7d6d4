"""Evaluation runs and their metrics for other programs, to read."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Path, Query, Router, Schema
from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from evaluation.intervals import Interval
from evaluation.models import EvaluationRun
from evaluation.results import results_of
from itembank.api.access import Guard
from itembank.api.paging import MAX_ID, Page, PageQuery, page
from itembank.api.problems import Problem, not_found
from itembank.api.scopes import Scope

router = Router(tags=["runs"])

RunId = Path[Annotated[int, Field(ge=1, le=MAX_ID)]]
State = Literal["waiting", "running", "completed", "failed", "cancelled"]
OWN = (
    "id", "name", "state", "configuration", "fingerprint", "done", "total", "corpus_items", "error", "created_at",
    "finished_at",
)  # fmt: skip
RUN: JsonDict = {
    "id": 5,
    "name": "kmwps v2 · dense · kure-v1",
    "truth_set": 3,
    "state": "completed",
    "configuration": {"method": "dense", "encoders": ["kure-v1"], "depth": 100},
    "fingerprint": "0" * 64,
    "done": 61,
    "total": 61,
    "corpus_items": 176443,
    "error": "",
    "created_at": "2026-03-02T09:00:00+09:00",
    "finished_at": "2026-03-02T09:01:00+09:00",
}


class RunOut(Schema):
    model_config = ConfigDict(json_schema_extra={"examples": [RUN]})

    id: int
    name: str
    truth_set: int = Field(description="Its id.")
    state: State
    configuration: dict[str, Any] = Field(description="All that decides the rankings.")
    fingerprint: str = Field(description="Equal fingerprints have equal rankings.")
    done: int
    total: int
    corpus_items: int
    error: str
    created_at: datetime
    finished_at: datetime | None


class MetricOut(Schema):
    name: str = Field(examples=["R@10"])
    mean: float | None = Field(description="Null where no query counts.")
    low: float = Field(description="Of the 95% interval.")
    high: float
    interval: str = Field(description="`wilson` or `bootstrap`.")
    queries: int


class MetricsOut(Schema):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "run": 5,
                    "minimum_relevance": 1,
                    "queries": 61,
                    "without_relevant": 2,
                    "unaskable": 0,
                    "metrics": [
                        {
                            "name": "R@10",
                            "mean": 0.71,
                            "low": 0.63,
                            "high": 0.78,
                            "interval": "bootstrap",
                            "queries": 61,
                        }
                    ],
                }
            ]
        }
    )

    run: int
    minimum_relevance: int
    queries: int = Field(description="Queries that count.")
    without_relevant: int = Field(description="Queries without a relevant item; they count in no metric.")
    unaskable: int = Field(description="Queries without the text or image that the run asks with.")
    metrics: list[MetricOut]


class RunQuery(PageQuery):
    state: State | None = None
    truth_set: int | None = Field(None, ge=1, le=MAX_ID)


class MetricsQuery(Schema):
    minimum_relevance: int = Field(1, ge=1, le=3, description="From which relevance on an item is relevant.")


@router.get("/runs", response=Page[RunOut], auth=Guard(Scope.RUNS_READ), summary="List runs")
def list_runs(request: HttpRequest, query: Query[RunQuery]) -> dict[str, Any]:
    """Evaluation runs, the newest first."""
    runs = EvaluationRun.objects.all()
    if query.state is not None:
        runs = runs.filter(state=query.state)
    if query.truth_set is not None:
        runs = runs.filter(truth_set=query.truth_set)
    return page(runs, query, _shown_runs, newest_first=True)


@router.get("/runs/{int:run_id}", response=RunOut, auth=Guard(Scope.RUNS_READ), summary="One run")
def read_run(request: HttpRequest, run_id: RunId) -> dict[str, Any]:
    """A run: what was asked of it, and how far it is."""
    return _shown_runs([_run(run_id)])[0]


@router.get(
    "/runs/{int:run_id}/metrics",
    response=MetricsOut,
    auth=Guard(Scope.RUNS_READ),
    summary="Metrics of a run",
    openapi_extra={"x-problems": [409]},
)
def read_metrics(request: HttpRequest, run_id: RunId, query: Query[MetricsQuery]) -> dict[str, Any]:
    """What the rankings of a completed run are worth, computed when asked."""
    run = _run(run_id)
    if run.state != EvaluationRun.State.COMPLETED:
        raise Problem(409, "run-not-completed", _("This run has not completed. Wait for it, or choose another."))
    found = results_of(run, minimum_relevance=query.minimum_relevance)
    return {
        "run": run.pk,
        "minimum_relevance": query.minimum_relevance,
        "queries": len(found.per_query.queries),
        "without_relevant": len(found.per_query.left_out),
        "unaskable": found.unaskable,
        "metrics": [_shown_metric(name, each) for name, each in found.intervals.items()],
    }


def _run(run_id: int) -> EvaluationRun:
    run = EvaluationRun.objects.filter(pk=run_id).first()
    if run is None:
        raise not_found()
    return run


def _shown_runs(runs: Sequence[EvaluationRun]) -> list[dict[str, Any]]:
    return [{name: getattr(run, name) for name in OWN} | {"truth_set": run.truth_set_id} for run in runs]


def _shown_metric(name: str, found: Interval) -> dict[str, Any]:
    mean = None if math.isnan(found.mean) else found.mean
    return {
        "name": name, "mean": mean, "low": found.low, "high": found.high, "interval": found.method,
        "queries": found.n,
    }  # fmt: skip
