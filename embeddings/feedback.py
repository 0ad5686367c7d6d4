"""What people asked (their history) and what they said of the hits (their thumbs).

Services own their transactions; permissions are the callers'.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from PIL import Image

from embeddings.models import SearchMark, SearchQuery
from embeddings.search.answers import SearchResponse
from embeddings.search.types import SearchRequest
from itembank.models import Item
from itembank.uploads.drafts import ImageError
from itembank.uploads.pictures import sanitise

KEPT = 500
"""Searches of a person in the history: the newest."""

PREVIEW_PIXELS = 160
SEES_ALL = "embeddings.view_searchmark"
"""The permission to see what everybody marked."""

FOUND_BY = ("method", "encoder", "rank", "score")


class FeedbackError(Exception):
    """This cannot be marked; the message says why, and what to do."""


def digest_of(request: SearchRequest) -> str:
    """SHA-256 in hex of what is asked: the item, or the text with its formula and the image. Not of how."""
    request = request.settled()
    return _digest(request.item_code or "", request.text, _sha256(request.image) if request.image else "")


def _digest(*asked: str) -> str:
    return _sha256(json.dumps(asked, ensure_ascii=False).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# ---- the history


def remember(*, user: User, request: SearchRequest, response: SearchResponse, link: str) -> SearchQuery:
    """Put a search in the person's history, or count it once more; the newest 500 of a person are kept.

    `link` is the query string that asks the same, however long; empty with an image, which no link can hold.
    """
    asked = _asked(request)
    how = {
        "method": response.method,
        "encoder": response.encoder,
        "hit_count": len(response.hits),
        "milliseconds": response.timings_ms.get("total", 0.0),
        "asked_at": timezone.now(),
    }
    key = {"user": user, "digest": _digest(asked["item_code"], asked["text"], asked["image_sha256"]), "link": link}
    try:
        return _stored(key, asked | how)
    except IntegrityError:  # the item was deleted while the answer was on its way
        return _stored(key, asked | how | {"item": None})


def _asked(request: SearchRequest) -> dict[str, Any]:
    request = request.settled()
    code = request.item_code or ""
    return {
        "item": Item.objects.filter(code=code).first() if code else None,
        "item_code": code,
        "text": request.text,
        "image_sha256": _sha256(request.image) if request.image else "",
        "preview": preview_of(request.image) if request.image else None,
    }


@transaction.atomic
def _stored(key: dict[str, Any], values: dict[str, Any]) -> SearchQuery:
    again = values | {"times": F("times") + 1}
    query, created = SearchQuery.objects.update_or_create(**key, defaults=again, create_defaults=values)
    if created:
        old = SearchQuery.objects.filter(user=query.user_id).order_by("-asked_at", "-pk").values("pk")[KEPT:]
        SearchQuery.objects.filter(pk__in=old).delete()
    else:
        query.refresh_from_db(fields=["times"])
    return query


def preview_of(image: bytes) -> bytes | None:
    """A small WebP of an image file; None where it cannot be read."""
    try:
        clean = sanitise(image)
    except ImageError:
        return None
    stream = io.BytesIO()
    with Image.open(io.BytesIO(clean.data)) as picture:
        picture.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
        picture.save(stream, "WEBP", quality=80)
    return stream.getvalue()


def recent_queries(*, user: User, limit: int = 20) -> list[SearchQuery]:
    """The person's newest searches, newest first, without their previews."""
    return list(SearchQuery.objects.filter(user=user).defer("preview").order_by("-asked_at", "-pk")[:limit])


def forget(*, user: User, query: int | None = None) -> int:
    """Take one search out of the person's history, or all of them; returns how many. Their thumbs stay."""
    queries = SearchQuery.objects.filter(user=user)
    return (queries if query is None else queries.filter(pk=query)).delete()[0]


# ---- thumbs


def set_mark(
    *, user: User, query: SearchQuery, item: Item, verdict: int, found_by: Mapping[str, Any]
) -> SearchMark | None:
    """Mark an item as similar to what was asked (1) or not (-1); 0 takes the mark back, and returns None.

    Raises FeedbackError for the query's own item, for an item that was just deleted and for another verdict.
    """
    if verdict not in (0, *SearchMark.Verdict.values):
        raise FeedbackError(_("A verdict is 1 (similar), -1 (not similar) or 0 (no verdict)."))
    if query.item_code == item.code:
        raise FeedbackError(_("An item is not compared with itself."))
    key: dict[str, Any] = {"user": user, "digest": query.digest, "item": item}
    if not verdict:
        SearchMark.objects.filter(**key).delete()
        return None
    said = {
        "query_item": query.item,
        "query_code": query.item_code,
        "query_text": query.text,
        "query_preview": query.preview,
        "link": query.link,
        "verdict": verdict,
        "found_by": {name: found_by[name] for name in FOUND_BY if name in found_by},
        "marked_at": timezone.now(),
    }
    try:
        with transaction.atomic():
            return SearchMark.objects.update_or_create(**key, defaults=said)[0]
    except IntegrityError as error:
        raise FeedbackError(_("The item was deleted meanwhile. Search again.")) from error


def marks_of(*, user: User, digest: str, item_ids: Iterable[int]) -> dict[int, int]:
    """Item id -> verdict, of the person's thumbs on hits of this query."""
    marks = SearchMark.objects.filter(user=user, digest=digest, item__in=list(item_ids))
    return dict(marks.values_list("item", "verdict"))


def marks_seen_by(user: User) -> QuerySet[SearchMark]:
    """Everybody's thumbs for those who may see them, else the person's own."""
    return SearchMark.objects.all() if user.has_perm(SEES_ALL) else SearchMark.objects.filter(user=user)


def take_back(*, user: User, mark: int) -> bool:
    """Remove a thumb of the person's own; False where there is none of that id."""
    return bool(SearchMark.objects.filter(pk=mark, user=user).delete()[0])
