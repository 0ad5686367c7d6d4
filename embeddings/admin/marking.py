"""Where thumbs are sent to: by a script, which gets JSON, or by a plain form, which comes back to its page."""

import math
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from embeddings.feedback import FeedbackError, set_mark
from embeddings.models import SearchQuery
from embeddings.models.feedback import CODE_LENGTH
from embeddings.search.types import METHODS
from itembank.admin.base import person, row_id
from itembank.models import Item

BAD, MISSING = 400, 404
MAX_ENCODER_CHARACTERS = 1_000
MAX_RANK = 1_000_000
VERDICTS = {"1": 1, "-1": -1, "0": 0}


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The message is for the person; `status` is that of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@require_POST
@permission_required("embeddings.add_searchmark", raise_exception=True)
def mark_view(request: HttpRequest) -> HttpResponse:
    """POST of query (id of the person's SearchQuery), item (code), verdict (1, -1, 0) and how it was found.

    A script gets JSON {"verdict"} or {"error"}; a plain form goes back to its page, which shows the error.
    """
    try:
        verdict = _marked(request)
    except Refused as refused:
        return _refusal(request, refused)
    return redirect(_origin(request)) if _is_plain_form(request) else JsonResponse({"verdict": verdict})


def _is_plain_form(request: HttpRequest) -> bool:
    """A browser that leaves its page for the answer asks for HTML by name; a script asks for JSON, or for anything."""
    return any(accepted.match("text/html") and accepted.main_type != "*" for accepted in request.accepted_types)


def _marked(request: HttpRequest) -> int:
    given = request.POST
    verdict = VERDICTS.get(given.get("verdict", ""))
    if verdict is None:
        raise Refused(BAD, _("A verdict is 1 (similar), -1 (not similar) or 0 (no verdict)."))
    query, item = _query(request), _item(given.get("item", ""))
    try:
        set_mark(user=person(request), query=query, item=item, verdict=verdict, found_by=found_by(given))
    except FeedbackError as error:
        raise Refused(BAD, str(error)) from error
    return verdict


def _query(request: HttpRequest) -> SearchQuery:
    """The person's own search: those of others are as if they were not there."""
    pk = row_id(request.POST.get("query")) or 0
    query = SearchQuery.objects.filter(pk=pk, user=person(request)).select_related("item").first()
    if query is None:
        raise Refused(MISSING, _("This search is no longer in your history. Search again, then mark."))
    return query


def _item(code: str) -> Item:
    usable = 0 < len(code) <= CODE_LENGTH and code.isprintable()
    item = Item.objects.filter(code=code).first() if usable else None
    if item is None:
        raise Refused(MISSING, _("There is no such item any more. Search again."))
    return item


def found_by(given: Any) -> dict[str, Any]:
    """What is usable of method, encoder, rank and score: they only say where a mark comes from, and refuse none."""
    rank, score = row_id(given.get("rank")) or 0, _number(given.get("score", ""))
    encoder = given.get("encoder", "").replace("\x00", "")[:MAX_ENCODER_CHARACTERS]
    usable: dict[str, Any] = {
        "method": given.get("method") if given.get("method") in METHODS else None,
        "encoder": encoder if encoder.isprintable() and encoder else None,
        "rank": rank if 0 < rank <= MAX_RANK else None,
        "score": score,
    }
    return {name: value for name, value in usable.items() if value is not None}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _refusal(request: HttpRequest, refused: Refused) -> HttpResponse:
    if _is_plain_form(request):
        messages.error(request, str(refused))
        return redirect(_origin(request))
    return JsonResponse({"error": str(refused)}, status=refused.status)


def _origin(request: HttpRequest) -> str:
    """The page that the form was on, where it is one of ours."""
    origin = request.POST.get("next", "") or request.headers.get("Referer", "")
    ours = url_has_allowed_host_and_scheme(origin, {request.get_host()}, require_https=request.is_secure())
    return origin if ours else reverse("item-search")
