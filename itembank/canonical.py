"""What an item *is*, as pure functions: normalised text, category, and the hashes that tell change from no change."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from itembank.formulas import Formula, split_formulas

_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))

_NUMERAL = re.compile(r"(?<![\w)\]}])[-−](?=\d|\\[dt]?frac\{\d)|\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:\.\d+)?")
_FRACTION = re.compile(r"\\[dt]?frac\{0\}\{0\}")
_LAYOUT = re.compile(r"\\(?:left|right|displaystyle|textstyle|q?quad)(?![A-Za-z])|\\[,;:! ]|[$\s①-⑳]")


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


def masked_text(*, text: str, choices: Iterable[str]) -> str:
    """What two items share that differ in their numbers alone: every number, with its sign and as a fraction too, is 0;
    blanks, the layout of formulas and the order of choices do not count.
    """
    different = sorted({_masked(each) for each in choices})
    return "\n".join([_masked(text), *filter(None, different)])


def masked_hash(*, text: str, choices: Iterable[str]) -> str:
    """SHA-256 (64 hex digits) over the masked text."""
    return hashlib.sha256(masked_text(text=text, choices=choices).encode()).hexdigest()


def _masked(text: str) -> str:
    text = _LAYOUT.sub(" ", unicodedata.normalize("NFC", text))  # a blank before a minus makes it a sign
    text = _NUMERAL.sub(lambda number: "" if number[0] in "-−" else "0", text)
    text = "".join(unicodedata.normalize("NFKC", text).split())
    return _FRACTION.sub("0", text)


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
