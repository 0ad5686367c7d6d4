"""Slices of a comparison where a reranker did harm, and switching it off for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from embeddings.models import Reranker, RerankException
from embeddings.reranker_services import switch_off
from evaluation.admin.pairs import (
    Chosen,
    chosen_of,
    named_runs,
    same_queries,
    second_by_slice,
    settings_of,
    values_by_run,
)
from evaluation.admin.query_pages import render
from evaluation.admin.words import DIMENSION_NAMES, p_value, scope_label, signed
from evaluation.comparison import WORSE, Difference, harmed
from itembank.admin.base import person


@dataclass(frozen=True, slots=True)
class HarmedSlice:
    """`exception` is there where the reranker is switched off for it already."""

    name: str
    found: Difference
    exception: RerankException | None

    @property
    def value(self) -> str:
        return self.found.slice or ""

    @property
    def sure(self) -> bool:
        """By enough queries, and by the test that is corrected for all slices too."""
        return self.found.verdict == WORSE and not self.found.small

    @property
    def mean(self) -> str:
        return signed(self.found.mean)

    @property
    def low(self) -> str:
        return signed(self.found.interval.low)

    @property
    def high(self) -> str:
        return signed(self.found.interval.high)

    @property
    def holm(self) -> str:
        return p_value(self.found.holm)

    @property
    def figures(self) -> str:
        """In signs that need no translation."""
        found = self.found
        tested = ", ".join(f"{name} {p_value(p, '= ')}" for name, p in (("p", found.p), ("Holm", found.holm)))
        return f"{found.metric} {self.mean} [{self.low}, {self.high}], n = {found.interval.n:,}, {tested}"


def harm_context(asked: Chosen, found: Sequence[Difference]) -> dict[str, Any] | None:
    """What the comparison says of it; None where no reranker came in."""
    after, before = settings_of(asked.second), settings_of(asked.baseline)
    if not after.reranker or before.reranker:
        return None
    reranker = Reranker.objects.filter(slug=after.reranker).first()
    same = after.adds_reranker_to(before)
    return {
        "slug": after.reranker,
        "reranker": reranker,
        "same": same,
        "slices": harmed_slices(asked, found, reranker) if reranker and same else [],
        "address": f"{reverse('admin:evaluation_evaluationrun_switch_off')}?{urlencode(asked.pair)}",
        "pair": asked.pair.items(),
    }


def harmed_slices(asked: Chosen, found: Sequence[Difference], reranker: Reranker) -> list[HarmedSlice]:
    off = {each.value: each for each in reranker.exceptions.filter(field=asked.by).select_related("created_by")}
    return [
        HarmedSlice(scope_label(each.slice or "", asked.by), each, off.get(each.slice or "")) for each in harmed(found)
    ]


@permission_required(("evaluation.view_evaluationrun", "embeddings.change_reranker"), raise_exception=True)
def switch_off_view(request: HttpRequest) -> HttpResponse:
    """Asks, and on POST does it. The address says which runs and slices; the figures are computed anew from the runs,
    so that nothing is switched off that they do not show."""
    asked = chosen_of(request, named_runs(request, 2))
    if asked is None:
        raise Http404
    back = f"{reverse('admin:evaluation_evaluationrun_compare')}?{urlencode(asked.pair)}"
    told = _harm(asked)
    wanted = set(request.GET.getlist("slice"))
    chosen = [each for each in told["slices"] if each.value in wanted and not each.exception]
    if not chosen:
        messages.error(request, _("Choose at least one slice that is not switched off yet."))
        return redirect(back)
    if request.method == "POST":
        _switch_off(request, asked, told["reranker"], chosen, back)
        return redirect(back)
    context = {
        "title": _("Switch a reranker off"),
        "reranker": told["reranker"],
        "slices": chosen,
        "asked": asked,
        "dimension": DIMENSION_NAMES[asked.by],
        "back": back,
    }
    return render(request, "switch_off.html", context)


def _harm(asked: Chosen) -> dict[str, Any]:
    """Raises Http404 where the two runs show nothing of a reranker."""
    values = values_by_run(asked, [asked.baseline, asked.second])
    before, after = asked.baseline, asked.second
    if not same_queries(values[str(before.pk)], values[str(after.pk)], before, after):
        raise Http404
    told = harm_context(asked, second_by_slice(asked, values))
    if told is None or told["reranker"] is None:
        raise Http404
    return told


def _switch_off(
    request: HttpRequest, asked: Chosen, reranker: Reranker, slices: Sequence[HarmedSlice], link: str
) -> None:
    for each in slices:
        switch_off(
            reranker=reranker, field=asked.by, value=each.value, reason=each.figures, user=person(request),
            run=str(asked.second), link=link,
        )  # fmt: skip
    words = ngettext(
        "%(name)s is switched off for %(n)s slice.", "%(name)s is switched off for %(n)s slices.", len(slices)
    )
    messages.success(request, words % {"name": reranker.title, "n": len(slices)})
