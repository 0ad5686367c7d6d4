"""Error analysis: the worst queries of a run, and one query with its ranking."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from evaluation.admin.words import chosen, number
from evaluation.causes import Standing, causes, standings_of
from evaluation.figures import values_of
from evaluation.models import EvaluationRun
from groundtruth.models import Relevance, TruthQuery
from itembank.models import Item, ItemImage

QUERIES_A_PAGE = 20
SHOWN = 10
MOST_SHOWN = 100
WORST_BY = ("AP", "RR", "R@5", "R@10", "nDCG@10")
LOOKS = {Relevance.VERY_SIMILAR: "ib-good", Relevance.SIMILAR: "ib-good", Relevance.RELATED: "ib-run"}


@dataclass(frozen=True, slots=True)
class Place:
    """One result on a page; `item` None where it is no longer in the bank, `relevance` None where nobody judged."""

    rank: int
    score: float
    item: Item | None
    relevance: int | None
    minimum: int

    @property
    def look(self) -> str:
        """The class of its badge."""
        if self.relevance is None:
            return "ib-warn"
        return LOOKS[Relevance(self.relevance)] if self.relevance >= self.minimum else ""

    @property
    def frame(self) -> str:
        """The class of its card."""
        if self.relevance is None:
            return "ev-unjudged"
        return "ev-relevant" if self.relevance >= self.minimum else ""

    @property
    def words(self) -> str:
        return _("unjudged") if self.relevance is None else relevance_words(self.relevance)


@permission_required("evaluation.view_evaluationrun", raise_exception=True)
def worst_view(request: HttpRequest, pk: int) -> HttpResponse:
    """The queries of a run by a metric, the lowest first."""
    run = run_or_404(pk)
    relevance = number(request.GET.get("relevance"), 1, most=3)
    metric = chosen(request.GET.get("metric"), WORST_BY, WORST_BY[0])
    found = values_of(run, WORST_BY, relevance)
    order = np.argsort(found.values[metric], kind="stable")
    page = Paginator(order, QUERIES_A_PAGE).get_page(request.GET.get("p"))
    rows = [(found.queries[at], float(found.values[metric][at])) for at in page.object_list]
    context = {
        "title": _("Worst queries of %(run)s") % {"run": run},
        "run": run,
        "rows": _rows(run, rows, relevance),
        "page": page,
        "metric": metric,
        "metrics": WORST_BY,
        "relevance": relevance,
        "thresholds": (1, 2, 3),
        "address": f"metric={metric}&relevance={relevance}",
    }
    return render(request, "worst.html", context)


def _rows(run: EvaluationRun, rows: list[tuple[str, float]], relevance: int) -> list[dict[str, Any]]:
    wanted = [query_id for query_id, _value in rows]
    queries = TruthQuery.objects.filter(truth_set=run.truth_set, query_id__in=wanted)
    by_id = {query.query_id: query for query in queries.prefetch_related(with_images("item"))}
    standings = standings_of(run, [by_id[each] for each in wanted if each in by_id], relevance)
    guessed = causes(run, list(standings.values()))
    return [
        {
            "query": query,
            "value": f"{value:.3f}",
            "standing": standings[query.pk],
            "found": sum(rank is not None and rank <= SHOWN for rank in standings[query.pk].ranks.values()),
            "causes": guessed[query.pk],
        }
        for query_id, value in rows
        if (query := by_id.get(query_id))
    ]


@permission_required("evaluation.view_evaluationrun", raise_exception=True)
def query_view(request: HttpRequest, pk: int, query: int) -> HttpResponse:
    """One query: its item, what was found and where, and what should have been."""
    run = run_or_404(pk)
    asked = query_or_404(run, query)
    relevance = number(request.GET.get("relevance"), 1, most=3)
    top = number(request.GET.get("top"), SHOWN, most=MOST_SHOWN)
    ranking = get_object_or_404(run.rankings, query=asked)
    standing = standings_of(run, [asked], relevance)[asked.pk]
    relevant = items_by_id(standing.ranks)
    context = {
        "title": _("Query %(query)s") % {"query": asked.query_id},
        "run": run,
        "query": asked,
        "ranking": ranking,
        "places": places(ranking.items, ranking.scores, standing, top, relevance),
        "top": top,
        "more": min(len(ranking.items), MOST_SHOWN) if len(ranking.items) > top else 0,
        "relevant": [
            {"item": relevant[item], "rank": rank, "words": relevance_words(standing.labels[item])}
            for item, rank in standing.ranks.items()
            if item in relevant
        ],
        "depth": run.configuration["depth"],
        "causes": causes(run, [standing])[asked.pk],
        "relevance": relevance,
        "thresholds": (1, 2, 3),
    }
    return render(request, "query.html", context)


def places(items: list[int], scores: list[float], standing: Standing, top: int, minimum_relevance: int) -> list[Place]:
    """The first so many results with what was said of them."""
    found = items_by_id(items[:top])
    return [
        Place(rank, score, found.get(item), standing.labels.get(item), minimum_relevance)
        for rank, (item, score) in enumerate(zip(items[:top], scores[:top], strict=True), start=1)
    ]


def relevance_words(relevance: int) -> str:
    return f"{relevance} · {Relevance(relevance).label}"


def items_by_id(ids: Iterable[int]) -> dict[int, Item]:
    images = Prefetch("images", ItemImage.objects.order_by("position"))
    return Item.objects.prefetch_related(images).in_bulk(list(ids))


def with_images(field: str) -> Prefetch[Any]:
    images = Prefetch("images", ItemImage.objects.order_by("position"))
    return Prefetch(field, Item.objects.prefetch_related(images))


def run_or_404(pk: int) -> EvaluationRun:
    return get_object_or_404(EvaluationRun.objects.select_related("truth_set"), pk=pk)


def query_or_404(run: EvaluationRun, pk: int) -> TruthQuery:
    return get_object_or_404(run.truth_set.queries.prefetch_related(with_images("item")), pk=pk)


def render(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    common = {**admin.site.each_context(request), "opts": EvaluationRun._meta}
    return TemplateResponse(request, f"evaluation/{template}", common | context)
