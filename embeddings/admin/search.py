"""The search page: a query by text, formula, image, these together, or an item; hits as cards, by one method or two."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from embeddings.admin.feedback_reading import MAX_LINK_CHARACTERS, data_uri, still_there
from embeddings.admin.search_columns import answered, shown_items
from embeddings.feedback import preview_of, recent_queries
from embeddings.filter_fields import known_values, matching
from embeddings.forms import SearchForm
from embeddings.method_form import METHODS
from embeddings.models import SearchQuery
from embeddings.search.types import FILTER_FIELDS
from itembank.admin.base import person
from itembank.bank import filter_options
from itembank.formulas import as_formula
from itembank.models import Item
from itembank.rendering import render_text

PREVIEW_CHARACTERS = 1_000
RECENT, READ = 8, 40  # searches shown, and read to find so many that differ
SUGGESTIONS = 20

may_search = permission_required("embeddings.search_items", raise_exception=True)


@require_http_methods(["GET", "HEAD", "POST"])
@may_search
def search_page(request: HttpRequest) -> HttpResponseBase:
    if "s" in request.GET:  # unfold's command palette asks at this address of its own
        return admin.site.search(request)  # type: ignore[attr-defined,no-any-return]
    data = request.POST if request.method == "POST" else request.GET
    form = SearchForm(data, request.FILES or None, options=filter_options())
    valid = form.is_valid()
    address = _address(form.link()) if valid and form.has_query() else ""
    if request.method == "POST" and address:
        return redirect(address)
    context = admin.site.each_context(request) | {"title": _("Search"), "form": form, "address": address}
    context |= _bank(form) | {"methods": METHODS}
    # A program that asks for the head of a page searches for nothing.
    if valid and request.method != "HEAD" and (form.has_query() or request.method == "POST"):
        context |= _answer(request, form)
        context |= _query(form, context["answer"].query)
    # After the search, so that it is among them.
    context["recent"] = _recent(person(request))
    return TemplateResponse(request, "embeddings/search.html", context)


@require_safe
@may_search
def preview(request: HttpRequest) -> JsonResponse:
    """GET of formula (LaTeX) or text: {"html"}, as an item would show it; empty where it is no formula, or too long."""
    source = request.GET.get("text", "")
    if formula := request.GET.get("formula", ""):
        source = as_formula(formula) or ""
    return JsonResponse({"html": render_text(source) if 0 < len(source) <= PREVIEW_CHARACTERS else ""})


@require_safe
@may_search
def suggestions(request: HttpRequest) -> JsonResponse:
    """GET of field and typed: {"values": [[value, label], …]}, those of the bank that hold what was typed."""
    name = request.GET.get("field", "")
    known = known_values(name, filter_options()) if name in FILTER_FIELDS else []
    return JsonResponse({"values": matching(known, request.GET.get("typed", ""), most=SUGGESTIONS)})


def _address(link: str) -> str:
    """The address of a query string; nothing where it is too long for one, or there is none."""
    address = f"{reverse('item-search')}?{link}"
    return address if link and len(address) <= MAX_LINK_CHARACTERS else ""


def _recent(user: User) -> list[tuple[SearchQuery, str]]:
    """What was asked last with the address that asks again, each once however it was searched for."""
    newest: dict[str, SearchQuery] = {}
    for query in recent_queries(user=user, limit=READ):
        newest.setdefault(query.digest, query)
    return [
        (query, _address(query.link) if still_there(query.item_id, query.item_code) else "")
        for query in list(newest.values())[:RECENT]
    ]


def _bank(form: SearchForm) -> dict[str, Any]:
    return {"has_active": form.models.active is not None, "has_items": Item.objects.exists()}


def _query(form: SearchForm, remembered: SearchQuery | None) -> dict[str, Any]:
    """The history has made the preview of a picture already, unless the search failed."""
    code = form.cleaned_data["item"]
    item = shown_items().filter(code=code).first() if code and "\x00" not in code else None
    picture = form.cleaned_data["picture"]
    preview = remembered.preview if remembered else preview_of(picture) if picture else None
    return {"query_item": item, "query_picture": data_uri(preview)}


def _answer(request: HttpRequest, form: SearchForm) -> dict[str, Any]:
    marking = request.user.has_perm("embeddings.add_searchmark")
    answer = answered(form, person(request), marking=marking)
    first = answer.columns[0]
    return {
        "answer": answer,
        "marking": marking and answer.query is not None,
        "chips": list(form.links_without()),
        # Of the first column, for whoever reads the page by a program.
        "response": first.response,
        "cards": first.cards,
    }
