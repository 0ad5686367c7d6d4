"""A person's own searches: what was asked, how, when, and a way to ask it again."""

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from embeddings.models import SearchQuery
from itembank.admin.base import person

PERMISSION = "embeddings.search_items"
A_PAGE = 50

searchers_only = permission_required(PERMISSION, raise_exception=True)


@require_safe
@searchers_only
def history_page(request: HttpRequest) -> HttpResponse:
    """`?p=2` is the next page: a person's history ends after a few hundred searches."""
    searches = SearchQuery.objects.filter(user=person(request)).select_related("item")
    page = Paginator(searches, A_PAGE).get_page(request.GET.get("p"))
    context = admin.site.each_context(request) | {"title": _("Search history"), "page": page}
    return TemplateResponse(request, "embeddings/history.html", context)
