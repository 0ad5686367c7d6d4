"""CSV as spreadsheets write it: UTF-8 (with or without BOM) or CP949, commas, a header row."""

from __future__ import annotations

import codecs
import csv
import io
from typing import TYPE_CHECKING, BinaryIO

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .archive import refused
from .limits import MIB, Limits
from .tabular import parse_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .raw import RawRow


def read_csv(stream: BinaryIO, limits: Limits) -> Iterator[RawRow]:
    """The rows below the header, by the number that a spreadsheet gives them; closes the stream."""
    rows = numbered_cells(stream)
    header = parse_header(next(rows, (1, []))[1], limits)
    for number, cells in rows:
        row = header.row(number, cells)
        if row:
            yield row


def numbered_cells(stream: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """The rows as a spreadsheet numbers them: the header is row 1, a cell with line breaks is still one row.

    Reads the stream twice (first for its encoding), so it must be seekable; closes it.
    """
    encoding = _encoding(stream)
    stream.seek(0)
    with io.TextIOWrapper(stream, encoding, newline="") as lines:
        yield from _numbered(lines)


def _numbered(lines: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, strict=True)
    number = 0
    while True:
        number += 1
        start = reader.line_num + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            message = _(
                "Row {row} (line {line}) cannot be read: a quote is not closed or not doubled, "
                "or a cell is longer than {limit} characters ({reason})."
            )
            text = format_lazy(message, row=number, line=start, limit=csv.field_size_limit(), reason=error)
            raise refused("csv-syntax", text) from None


def _encoding(stream: BinaryIO) -> str:
    """Strict UTF-8, else strict CP949; guessing libraries take CP949 for other things."""
    for encoding in ("utf-8-sig", "cp949"):
        stream.seek(0)
        if _decodes(stream, encoding):
            return encoding
    raise refused("encoding", _("The file is neither UTF-8 nor CP949. Save it as “CSV UTF-8”."))


def _decodes(stream: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while block := stream.read(MIB):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
