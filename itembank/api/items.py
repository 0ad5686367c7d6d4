"""Items and their images, to read."""

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from typing import Annotated, Any

from django.db.models import Prefetch, QuerySet
from django.http import FileResponse, HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from ninja import Path, Query, Router, Schema
from pydantic import Field
from pydantic.config import JsonDict

from itembank.api.access import Guard
from itembank.api.paging import MAX_ID, Page, PageQuery, page
from itembank.api.problems import Problem, not_found
from itembank.api.scopes import Scope
from itembank.api.texts import Code, Line, MetadataPair
from itembank.matching import matching
from itembank.media import image_response, thumbnail_response
from itembank.models import Item, ItemImage
from itembank.thumbnails import SIZES

router = Router(tags=["items"])

EXAMPLE: JsonDict = {
    "code": "M2-0417",
    "subject": "수학",
    "grade": "중2",
    "unit": "일차함수",
    "item_type": "multiple_choice",
    "difficulty": 3,
    "category": "latex",
    "text": "일차함수 $y = 3x + 1$의 기울기를 구하시오.",
    "choices": ["1", "2", "3", "4", "5"],
    "answer": "3",
    "explanation": "기울기는 $x$의 계수이다.",
    "curriculum_code": "9수02-05",
    "cognitive_level": "apply",
    "images": [
        {
            "role": "question",
            "position": 0,
            "width": 480,
            "height": 320,
            "url": "/api/v1/images/912",
            "sha256": "0" * 64,
        }
    ],
    "updated_at": "2026-03-02T09:00:00+09:00",
}


class Size(IntEnum):
    """Pixels of the longest side."""

    SMALL = SIZES[0]
    LARGE = SIZES[1]


class ItemFilters(Schema):
    """Any of the values within a field, all of the fields together."""

    subject: list[Line] = Field([], max_length=100, examples=[["수학"]])
    grade: list[Line] = Field([], max_length=100, examples=[["중2"]])
    unit: list[Line] = Field([], max_length=100)
    item_type: list[Line] = Field([], max_length=100)
    difficulty: list[Annotated[int, Field(ge=1, le=5)]] = Field([], max_length=5)
    category: list[Item.ItemCategory] = Field([], max_length=3)
    curriculum_code: list[Line] = Field([], max_length=100)
    cognitive_level: list[Line] = Field([], max_length=100)
    batch: list[Annotated[int, Field(ge=1, le=MAX_ID)]] = Field(
        [], max_length=100, description="Numbers of uploads that the items came with, or were last changed by."
    )
    metadata: list[MetadataPair] = Field(
        [],
        max_length=20,
        description="`key=value`. Of one key, any of the values; of different keys, one each. `year=2024` also means "
        "the number, and `reviewed=true` the boolean.",
        examples=[["source=KMWPS"]],
    )

    def values(self) -> dict[str, tuple[Any, ...]]:
        """Field -> its values, for the fields that filter."""
        names = ItemFilters.model_fields
        return {name: tuple(map(_plain, found)) for name in names if (found := getattr(self, name))}


class ItemQuery(PageQuery, ItemFilters):
    code: list[Code] = Field([], max_length=100, description="Items with one of these codes.")


class ImageOut(Schema):
    role: ItemImage.Role
    position: int
    width: int
    height: int
    sha256: str
    url: str = Field(
        description="Where the image is, as a path on this host; it takes the same token. `?size=320` is a small copy."
    )


class ItemOut(Schema):
    model_config = {"json_schema_extra": {"examples": [EXAMPLE]}}

    code: str
    subject: str
    grade: str
    unit: str
    item_type: str
    difficulty: int | None
    category: Item.ItemCategory
    text: str = Field(description="Text with LaTeX between dollar signs.")
    choices: list[str]
    answer: str
    explanation: str
    curriculum_code: str
    cognitive_level: str
    images: list[ImageOut]
    updated_at: datetime


@router.get("/items", response=Page[ItemOut], auth=Guard(Scope.ITEMS_READ), summary="List items")
def list_items(request: HttpRequest, query: Query[ItemQuery]) -> dict[str, Any]:
    """Items by the order in which they came into the bank, under filters."""
    items = Item.objects.filter(matching(query.values()))
    if query.code:
        items = items.filter(code__in=query.code)
    return page(with_images(items), query, shown_items)


@router.get("/items/{path:code}", response=ItemOut, auth=Guard(Scope.ITEMS_READ), summary="One item")
def read_item(request: HttpRequest, code: Path[Code]) -> dict[str, Any]:
    """An item with links to its images."""
    item = with_images(Item.objects.filter(code=code)).first()
    if item is None:
        raise unknown_item(code)
    return shown_item(item)


@router.get(
    "/images/{int:image_id}",
    auth=Guard(Scope.ITEMS_READ),
    summary="An image of an item",
    openapi_extra={
        "responses": {
            200: {
                "description": "The image.",
                "content": {kind: {"schema": {}} for kind in ("image/png", "image/jpeg", "image/webp")},
            }
        }
    },
)
def read_image(
    request: HttpRequest,
    image_id: Path[Annotated[int, Field(ge=1, le=MAX_ID)]],
    size: Query[Size | None] = None,
) -> FileResponse:
    """The file as it is stored, or a small copy with its longest side at `size`."""
    image = ItemImage.objects.filter(pk=image_id).first()
    if image is None:
        raise not_found()
    return image_response(image) if size is None else thumbnail_response(image, size)


def with_images(items: QuerySet[Item]) -> QuerySet[Item]:
    return items.prefetch_related(Prefetch("images", ItemImage.objects.order_by("role", "position")))


def shown_items(items: Iterable[Item]) -> list[dict[str, Any]]:
    return [shown_item(item) for item in items]


def shown_item(item: Item) -> dict[str, Any]:
    """An item whose images are read already, as ItemOut."""
    own = {name: getattr(item, name) for name in ItemOut.model_fields if name not in {"images", "choices"}}
    images = [_shown_image(image) for image in item.images.all()]
    return own | {"choices": [str(choice) for choice in item.choices], "images": images}


def unknown_item(code: str) -> Problem:
    return Problem(404, "unknown-item", _("There is no item “%(code)s”. Check the code.") % {"code": code})


def _shown_image(image: ItemImage) -> dict[str, Any]:
    own = {name: getattr(image, name) for name in ImageOut.model_fields if name != "url"}
    return own | {"url": reverse("api:read_image", args=[image.pk])}


def _plain(value: Any) -> Any:
    """Choices of a model as the text that they stand for."""
    return value.value if isinstance(value, Item.ItemCategory) else value
