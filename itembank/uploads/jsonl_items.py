"""JSON Lines: one item a line. A bad line is an error of that row alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .drafts import RowError
from .limits import MIB, Limits
from .raw import RawRow, storable
from .strict_json import StrictJSONError, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_stubs_ext import StrOrPromise

BOM = b"\xef\xbb\xbf"
SHOWN_BYTES = 2000


def read_jsonl(stream: BinaryIO, limits: Limits) -> Iterator[RawRow]:
    """The rows by line number; blank lines are skipped. Holds one line at a time."""
    number = 0
    while line := stream.readline(limits.row_bytes + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(BOM)
        if len(line) > limits.row_bytes:
            _skip_rest_of_line(stream, line)
            yield _refused(number, line, "line-too-long", _too_long(limits))
        elif not line.isspace():
            yield _row(number, line)


def _row(number: int, line: bytes) -> RawRow:
    try:
        fields = decode(line.decode())
    except StrictJSONError as error:
        return _refused(number, line, error.code, error.message)
    except UnicodeDecodeError:
        message = _("The line is not UTF-8. Save the file in UTF-8.")
        return _refused(number, line, "encoding", message)
    if isinstance(fields, dict):
        return RawRow(number, fields)
    return _refused(number, line, "not-an-object", _('An item must be an object: {"id": …}.'))


def _refused(number: int, line: bytes, code: str, message: StrOrPromise) -> RawRow:
    start = storable(line[:SHOWN_BYTES].decode(errors="replace").strip())
    return RawRow(number, {"line": start}, (RowError(number, "", code, message),))


def _skip_rest_of_line(stream: BinaryIO, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = stream.readline(MIB)


def _too_long(limits: Limits) -> StrOrPromise:
    return format_lazy(_("The line is longer than {limit} MiB."), limit=limits.row_bytes // MIB)
