"""Settings and figures of runs in the words of the pages."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from embeddings.admin.reading import Part
from embeddings.models import Encoder, Reranker
from evaluation.bounds import Bounds
from evaluation.intervals import Interval
from evaluation.matrix import SCENARIOS
from evaluation.models import EvaluationRun
from evaluation.run_settings import RunSettings
from itembank.models import Item

State = EvaluationRun.State
STATE_LOOKS = {
    State.WAITING: "ib-warn",
    State.RUNNING: "ib-run",
    State.COMPLETED: "ib-good",
    State.FAILED: "ib-bad",
    State.CANCELLED: "",
}
METHOD_NAMES = {
    "dense": gettext_lazy("Vectors"),
    "lexical": gettext_lazy("Words (BM25)"),
    "hybrid": gettext_lazy("Hybrid (vectors and words)"),
    "rrf": gettext_lazy("Hybrid by ranks (RRF)"),
    "ensemble": gettext_lazy("Ensemble of encoders"),
}
SCOPE_NAMES = {"truth": gettext_lazy("the truth's own items"), "bank": gettext_lazy("the whole bank")}
VIEW_NAMES = {
    "item": gettext_lazy("the whole item"),
    "text": gettext_lazy("its text alone"),
    "image": gettext_lazy("its images alone"),
}
CORPUS_NAMES = {
    "all": gettext_lazy("all items"),
    "text-only": gettext_lazy("items without images"),
    "with-images": gettext_lazy("items with images"),
}
DIMENSION_NAMES = {
    "category": gettext_lazy("category"),
    "subject": gettext_lazy("subject"),
    "unit": gettext_lazy("unit"),
    "grade": gettext_lazy("grade"),
    "difficulty": gettext_lazy("difficulty"),
}


def settings_in_words(run: EvaluationRun) -> list[tuple[str, str]]:
    """What the run was told, as labels with values."""
    settings = RunSettings.from_json(run.configuration)
    words = [
        (_("method"), method_words(settings)),
        (_("encoders"), ", ".join(encoder_titles(settings))),
        (_("asked of the query item"), str(VIEW_NAMES[settings.query_view])),
        (_("searched"), f"{SCOPE_NAMES[settings.scope]}, {CORPUS_NAMES[settings.corpus]}"),
        (_("results kept for a query"), f"{settings.depth:,}"),
        (_("reranker"), _reranker_words(settings)),
        (_("seed"), str(settings.seed)),
    ]
    return [(label[:1].upper() + label[1:], value) for label, value in words if value]


def method_words(settings: RunSettings) -> str:
    name = str(METHOD_NAMES[settings.method])
    if settings.method == "hybrid":
        return f"{name}, α = {settings.alpha:g}"
    if settings.weights:
        return f"{name} ({' : '.join(f'{weight:g}' for weight in settings.weights)})"
    return name


def short_settings(settings: RunSettings) -> str:
    """One line that tells runs on the same truth apart."""
    scenario = next(
        (str(each.title) for each in SCENARIOS
         if (each.query_view, each.corpus) == (settings.query_view, settings.corpus)),
        f"{VIEW_NAMES[settings.query_view]} → {CORPUS_NAMES[settings.corpus]}",
    )  # fmt: skip
    scope = str(SCOPE_NAMES["bank"]) if settings.scope == "bank" else ""
    parts = ("+".join(settings.encoders), method_words(settings), scenario, scope, settings.reranker)
    return " · ".join(part for part in parts if part)


def encoder_titles(settings: RunSettings) -> list[str]:
    """The encoders' names, or slugs where one is no longer there."""
    found = {each.slug: each.title for each in Encoder.objects.filter(slug__in=settings.encoders)}
    return [found.get(slug, slug) for slug in settings.encoders]


def _reranker_words(settings: RunSettings) -> str:
    if not settings.reranker:
        return _("none")
    found = Reranker.objects.filter(slug=settings.reranker).first()
    words = _("%(name)s over the first %(top)s, from a score of %(least)s") % {
        "name": found.title if found else settings.reranker,
        "top": settings.rerank_top,
        "least": f"{settings.rerank_threshold:g}",
    }
    return str(words)


def scope_label(value: str, dimension: str) -> str:
    """The name of a slice for people; "–" where the field is empty."""
    if dimension == "category" and value in Item.ItemCategory.values:
        return str(Item.ItemCategory(value).label)
    return value or "–"


# ---- figures


def signed(value: float) -> str:
    """A difference, with its sign."""
    return f"{value:+.3f}"


def p_value(value: float, sign: str = "") -> str:
    return "< 0.001" if value < 0.001 else f"{sign}{value:.3f}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure as a page prints it; `left`, `width` and `at` place its interval on a line from 0 to 100."""

    value: str
    low: str
    high: str
    left: str
    width: str
    at: str
    bounds: str = ""


def shown(found: Interval, bounds: Bounds | None = None) -> Shown:
    if math.isnan(found.mean):
        return Shown("–", "", "", "0", "0", "0")
    moving = bounds is not None and bounds.unjudged and bounds.high - bounds.low > 0.0005
    return Shown(
        f"{found.mean:.3f}",
        f"{found.low:.3f}",
        f"{found.high:.3f}",
        f"{100 * found.low:.1f}",
        f"{max(100 * (found.high - found.low), 0.8):.1f}",
        f"{100 * found.mean:.1f}",
        f"{bounds.low:.3f}–{bounds.high:.3f}" if bounds and moving else "",
    )


def number(text: Any, fallback: int, *, least: int = 1, most: int = 1_000) -> int:
    """A whole number from an address, or the fallback."""
    try:
        return min(max(int(text), least), most)
    except (TypeError, ValueError):
        return fallback


def chosen(text: Any, known: Iterable[str], fallback: str) -> str:
    return text if text in set(known) else fallback


def live(run: EvaluationRun) -> dict[str, Any]:
    """What the run page shows and asks for again while the run works."""
    percent = round(100 * run.done / run.total) if run.total else 0
    return {
        "state": run.state,
        "state_label": str(State(run.state).label),
        "look": STATE_LOOKS[State(run.state)],
        "error": run.error,
        "percent": percent,
        "finished": run.done,
        "total": run.total,
        "parts": [{"look": part.look, "label": part.label, "count": part.count, "percent": part.percent}
                  for part in parts(run)],
    }  # fmt: skip


def parts(run: EvaluationRun) -> list[Part]:
    share = round(100 * run.done / run.total, 2) if run.total else 0
    return [
        Part("ib-done", _("ranked"), run.done, share),
        Part("ib-pending", _("waiting"), run.total - run.done, round(100 - share, 2)),
    ]
