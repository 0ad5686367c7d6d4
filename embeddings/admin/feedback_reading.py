"""How searches and thumbs are told on pages: what was asked, how, and the way to ask it again."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl

from django.db.models import Prefetch
from django.utils.translation import gettext as _

from embeddings.method_form import METHODS
from embeddings.models import Encoder, Reranker, SearchMark, SearchQuery
from embeddings.search.types import FILTER_FIELDS
from itembank.models import Item, ItemImage, item_type_label

MAX_LINK_CHARACTERS = 4_000
"""Longest address that is linked to; longer ones are posted. Web servers take 8,190 bytes, and pages name the address
of one that they came from, which encodes it once more."""

RENDERED_CHARACTERS = 2_000
"""Texts up to here are shown with their formulas, longer ones by their beginning."""

with_images = Prefetch("images", ItemImage.objects.order_by("position"))


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked. `code` is that of an item, also of one that is no longer there; `preview` a data URI.

    It is asked again by `link`, by posting `fields`, or not at all, where it was asked with a picture.
    """

    item: Item | None
    code: str
    text: str
    preview: str
    link: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_long(self) -> bool:
        return len(self.text) > RENDERED_CHARACTERS


def asked(told: SearchQuery | SearchMark) -> Asked:
    """Of a search, or of the search that a thumb was given in. Items come with their images."""
    if isinstance(told, SearchQuery):
        item, code, text, preview = told.item, told.item_code, told.text, told.preview
    else:
        item, code, text, preview = told.query_item, told.query_code, told.query_text, told.query_preview
    short = len(told.link) <= MAX_LINK_CHARACTERS
    return Asked(
        item=item,
        code=code,
        text=text,
        preview=data_uri(preview),
        link=told.link if short and still_there(item, code) else "",
        fields=[] if short else parse_qsl(told.link),
    )


def still_there(item: Item | int | None, code: str) -> bool:
    """Whether the item that was asked about by this code, if one was, can be asked about again."""
    return bool(item or not code)


def data_uri(preview: bytes | memoryview | None) -> str:
    return f"data:image/webp;base64,{base64.b64encode(preview).decode()}" if preview else ""


class Names:
    """What slugs are called; read once a page, and only where one is shown."""

    @cached_property
    def encoders(self) -> Mapping[str, str]:
        return {encoder.slug: encoder.title for encoder in Encoder.objects.all()}

    @cached_property
    def rerankers(self) -> Mapping[str, str]:
        return {reranker.slug: reranker.title for reranker in Reranker.objects.all()}

    def method(self, name: str) -> str:
        return next((str(method.label) for method in METHODS if method.name == name), name)

    def encoder(self, slugs: str) -> str:
        """`slugs` as a search's answer names them, with ", " between several."""
        return ", ".join(self.encoders.get(slug, slug) for slug in slugs.split(", ")) if slugs else ""

    def settings(self, link: str) -> list[str]:
        """The filters of a search and its reranker, in words."""
        given = parse_qsl(link)
        told = [f"{_label(name)}: {_value(name, value)}" for name, value in given if name in FILTER_FIELDS]
        read = [self.rerankers.get(value, value) for name, value in given if name == "rerank"]
        return told + [_("Reranked: %(reranker)s") % {"reranker": name} for name in read]


def _label(name: str) -> str:
    return str(Item._meta.get_field(name).verbose_name)  # type: ignore[union-attr]


def _value(name: str, value: str) -> str:
    if name == "category":
        return str(dict(Item.ItemCategory.choices).get(value, value))
    return item_type_label(value) if name == "item_type" else value
