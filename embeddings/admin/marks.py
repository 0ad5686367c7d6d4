"""Thumbs: what people said of the hits of searches. Everybody's for those who may see them, else one's own."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from embeddings.admin.feedback_reading import Asked, Names, asked, with_images
from embeddings.feedback import SEES_ALL, marks_seen_by, take_back
from embeddings.models import SearchMark
from itembank.admin.base import person
from itembank.bank import filter_options
from itembank.models import Item

A_PAGE = 50
MARKS = "embeddings.add_searchmark"
FILTERS = ("person", "verdict", "subject")


@dataclass(frozen=True, slots=True)
class Line:
    """A thumb as the list shows it."""

    mark: SearchMark
    asked: Asked
    found: str
    own: bool


@require_safe
def marks_page(request: HttpRequest) -> HttpResponse:
    """`?person=3&verdict=-1&subject=수학&p=2`; what is not known of these filters nothing."""
    user = person(request)
    _check_reader(user)
    seen = marks_seen_by(user)
    chosen = {name: value for name in FILTERS if (value := request.GET.get(name, "").replace("\x00", ""))}
    page = Paginator(_shown(_filtered(seen, chosen)), A_PAGE).get_page(request.GET.get("p"))
    names = Names()
    context = admin.site.each_context(request) | {
        "title": _("Thumbs"),
        "page": page,
        "lines": [_line(mark, names, user) for mark in page],
        "chosen": chosen,
        "query": f"{urlencode(chosen)}&" if chosen else "",
        "people": _people(seen) if user.has_perm(SEES_ALL) else [],
        "subjects": filter_options().subject,
        "verdicts": SearchMark.Verdict.choices,
        "sees_all": user.has_perm(SEES_ALL),
    }
    return TemplateResponse(request, "embeddings/marks.html", context)


@require_POST
def mark_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Takes back a thumb of one's own; those of others stay."""
    _check_reader(person(request))
    if take_back(user=person(request), mark=pk):
        messages.success(request, _("The thumb was taken back."))
    return redirect("search-marks")


def _check_reader(user: User) -> None:
    if not (user.has_perm(MARKS) or user.has_perm(SEES_ALL)):
        raise PermissionDenied


def _filtered(marks: QuerySet[SearchMark], chosen: dict[str, str]) -> QuerySet[SearchMark]:
    known = {name: int(value) for name, value in chosen.items() if _is_small_number(value)}
    if "person" in known:
        marks = marks.filter(user=known["person"])
    if known.get("verdict") in SearchMark.Verdict.values:
        marks = marks.filter(verdict=known["verdict"])
    return marks.filter(item__subject=chosen["subject"]) if "subject" in chosen else marks


def _is_small_number(value: str) -> bool:
    digits = value.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 10


def _shown(marks: QuerySet[SearchMark]) -> QuerySet[SearchMark]:
    items = Item.objects.prefetch_related(with_images)
    shown = marks.select_related("user").order_by("-marked_at", "-pk")
    return shown.prefetch_related(Prefetch("item", items), Prefetch("query_item", items))


def _people(marks: QuerySet[SearchMark]) -> list[User]:
    return list(User.objects.filter(pk__in=marks.order_by().values("user")).order_by("username"))


def _line(mark: SearchMark, names: Names, user: User) -> Line:
    found: dict[str, Any] = mark.found_by
    parts = [names.method(str(found.get("method", ""))), names.encoder(str(found.get("encoder", "")))]
    if "rank" in found:
        parts.append(_("place %(rank)s") % {"rank": found["rank"]})
    if "score" in found:
        parts.append(f"{found['score']:.3f}")
    return Line(mark, asked(mark), " · ".join(filter(None, parts)), mark.user_id == user.pk)
