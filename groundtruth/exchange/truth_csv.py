"""CSV: query_id, source_item_id, query_type, item_id, relevance. A query without pairs has a row without an item."""

import csv
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import BinaryIO, NamedTuple

from django.utils.translation import gettext as _

from groundtruth.exchange.ground_truth_json import grouped
from groundtruth.exchange.records import (
    QUERY_TYPE,
    PairRecord,
    QueryRecord,
    Record,
    RowFault,
    checked,
    refuse_unknown,
    relevance_of,
    text_of,
)
from itembank.imports.rejected import BOM, FORMULA_STARTS
from itembank.uploads.archive import refused
from itembank.uploads.csv_items import numbered_cells
from itembank.uploads.raw import shown

QUERY_COLUMNS = ("query_id", "source_item_id", "query_type")
COLUMNS = (*QUERY_COLUMNS, "item_id", "relevance")
# Spreadsheets show a cell that begins with an apostrophe as text. Each one more is taken off again on the way in.
ESCAPED = re.compile(f"'+[{re.escape(''.join(FORMULA_STARTS))}]")


class _Row(NamedTuple):
    number: int
    fields: dict[str, str]


def read_truth_csv(stream: BinaryIO) -> Iterator[Record]:
    """Rows are those of the sheet, in any order. Closes the stream. Raises UploadError where it is no such CSV."""
    known: dict[str, QueryRecord] = {}
    for row in _rows(stream, COLUMNS, optional=("query_type",)):
        yield from checked(row.number, partial(_records, row, known))


def read_query_csv(stream: BinaryIO) -> Iterator[Record]:
    """The first three columns alone: which item each query of a qrels file is about."""
    known: dict[str, QueryRecord] = {}
    for row in _rows(stream, QUERY_COLUMNS, optional=("query_type",)):
        yield from checked(row.number, partial(_records, row, known))


def _rows(stream: BinaryIO, columns: Sequence[str], *, optional: Sequence[str]) -> Iterator[_Row]:
    rows = numbered_cells(stream)
    header = [cell.strip() for cell in next(rows, (1, [""]))[1]]
    _check_header(header, columns, optional)
    for number, cells in rows:
        if any(cell.strip() for cell in cells):
            yield _Row(number, _fields(header, cells))


def _check_header(header: Sequence[str], columns: Sequence[str], optional: Sequence[str]) -> None:
    try:
        refuse_unknown(header, columns)
    except RowFault as fault:
        raise refused(fault.code, fault.message) from None
    missing = [name for name in columns if name not in header and name not in optional]
    if missing:
        message = _("These columns are missing in the first row: {names}.")
        raise refused("header-missing", message.format(names=", ".join(missing)))
    twice = [name for name in columns if header.count(name) > 1]
    if twice:
        message = _("The column “{name}” is there twice. Keep one of them.")
        raise refused("header-duplicate", message.format(name=twice[0]))


def _fields(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Cells beyond the header go under a name that no column has."""
    plain = [cell[1:] if ESCAPED.match(cell) else cell for cell in cells]
    fields = dict(zip(header, plain, strict=False))
    surplus = [cell for cell in plain[len(header) :] if cell.strip()]
    return fields | {"": surplus[0]} if surplus else fields


def _records(row: _Row, known: dict[str, QueryRecord]) -> Iterator[Record]:
    if "" in row.fields:
        raise RowFault("", "column-count", _("The row has more cells than the first row. Check commas and quotes."))
    query_id = text_of(row.fields, "query_id")
    query_type = text_of(row.fields, "query_type", QUERY_TYPE)
    query = QueryRecord(row.number, query_id, text_of(row.fields, "source_item_id"), query_type)
    first = known.setdefault(query_id, query)
    if first is query:
        yield query
    elif first[1:] != query[1:] or "item_id" not in row.fields:
        message = _("The query id “{name}” is there twice, or with another item or type.")
        raise RowFault("query_id", "query-duplicate", message.format(name=shown(query_id)))
    if row.fields.get("item_id", "").strip() or row.fields.get("relevance", "").strip():
        yield PairRecord(
            row.number, query_id, text_of(row.fields, "item_id"), relevance_of(row.fields.get("relevance"))
        )


def write_truth_csv(records: Iterator[QueryRecord | PairRecord]) -> Iterator[bytes]:
    yield csv_line(COLUMNS, BOM)
    for query, pairs in grouped(records):
        about = (query.query_id, query.source or "", query.query_type)
        if not pairs:
            yield csv_line((*about, "", ""))
        for pair in pairs:
            yield csv_line((*about, pair.item, str(pair.relevance)))


def write_query_csv(records: Iterator[QueryRecord | PairRecord]) -> Iterator[bytes]:
    """What `read_query_csv` reads."""
    yield csv_line(QUERY_COLUMNS, BOM)
    for record in records:
        if isinstance(record, QueryRecord):
            yield csv_line((record.query_id, record.source or "", record.query_type))


class _Line:
    """A file that hands back what was written."""

    def write(self, line: str) -> str:
        return line


def csv_line(cells: Sequence[str], before: str = "") -> bytes:
    """A line of CSV whose cells are text to a spreadsheet, also where they begin like a formula."""
    harmless = [f"'{cell}" if cell.startswith(FORMULA_STARTS) or ESCAPED.match(cell) else cell for cell in cells]
    line: str = csv.writer(_Line()).writerow(harmless)
    return f"{before}{line}".encode()
