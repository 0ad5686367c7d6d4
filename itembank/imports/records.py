"""A draft whose images are stored becomes the record that lands in the bank (pure)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

from itembank import canonical
from itembank.uploads.drafts import ImageRole, ItemDraft

UPLOADED = (
    "code",
    "subject",
    "grade",
    "unit",
    "item_type",
    "difficulty",
    "text",
    "choices",
    "answer",
    "explanation",
    "curriculum_code",
    "cognitive_level",
    "metadata",
)
"""The fields of an item that an upload brings; the rest is derived from them and the images."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A sanitised image in the media storage. Sizes are in pixels; `sha256` is that of the stored bytes."""

    name: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PlacedImage:
    """A stored image at its place in an item."""

    role: ImageRole
    position: int
    image: StoredImage


@dataclass(frozen=True, slots=True)
class Derived:
    """What follows from the uploaded fields and the images of an item (itembank/canonical.py)."""

    category: canonical.Category
    content_hash: str
    record_hash: str


@dataclass(frozen=True)
class ItemRecord:
    """An item, ready to land. `fields` has the keys UPLOADED."""

    row: int
    code: str
    fields: dict[str, Any]
    images: tuple[PlacedImage, ...]

    @cached_property
    def derived(self) -> Derived:
        """Made when asked for: the check of a new item needs no hash, and an import makes it while COPY runs."""
        return derive(self.fields, self.images)


def make_record(draft: ItemDraft, images: Sequence[PlacedImage]) -> ItemRecord:
    """The record of a draft whose images are `images`, in the draft's order."""
    fields = dict(zip(UPLOADED, _uploaded(draft), strict=True))
    return ItemRecord(draft.row, draft.code, fields, tuple(images))


def derive(fields: Mapping[str, Any], images: Sequence[PlacedImage]) -> Derived:
    """The derived fields of an item with the given UPLOADED fields."""
    seen = [placed for placed in images if placed.role != "explanation"]
    text, choices = fields["text"], fields["choices"]
    places = [(placed.role, placed.position, placed.image.sha256) for placed in images]
    hashes = [placed.image.sha256 for placed in seen]
    return Derived(
        category=canonical.category(text=text, choices=choices, has_image=bool(seen)),
        content_hash=canonical.content_hash(text=text, choices=choices, image_hashes=hashes),
        record_hash=canonical.record_hash({**fields, "images": places}),
    )


_uploaded = attrgetter(*UPLOADED)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def as_json(value: Any) -> str:
    return _ENCODER.encode(value)
