"""Metrics of this floor: evaluation runs."""

from collections.abc import Iterable

from prometheus_client.core import Metric

from evaluation.models import EvaluationRun
from itembank.monitoring.ground import by_state
from itembank.monitoring.registry import gauges, register_queries


def register_all() -> None:
    register_queries("evaluation", evaluation_metrics)


def evaluation_metrics() -> Iterable[Metric]:
    runs = by_state(EvaluationRun, EvaluationRun.State.values)
    yield gauges("itembank_evaluation_runs", "Evaluation runs.", "state", runs)
