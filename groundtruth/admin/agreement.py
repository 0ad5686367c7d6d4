"""How far the method, models and people of a set agree: figures, where they differ, and a table to take along."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.formats import number_format
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from groundtruth import agreement_selectors as selectors
from groundtruth.admin.judge_pages import usd
from groundtruth.agreement import Agreement, Figure, Weights
from groundtruth.agreement_basis import Cost, basis, cost, jobs_in_both_orders
from groundtruth.agreement_selectors import Comparison, Labels, agreement, comparisons
from groundtruth.exchange.truth_csv import csv_line
from groundtruth.models import Relevance, TruthSet
from itembank.imports.rejected import BOM
from itembank.models import Item

PERMISSION = "groundtruth.view_truthset"
A_PAGE = 20


def viewers_only(view: Any) -> Any:
    return require_safe(permission_required(PERMISSION, raise_exception=True)(view))


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure as text; empty where it is not defined, and `interval` also where that alone is not."""

    value: str = ""
    interval: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table of figures: a comparison, a subject or a category. Nothing is false among persons."""

    label: str
    key: str
    n: int
    exact: Shown
    kappa: Shown
    false_positives: str
    false_negatives: str
    chosen: bool = False


@viewers_only
def agreement_page(request: HttpRequest, pk: int) -> HttpResponse:
    """`?c=` chooses a comparison, `?weights=linear` the weights of kappa, `?list=negatives&p=2` what is listed."""
    truth_set = get_object_or_404(TruthSet, pk=pk)
    labels = selectors.read_labels(truth_set)
    held = comparisons(labels)
    context = admin.site.each_context(request) | {
        "title": _("Agreement: %(set)s") % {"set": truth_set},
        "opts": TruthSet._meta,
        "original": truth_set,
        "truth_set": truth_set,
        "basis": basis(truth_set),
        "cost": _cost(cost(truth_set, labels)),
        "jobs": jobs_in_both_orders(truth_set) if request.user.has_perm("groundtruth.view_judgejob") else [],
        "may_see_items": request.user.has_perm("itembank.view_item"),
    }
    if held:
        context |= _compared(request, labels, held)
    return TemplateResponse(request, "groundtruth/agreement.html", context)


@viewers_only
def agreement_csv(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Each pair whose review has ended, with what every rater says of it."""
    truth_set = get_object_or_404(TruthSet, pk=pk)
    rows = selectors.labelled_rows(selectors.read_labels(truth_set))
    lines = (csv_line(cells, "" if number else BOM) for number, cells in enumerate(rows))
    name = content_disposition_header(True, f"agreement-{truth_set.name}-v{truth_set.version}.csv") or "attachment"
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})


# ---- what the page shows


def _compared(request: HttpRequest, labels: Labels, held: list[Comparison]) -> dict[str, Any]:
    by_key = {each.key: each for each in held}
    chosen = by_key.get(request.GET.get("c", ""), held[0])
    weights = Weights.LINEAR if request.GET.get("weights") == Weights.LINEAR else Weights.QUADRATIC
    found = {each.key: agreement(each, weights) for each in held}
    lines = [_line(_name(labels, each), found[each.key], each, chosen=each is chosen) for each in held]
    return {
        "lines": lines,
        "chosen": chosen,
        "chosen_name": _name(labels, chosen),
        "left": labels.names.get(chosen.left, ""),
        "right": labels.names.get(chosen.right, ""),
        "weights": weights,
        "all_weights": [(each.value, label) for each, label in _weights()],
        "found": found[chosen.key],
        "summary": _summary(found[chosen.key]),
        "matrix": _matrix(found[chosen.key]),
        "slices": _slices(labels, chosen, weights),
        "query": urlencode({"c": chosen.key, "weights": weights.value}),
        **_listed(request, labels, chosen),
    }


def _weights() -> list[tuple[Weights, str]]:
    return [(Weights.QUADRATIC, _("quadratic")), (Weights.LINEAR, _("linear"))]


def _name(labels: Labels, comparison: Comparison) -> str:
    if comparison.symmetric:
        return _("Persons, all couples")
    return f"{labels.names[comparison.left]} / {labels.names[comparison.right]}"


def _line(label: str, found: Agreement, comparison: Comparison, *, chosen: bool = False) -> Line:
    return Line(
        label=label,
        key=comparison.key,
        n=found.n,
        exact=percent(found.exact),
        kappa=decimal(found.kappa),
        false_positives=count(found.binary.false_positives) if comparison.with_people else "–",
        false_negatives=count(found.binary.false_negatives) if comparison.with_people else "–",
        chosen=chosen,
    )


def _summary(found: Agreement) -> dict[str, Shown]:
    binary = found.binary
    return {
        "exact": percent(found.exact),
        "kappa": decimal(found.kappa),
        "similar": percent(binary.agreement),
        "similar_kappa": decimal(binary.kappa),
        "precision": percent(binary.precision),
        "recall": percent(binary.recall),
    }


def _matrix(found: Agreement) -> list[tuple[Relevance, list[str]]]:
    """A row for each relevance that the left rater gives, the highest first, with counts in the same order."""
    return [(relevance, [count(each) for each in reversed(found.matrix[relevance])]) for relevance in Relevance]


def _slices(labels: Labels, chosen: Comparison, weights: Weights) -> list[tuple[str, list[Line]]]:
    subjects = selectors.by_subject(labels, chosen, weights)
    categories = selectors.by_category(labels, chosen, weights)
    names = dict(Item.ItemCategory.choices)
    return [
        (_("By subject"), [_line(each.value, each.agreement, chosen) for each in subjects]),
        (_("By category"), [_line(str(names[each.value]), each.agreement, chosen) for each in categories]),
    ]


def _listed(request: HttpRequest, labels: Labels, chosen: Comparison) -> dict[str, Any]:
    found = [selectors.false_positives(chosen), selectors.false_negatives(chosen)]
    positives, negatives = (selectors.listed(labels, each) for each in found)
    negative = request.GET.get("list") == "negatives"
    page: Page[Any] = Paginator(negatives if negative else positives, A_PAGE).get_page(request.GET.get("p"))
    return {
        "positives": len(positives),
        "negatives": len(negatives),
        "list": "negatives" if negative else "positives",
        "unlisted": len(found[negative]) - len(negatives if negative else positives),
        "page": page,
        "rows": selectors.differences(labels, chosen, list(page)),
    }


def _cost(spent: Cost) -> dict[str, Any]:
    return {
        "any": bool(spent.charged or spent.on_their_way),
        "charged": usd(spent.charged),
        "judging": usd(spent.judging),
        "trials": usd(spent.trials) if spent.trials else "",
        "unknown": usd(spent.unknown) if spent.unknown else "",
        "on_their_way": usd(spent.on_their_way) if spent.on_their_way else "",
        "reviewed": spent.reviewed,
        "accepted": spent.accepted,
        "per_reviewed": _dollars(spent.per_reviewed),
        "per_accepted": _dollars(spent.per_accepted),
    }


# ---- figures as text


def percent(figure: Figure) -> Shown:
    if figure.value is None:
        return Shown()
    return Shown(f"{_number(100 * figure.value, 1)}%", _interval(figure, 100, 0, "%"))


def decimal(figure: Figure) -> Shown:
    return Shown() if figure.value is None else Shown(_number(figure.value, 2), _interval(figure, 1, 2, ""))


def _interval(figure: Figure, factor: int, places: int, unit: str) -> str:
    if figure.low is None or figure.high is None:
        return ""
    low, high = (_number(factor * each, places) for each in (figure.low, figure.high))
    return _("%(low)s to %(high)s") % {"low": low, "high": f"{high}{unit}"}


def count(pairs: float) -> str:
    """Whole, or with its half."""
    return number_format(pairs, 0 if pairs == int(pairs) else 1, force_grouping=True)


def _number(value: float, places: int) -> str:
    return str(number_format(round(value, places) + 0.0, places))  # without a minus before zero


def _dollars(amount: Decimal | None) -> str:
    return "" if amount is None else usd(amount)
