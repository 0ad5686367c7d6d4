"""A person's own searches: what was asked, how, when, and a way to ask it again."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from embeddings.admin.feedback_reading import Asked, Names, asked, with_images
from embeddings.feedback import KEPT, forget
from embeddings.models import SearchQuery
from itembank.admin.base import person
from itembank.models import Item

A_PAGE = 50
searchers_only = permission_required("embeddings.search_items", raise_exception=True)


@dataclass(frozen=True, slots=True)
class Line:
    """A search as the list shows it."""

    query: SearchQuery
    asked: Asked
    method: str
    encoder: str
    settings: list[str]


@require_safe
@searchers_only
def history_page(request: HttpRequest) -> HttpResponse:
    """`?p=2` is the next page: a person's history ends after a few hundred searches."""
    page = Paginator(_searches(request), A_PAGE).get_page(request.GET.get("p"))
    names = Names()
    context = admin.site.each_context(request) | {
        "title": _("Search history"),
        "page": page,
        "lines": [_line(query, names) for query in page],
        "kept": KEPT,
    }
    return TemplateResponse(request, "embeddings/history.html", context)


def _searches(request: HttpRequest) -> QuerySet[SearchQuery]:
    own = SearchQuery.objects.filter(user=person(request)).order_by("-asked_at", "-pk")
    return own.prefetch_related(Prefetch("item", Item.objects.prefetch_related(with_images)))


def _line(query: SearchQuery, names: Names) -> Line:
    return Line(
        query, asked(query), names.method(query.method), names.encoder(query.encoder), names.settings(query.link)
    )


@require_POST
@searchers_only
def history_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Takes one search out of the person's history; one that is gone already, or somebody else's, changes nothing."""
    forget(user=person(request), query=pk)
    page = request.POST.get("p", "")
    return redirect(reverse("search-history") + (f"?{urlencode({'p': page})}" if page.isdecimal() else ""))


@require_http_methods(["GET", "HEAD", "POST"])
@searchers_only
def history_clear(request: HttpRequest) -> HttpResponse:
    """Asks first: it cannot be taken back."""
    if request.method == "POST":
        count = forget(user=person(request))
        told = ngettext("%(n)s search was deleted.", "%(n)s searches were deleted.", count) % {"n": count}
        messages.success(request, told)
        return redirect("search-history")
    context = admin.site.each_context(request) | {
        "title": _("Delete the search history?"),
        "count": SearchQuery.objects.filter(user=person(request)).count(),
    }
    return TemplateResponse(request, "embeddings/history_clear.html", context)
