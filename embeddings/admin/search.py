"""The search page: a query by text, image, both, or an item; hits as cards."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods
from PIL import Image

from embeddings.forms import DEFAULT_K, SearchForm
from embeddings.models import Encoder
from embeddings.search import Hit, SearchError, SearchResponse, search
from itembank.bank import filter_options
from itembank.models import Item, ItemImage
from itembank.uploads.drafts import ImageError
from itembank.uploads.pictures import sanitise

ROUTES = {
    "index": _("through the index"),
    "exact": _("compared with every vector"),
    "exact-filtered": _("compared with every vector under the filters"),
    "bits-filtered": _("scanned as bits under the filters, then compared"),
    "bits": _("scanned as bits, then compared"),
    "words": _("by the words of each item"),
}
STAGES = {"encode": _("query to vector"), "search": _("search"), "total": _("total")}
PREVIEW_PIXELS = 160

MAX_LINK_CHARACTERS = 2_000
"""Longest address that a search is given: gunicorn refuses request lines above 4,094 bytes."""


@dataclass(frozen=True, slots=True)
class Card:
    """A hit with its item; None where the item was deleted in the meantime."""

    hit: Hit
    item: Item


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("embeddings.search_items", raise_exception=True)
def search_page(request: HttpRequest) -> HttpResponseBase:
    if "s" in request.GET:  # unfold's command palette asks at this address of its own
        return admin.site.search(request)  # type: ignore[attr-defined,no-any-return]
    data = request.POST if request.method == "POST" else request.GET
    asked = request.method == "POST" or bool(data)
    given = {"k": str(DEFAULT_K), **data.dict()} if asked else None
    form = SearchForm(given, request.FILES or None, options=filter_options())
    if request.method == "POST" and (address := _address(form)):
        return redirect(address)
    return TemplateResponse(request, "embeddings/search.html", _context(request, form, asked))


def _address(form: SearchForm) -> str:
    """The address that asks the same; nothing where the query has none: it is wrong, has an image or is too long."""
    if not form.is_valid() or form.cleaned_data["image"]:
        return ""
    address = f"{reverse('item-search')}?{urlencode(form.link())}"
    return address if len(address) <= MAX_LINK_CHARACTERS else ""


def _context(request: HttpRequest, form: SearchForm, asked: bool) -> dict[str, Any]:
    context = admin.site.each_context(request) | {"title": _("Search"), "form": form}
    context |= {"has_active": Encoder.objects.filter(is_active=True).exists(), "has_items": Item.objects.exists()}
    if not asked or not form.is_valid() or not (request.method == "POST" or form.link()):
        return context
    return context | _query(form) | _answer(form)


def _query(form: SearchForm) -> dict[str, Any]:
    code = form.cleaned_data["item"]
    item = _items().filter(code=code).first() if code else None
    return {"query_item": item, "query_picture": _picture(form.cleaned_data["image"])}


def _answer(form: SearchForm) -> dict[str, Any]:
    try:
        response = search(form.request())
    except SearchError as error:
        return {"error": error.message, "error_code": error.code}
    return {
        "response": response,
        "cards": list(_cards(response)),
        "route": ", ".join(str(ROUTES.get(part, part)) for part in response.route.split("+")),
        "stages": [(STAGES.get(name, name), milliseconds) for name, milliseconds in response.timings_ms.items()],
    }


def _cards(response: SearchResponse) -> Iterator[Card]:
    items = _items().in_bulk([hit.item_id for hit in response.hits])
    return (Card(hit, items[hit.item_id]) for hit in response.hits if hit.item_id in items)


def _items() -> Any:
    return Item.objects.prefetch_related(Prefetch("images", ItemImage.objects.order_by("position")))


def _picture(upload: Any) -> str:
    """A small copy of the query image for the page; nothing where it cannot be read (the search says why)."""
    if not upload:
        return ""
    try:
        clean = sanitise(upload.read())
    except ImageError:
        return ""
    finally:
        upload.seek(0)
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(clean.data)) as image:
        image.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
        image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
