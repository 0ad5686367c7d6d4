"""JSON: ``{"items": [...]}`` or a bare list, read item by item. Other lists of objects are read the same way."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .archive import refused
from .drafts import RowError
from .limits import MIB, Limits
from .raw import RawRow, shown, storable
from .strict_json import StrictJSONError, decode_at, end_of_value, syntax_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANK = " \t\r\n"
_NUMBER_TAIL = re.compile(r"[0-9.eE+-]*")
_SHOWN_CHARACTERS = 2000


def read_json(stream: BinaryIO, limits: Limits, key: str = "items") -> Iterator[RawRow]:
    """The rows by place in the list, from 1. Holds one item and one block of the file at a time.

    A fault inside an item is an error of its row; where the text stops being JSON, the file is refused. Keys next
    to ``key`` are passed over. Messages speak of items: who reads another list replaces them by their codes.
    """
    text = _Text(stream, limits)
    yield from _elements(text) if text.peek() == "[" else _document(text, key)
    if text.peek():
        text.refuse("Extra data")


def _document(text: _Text, wanted: str) -> Iterator[RawRow]:
    seen: set[str] = set()
    text.expect("{")
    while text.peek() != "}":
        key = _new_key(text, seen)
        text.expect(":")
        if key == wanted:
            yield from _elements(text)
        else:
            text.skip_value()
        if text.peek() != "}":
            text.expect(",")
            if text.peek() == "}":
                text.refuse("Trailing comma")
    text.expect("}")
    if wanted not in seen:
        message = _('The file has no list “items”. Write {"items": [ … ]}, or name it .jsonl if each line is an item.')
        raise refused("items-missing", message)


def _new_key(text: _Text, seen: set[str]) -> str:
    if text.peek() != '"':
        text.refuse("Expecting property name enclosed in double quotes")
    key, fault = text.value()
    if fault:
        raise refused(fault.code, fault.message)
    if key in seen:
        message = _("The key “{name}” is there twice. Keep one of them.")
        raise refused("json-duplicate-key", format_lazy(message, name=shown(str(key))))
    seen.add(str(key))
    return str(key)


def _elements(text: _Text) -> Iterator[RawRow]:
    if text.peek() != "[":
        raise refused("items-not-a-list", _("“items” must be a list of items: [ … ]."))
    text.expect("[")
    number = 0
    while text.peek() != "]":
        number += 1
        yield _row(number, text)
        if text.peek() != "]":
            text.expect(",")
            if text.peek() == "]":
                text.refuse("Trailing comma")
    text.expect("]")


def _row(number: int, text: _Text) -> RawRow:
    value, fault = text.value()
    if isinstance(value, dict):
        return RawRow(number, value)
    fault = fault or StrictJSONError("not-an-object", _('An item must be an object: {"id": …}.'))
    start = storable(str(value)[:_SHOWN_CHARACTERS])
    return RawRow(number, {"line": start}, (RowError(number, "", fault.code, fault.message),))


class _Text:
    """A window on the file, from the current place to as far as the next value needs."""

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        self._line = 1
        self._ended = False

    def peek(self) -> str:
        """The next character that is no blank; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _BLANK:
                    return self._text[self._at]
                self._at += 1
            if not self._grow():
                return ""

    def expect(self, character: str) -> None:
        if self.peek() != character:
            self.refuse(f"Expecting '{character}'")
        self._at += 1

    def value(self) -> tuple[object, StrictJSONError | None]:
        """The next value, or its text and why it is refused."""
        self.peek()
        try:
            value, end = decode_at(self._text, self._at)
        except StrictJSONError:
            return self._value_found_first()
        if self._may_go_on(end):
            return self._value_found_first()
        self._at = end
        return value, None

    def _value_found_first(self) -> tuple[object, StrictJSONError | None]:
        end = self._end_of_value()
        raw = self._text[self._at : end]
        self._at = end
        try:
            return decode_at(raw, 0)[0], None
        except StrictJSONError as fault:
            return raw, fault

    def skip_value(self) -> None:
        self._at = self._end_of_value()

    def refuse(self, reason: str, at: int | None = None) -> NoReturn:
        at = self._at if at is None else at
        line = self._line + self._text.count("\n", 0, at)
        column = at - self._text.rfind("\n", 0, at)
        fault = syntax_fault(reason, line, column)
        raise refused(fault.code, fault.message)

    def _end_of_value(self) -> int:
        self.peek()
        while True:
            try:
                end = end_of_value(self._text, self._at)
            except RecursionError:
                raise refused("json-depth", _("The JSON is nested too deeply. Flatten it.")) from None
            except json.JSONDecodeError as error:
                if not self._grow():
                    self.refuse(error.msg, error.pos)
            else:
                if not self._may_go_on(end) or not self._grow():
                    return end

    def _may_go_on(self, end: int) -> bool:
        """Whether the value that ends here may be the start of a number that the next block ends."""
        tail = _NUMBER_TAIL.match(self._text, end)
        return tail is not None and tail.end() == len(self._text)

    def _grow(self) -> bool:
        """Reads at least as much again as is pending; false at the end of the file."""
        pending = len(self._text) - self._at
        if self._ended:
            return False
        if pending > self._limits.row_bytes:
            message = _("One value is longer than {limit} MiB, or a bracket or quote before it is not closed.")
            raise refused("json-value-too-long", format_lazy(message, limit=self._limits.row_bytes // MIB))
        block = self._stream.read(max(MIB // 4, pending))
        self._ended = not block
        self._line += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :] + self._decoded(block)
        self._at = 0
        return True

    def _decoded(self, block: bytes) -> str:
        try:
            return self._decoder.decode(block, final=not block)
        except UnicodeDecodeError:
            raise refused("encoding", _("The file is not UTF-8. Save it as UTF-8.")) from None
