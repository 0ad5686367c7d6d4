"""XLSX: the sheet “items” or “문항”, else the first one; its first row is the header."""

from __future__ import annotations

import datetime
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

import openpyxl
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .archive import Archive, refused
from .drafts import RowError, UploadError
from .raw import RawRow, shown
from .tabular import Header, parse_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openpyxl.cell import Cell, MergedCell
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet
    from openpyxl.worksheet.worksheet import Worksheet

    from .drafts import JSONValue
    from .limits import Limits

_Cells: TypeAlias = "tuple[Cell | MergedCell, ...]"

SHEET_NAMES = ("items", "문항")
_CELL_ERRORS = frozenset({"#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"})


def read_xlsx(stream: BinaryIO, limits: Limits) -> Iterator[RawRow]:
    """The rows by sheet row. Formulas give the values they had when the file was saved.

    The stream must be seekable. Text is streamed but for the workbook's shared strings.
    """
    formulas = _checked_parts(stream, limits)
    with _broken_as_upload_error(), closing(_workbook(stream, data_only=True)) as book:
        sheet = _sheet(book)
        first = next(sheet.iter_rows(max_row=1, max_col=limits.columns + 1, values_only=True), ())
        header = parse_header(first, limits)
        # One column more than the header has shows cells that stand beside the table.
        width = len(header.names) + 1
        if formulas:
            with closing(_workbook(stream, data_only=False)) as source:
                yield from _rows_with_formulas(
                    header, _cells(sheet, width, limits), _cells(_sheet(source), width, limits)
                )
        else:
            yield from _rows(header, _cells(sheet, width, limits))


def _checked_parts(stream: BinaryIO, limits: Limits) -> bool:
    """Holds the workbook to the limits of a ZIP; whether any of its sheets has a formula."""
    size = limits.spreadsheet_bytes
    with closing(Archive(stream, replace(limits, entry_bytes=size, total_bytes=size))) as parts:
        if "xl/workbook.xml" not in parts.names:
            raise refused("xlsx-broken", _("This is no XLSX workbook. Save it as .xlsx again."))
        sheets = [name for name in parts.names if name.startswith("xl/worksheets/")]
        return any(_has_formula(parts, name) for name in sheets)


def _has_formula(parts: Archive, name: str) -> bool:
    with parts.open(name) as stream:
        end = b""
        while block := stream.read(1 << 20):
            text = end + block
            if b"<f>" in text or b"<f " in text:
                return True
            end = block[-2:]
    return False


@contextmanager
def _broken_as_upload_error() -> Iterator[None]:
    try:
        yield
    except (UploadError, GeneratorExit):
        raise
    except Exception:  # openpyxl raises nearly anything on broken workbooks, defusedxml on entities
        raise refused("xlsx-broken", _("The workbook is damaged. Open it and save it as .xlsx again.")) from None


def _workbook(stream: BinaryIO, *, data_only: bool) -> Workbook:
    stream.seek(0)
    return openpyxl.load_workbook(stream, read_only=True, data_only=data_only, keep_links=False)


def _sheet(book: Workbook) -> Worksheet:
    sheets = book.worksheets
    if not sheets:
        raise refused("xlsx-no-sheet", _("The workbook has no sheet with cells."))
    named = [sheet for sheet in sheets if sheet.title.strip().casefold() in SHEET_NAMES]
    sheet = cast("ReadOnlyWorksheet", (named or sheets)[0])
    sheet.reset_dimensions()  # files claim wrong ones, and rows outside them would be lost
    return cast("Worksheet", sheet)  # it has the methods of one, as far as they are used here


def _cells(sheet: Worksheet, width: int, limits: Limits) -> Iterator[_Cells]:
    for number, cells in enumerate(sheet.iter_rows(min_row=2, max_col=width), start=2):
        if number > limits.sheet_rows:
            message = _("The sheet has more than {limit} rows. Split it.")
            raise refused("xlsx-too-many-rows", format_lazy(message, limit=limits.sheet_rows))
        yield cells


def _rows(header: Header, rows: Iterator[_Cells]) -> Iterator[RawRow]:
    for number, cells in enumerate(rows, start=2):
        row = _row(number, header, cells)
        if row:
            yield row


def _rows_with_formulas(header: Header, rows: Iterator[_Cells], sources: Iterator[_Cells]) -> Iterator[RawRow]:
    for number, (cells, source) in enumerate(zip(rows, sources, strict=True), start=2):
        row = _row(number, header, cells)
        uncached = _uncached(number, header, cells, source)
        if row or uncached:
            fields = row.fields if row else {}
            yield RawRow(number, fields, (*(row.errors if row else ()), *uncached))


def _row(number: int, header: Header, cells: _Cells) -> RawRow | None:
    values = [_value(cell.value) for cell in cells]
    row = header.row(number, values)
    errors = _cell_errors(number, header, values)
    return RawRow(row.row, row.fields, (*row.errors, *errors)) if row and errors else row


def _value(value: object) -> JSONValue:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value).replace("_x000D_", "\r")


def _cell_errors(number: int, header: Header, values: Sequence[JSONValue]) -> list[RowError]:
    message = _("The cell shows the error {value}. Correct its formula.")
    return [
        RowError(number, name[:64], "cell-error", format_lazy(message, value=value))
        for name, value in zip(header.names, values, strict=False)
        if isinstance(value, str) and value in _CELL_ERRORS
    ]


def _uncached(number: int, header: Header, cells: _Cells, source: _Cells) -> list[RowError]:
    """Formulas saved without a value, by programs that do not calculate: they would read as empty."""
    message = _("The formula {value} has no saved value. Open the file in a spreadsheet program and save it.")
    return [
        RowError(number, name[:64], "formula-without-value", format_lazy(message, value=shown(str(formula.value))))
        for name, cell, formula in zip(header.names, cells, source, strict=False)
        if cell.value is None and cell.data_type == "n" and formula.value is not None
    ]
