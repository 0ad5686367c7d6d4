"""What an item *is*, as pure functions: normalised text, category, and the hashes that tell change from no change."""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from itembank.formulas import Formula, split_formulas

_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


class Category(StrEnum):
    """What the item holds, most demanding first; derived, never uploaded."""

    IMAGE = "image"
    LATEX = "latex"
    TEXT_ONLY = "text_only"


def normalise_text(text: str) -> str:
    """NFC, LF line ends, no blank at the ends of lines or text. Content inside a line is the author's."""
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()


def has_latex(text: str) -> bool:
    """Whether the text holds a LaTeX formula, as `split_formulas` finds them."""
    return ("$" in text or "\\" in text) and any(isinstance(part, Formula) for part in split_formulas(text))


def category(*, text: str, choices: Iterable[str], has_image: bool) -> Category:
    """The category of an item whose question (not its explanation) has the given parts."""
    if has_image:
        return Category.IMAGE
    return Category.LATEX if has_latex("\n".join([text, *choices])) else Category.TEXT_ONLY


def embedding_text(*, text: str, choices: Iterable[str]) -> str:
    """The text that an encoder sees: the question, then its choices, one a line."""
    return "\n".join([text, *choices])


def content_hash(*, text: str, choices: Iterable[str], image_hashes: Iterable[str]) -> str:
    """SHA-256 (64 hex digits) over what encoders see: text, choices, question and choice images in order.

    A vector is current exactly while this equals the hash it was made from; an edit of the unit or the difficulty
    leaves vectors alone.
    """
    return _digest([text, list(choices), list(image_hashes)])


def record_hash(fields: Mapping[str, Any]) -> str:
    """SHA-256 (64 hex digits) over every uploaded field: equal means that an upload changes nothing."""
    return _digest(fields)


def _digest(value: Any) -> str:
    return hashlib.sha256(_ENCODER.encode(value).encode()).hexdigest()
