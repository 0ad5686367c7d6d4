"""Pages by cursor: a place in a list that rows before it do not move. No counts: they cost a full scan."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from ninja import Schema
from pydantic import Field

from itembank.api.problems import Problem

Row = TypeVar("Row", bound=Model)
Out = TypeVar("Out")

MOST = 200
MAX_ID = 2**63 - 1


class PageQuery(Schema):
    cursor: Annotated[str, Field(max_length=40, pattern=r"^[A-Za-z0-9_-]*$")] = Field(
        "", description="`next_cursor` of the page before; nothing for the first page."
    )
    limit: int = Field(50, ge=1, le=MOST, description="Entries of a page, at most.")


class Page(Schema, Generic[Out]):
    items: list[Out]
    next_cursor: str | None = Field(description="For the next page; null at the end.")


def page(
    rows: QuerySet[Row], query: PageQuery, shown: Callable[[Sequence[Row]], list[Out]], *, newest_first: bool = False
) -> dict[str, Any]:
    """The page of rows by id. `shown` gets them all at once, so that it can ask for what they need in one query."""
    order, comparison = ("-pk", "pk__lt") if newest_first else ("pk", "pk__gt")
    if query.cursor:
        rows = rows.filter(**{comparison: _place(query.cursor)})
    found = list(rows.order_by(order)[: query.limit + 1])
    more = len(found) > query.limit
    found = found[: query.limit]
    return {"items": shown(found), "next_cursor": _cursor(found[-1].pk) if more else None}


def _cursor(pk: int) -> str:
    return base64.urlsafe_b64encode(f"1:{pk}".encode()).decode().rstrip("=")


def _place(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    number = text.removeprefix("1:")
    if not (text.startswith("1:") and number.isdecimal() and int(number) <= MAX_ID):
        raise Problem(422, "bad-cursor", _("This is no cursor of the bank. Begin again without one."))
    return int(number)
