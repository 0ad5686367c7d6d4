"""JSON as RFC 8259 means it, and as PostgreSQL can store it.

The standard decoder accepts NaN, keeps the last of two equal keys, and lets U+0000 and lone surrogates through;
``jsonb`` refuses them or, worse, a later step does.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .raw import shown

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from .drafts import JSONValue

MAX_DEPTH = 32
# Only these escapes can bring in what the UTF-8 decoder has not refused already: the walk is for suspects.
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE = re.compile("[\ud800-\udfff]")


class StrictJSONError(Exception):
    """A value that is refused, with the ``code`` and message of its row error."""

    def __init__(self, code: str, message: StrOrPromise) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = format_lazy(_("The key “{name}” is there twice. Keep one of them."), name=shown(twice))
        raise StrictJSONError("json-duplicate-key", message)
    return result


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise StrictJSONError("json-number", format_lazy(_("The number {number} is too large."), number=text[:40]))
    return value


def _refuse_constant(name: str) -> None:
    message = format_lazy(_("{name} is not a JSON value. Write null or a number."), name=name)
    raise StrictJSONError("json-nan", message)


_strict = json.JSONDecoder(object_pairs_hook=_unique_pairs, parse_float=_finite, parse_constant=_refuse_constant)
# Finds the end of a value whatever is in it.
_lenient = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def decode(text: str) -> JSONValue:
    """The one value in ``text``; StrictJSONError says what is wrong with it."""
    value, end = decode_at(text, len(text) - len(text.lstrip(" \t\r\n")))
    rest = text[end:].strip(" \t\r\n")
    if rest:
        raise syntax_fault("Extra data", 1, end + 1)
    return value


def decode_at(text: str, start: int) -> tuple[JSONValue, int]:
    """The value that starts at ``start``, and where it ends; StrictJSONError says what is wrong with it."""
    try:
        value, end = _strict.raw_decode(text, start)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise syntax_fault(error.msg, error.lineno, error.colno) from None
    except ValueError:  # int() refuses more than sys.get_int_max_str_digits()
        raise StrictJSONError("json-number", _("A number has too many digits.")) from None
    if _SUSPECT.search(text, start, end):
        _refuse_unstorable(value)
    if text.count("{", start, end) + text.count("[", start, end) > MAX_DEPTH:
        _refuse_deep(value)
    return value, end


def end_of_value(text: str, start: int) -> int:
    """Where the value ends, also one that ``decode_at`` refuses; json.JSONDecodeError or RecursionError if none."""
    return _lenient.raw_decode(text, start)[1]


def syntax_fault(reason: str, line: int, column: int) -> StrictJSONError:
    message = format_lazy(
        _("This is not valid JSON (line {line}, column {column}: {reason})."),
        line=line,
        column=column,
        reason=reason,
    )
    return StrictJSONError("json-syntax", message)


def _too_deep() -> StrictJSONError:
    message = format_lazy(_("Values are nested more than {depth} deep. Flatten them."), depth=MAX_DEPTH)
    return StrictJSONError("json-depth", message)


def _refuse_deep(value: JSONValue) -> None:
    level: list[JSONValue] = [value]
    for _depth in range(MAX_DEPTH + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise _too_deep()


def _children(value: JSONValue) -> list[JSONValue]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _refuse_unstorable(value: JSONValue) -> None:
    pending: list[JSONValue] = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, str):
            _refuse_characters(current)
        elif isinstance(current, dict):
            pending += current.keys()
        pending += _children(current)


def _refuse_characters(text: str) -> None:
    if "\0" in text:
        raise StrictJSONError("nul", _("It contains the character U+0000. Remove it."))
    if _SURROGATE.search(text):
        message = _("It contains half of a character (a lone surrogate such as \\ud83d). Write the character again.")
        raise StrictJSONError("surrogate", message)
