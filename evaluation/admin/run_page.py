"""What the page of one run shows."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from evaluation.admin.sending import may_send
from evaluation.admin.words import (
    DIMENSION_NAMES,
    State,
    chosen,
    live,
    number,
    scope_label,
    settings_in_words,
    shown,
)
from evaluation.figures import DIMENSIONS, KEY_METRICS, SLOW_BOUNDS, Figures, figures_of, slices_of
from evaluation.metrics import METRICS, formula
from evaluation.models import EvaluationRun
from itembank.admin.base import person

ENDED_EARLY = (State.FAILED, State.CANCELLED)
LEFT_OUT_SHOWN = 20


def context(request: HttpRequest, run: EvaluationRun) -> dict[str, Any]:
    """`relevance` and `by` come from the address."""
    relevance = number(request.GET.get("relevance"), 1, most=3)
    by = chosen(request.GET.get("by"), DIMENSIONS, "category")
    found = {
        "title": run.name,
        "original": run,
        "run": run,
        "live": live(run),
        "controls": _controls(request, run),
        "settings": settings_in_words(run),
        "fingerprints": sorted(run.configuration.get("fingerprints", {}).items()),
        "machine": list(_flat(run.environment)),
        "relevance": relevance,
        "thresholds": (1, 2, 3),
        "by": by,
        "dimensions": DIMENSION_NAMES.items(),
        "key_metrics": KEY_METRICS,
    }
    return found | (_results(request, run, relevance, by) if run.state == State.COMPLETED else {})


def _results(request: HttpRequest, run: EvaluationRun, relevance: int, by: str) -> dict[str, Any]:
    figures = figures_of(run, relevance, every_bound="bounds" in request.GET)
    judged = figures.intervals["Judged@10"].mean
    return {
        "figures": figures,
        "tiles": [(name, shown(figures.intervals[name])) for name in KEY_METRICS],
        "metrics": list(_metrics(figures)),
        "left_out": figures.left_out[:LEFT_OUT_SHOWN],
        "slices": [
            {
                "name": scope_label(each.name, by),
                "part": each,
                "figures": [shown(each.intervals[name]) for name in KEY_METRICS],
            }
            for each in slices_of(run, by, relevance)
        ],
        "has_unjudged": judged < 1,
        "bounds_left": judged < 1 and bool(figures.bounds) and not figures.bounds.keys() >= set(SLOW_BOUNDS),
        "sends": may_send(person(request)) if judged < 1 else [],
    }


def _metrics(figures: Figures) -> Iterator[dict[str, Any]]:
    for name in METRICS:
        told = formula(name)
        yield {
            "name": name,
            "meaning": told.meaning,
            "formula": told.expression,
            "method": _("Wilson") if figures.intervals[name].method == "wilson" else _("bootstrap"),
            "shown": shown(figures.intervals[name], figures.bounds.get(name)),
        }


def _controls(request: HttpRequest, run: EvaluationRun) -> list[str]:
    if not request.user.has_perm("evaluation.change_evaluationrun"):
        return []
    if run.state in ENDED_EARLY:
        return ["resume"]
    return ["cancel"] if run.state in (State.WAITING, State.RUNNING) else []


def _flat(environment: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in environment.items():
        if isinstance(value, dict):
            yield from ((f"{name}: {inner}", each) for inner, each in value.items())
        else:
            yield name, value
