"""What the single values of a row may look like, in every format alike."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .drafts import JSONValue

MAX_TEXT = 100_000
LENGTHS = {
    "id": 64,
    "subject": 100,
    "grade": 100,
    "unit": 200,
    "item_type": 40,
    "difficulty": 40,
    "curriculum_code": 64,
    "cognitive_level": 40,
    "text": MAX_TEXT,
    "explanation": MAX_TEXT,
    "answer": 10_000,
    "choices": 10_000,
    "image_path": 500,
}
"""Characters after normalising; those of short fields are the lengths of the database columns."""

MAX_CHOICES = 20
MAX_IMAGES = 20

# Lines end in LF, and a tab is as good as a blank: these are no faults. U+0085 is an old line end.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# As HTML does: U+0080-9F in text are cp1252 bytes that were read as Latin-1 (“ ” ’ – are common).
_FROM_CP1252 = {
    byte: bytes([byte]).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in {0x81, 0x8D, 0x8F, 0x90, 0x9D}
}

ITEM_TYPES = {
    "multiple_choice": "multiple choice, multiplechoice, mcq, choice, 객관식, 선다형, 선택형, 오지선다형",
    "short_answer": "short answer, shortanswer, 단답형, 주관식, 단답",
    "essay": "서술형, 논술형, 서논술형, constructed response",
    "true_false": "true/false, ox, ox형, 진위형",
    "fill_in_blank": "fill in the blank, cloze, 빈칸, 완성형, 빈칸채우기",
    "matching": "연결형, 배합형, 선긋기",
}
DIFFICULTIES = {
    1: "very easy, 최하, 매우 쉬움",
    2: "easy, low, 하, 쉬움",
    3: "medium, normal, 중, 보통",
    4: "hard, high, difficult, 상, 어려움",
    5: "very hard, 최상, 매우 어려움",
}
_TRUE = frozenset(["true", "yes", "y", "1", "o", "예", "네", "있음", "유", "참"])
_FALSE = frozenset(["false", "no", "n", "0", "x", "아니오", "아니요", "없음", "무", "거짓"])


def _squashed(name: str) -> str:
    return re.sub(r"[\s_\-·/]+", "", name).casefold()


_ITEM_TYPE_BY_NAME = {_squashed(name): slug for slug, names in ITEM_TYPES.items() for name in (slug, *names.split(","))}
_DIFFICULTY_BY_NAME = {
    _squashed(name): level for level, names in DIFFICULTIES.items() for name in (str(level), *names.split(","))
}


def cleaned(text: str) -> str:
    """NFC, LF line ends, cp1252 leftovers mended."""
    if text.isprintable():
        return unicodedata.normalize("NFC", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_FROM_CP1252)
    return unicodedata.normalize("NFC", text)


def control_character(text: str) -> str | None:
    """The first character of cleaned ``text`` that no field may hold, as ``U+0007``; None where all are fine."""
    if text.replace("\n", " ").isprintable():
        return None
    found = _CONTROL.search(text)
    return f"U+{ord(found.group()):04X}" if found else None


def as_text(value: JSONValue) -> str | None:
    """Text or a number as text (``1001.0`` is ``"1001"``: spreadsheets store it so); None where it is neither."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | list | dict):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


@lru_cache(maxsize=256)
def item_type_named(name: str) -> str:
    """The slug for a known name in Korean or English; any other name as it is."""
    return _ITEM_TYPE_BY_NAME.get(_squashed(name), name)


def difficulty_named(name: str) -> int | None:
    """1 (very easy) to 5 (very hard); 하, 중, 상 are 2, 3, 4. None where the name is unknown."""
    return _DIFFICULTY_BY_NAME.get(_squashed(name))


def as_flag(value: JSONValue) -> bool | None:
    """The truth of a flag in JSON or in a cell; None where it says neither yes nor no."""
    if isinstance(value, bool):
        return value
    word = (as_text(value) or "").strip().casefold()
    return True if word in _TRUE else False if word in _FALSE else None
