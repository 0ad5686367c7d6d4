"""ground_truth.json, read and written a query at a time.

{"queries": [{"query_id", "source_item_id", "query_type", "relevant_items": [{"id", "relevance"}]}]}
"""

import json
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from django.utils.translation import gettext as _

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
from itembank.uploads.drafts import RowError, UploadError
from itembank.uploads.json_items import read_json
from itembank.uploads.limits import Limits
from itembank.uploads.raw import RawRow

QUERY_FIELDS = ("query_id", "source_item_id", "query_type", "relevant_items")
ITEM_FIELDS = ("id", "relevance")


def read_ground_truth(stream: BinaryIO) -> Iterator[Record]:
    """Rows are places in `queries`, from 1. Raises UploadError where the file is no such JSON."""
    try:
        for raw in read_json(stream, Limits(), "queries"):
            yield from _errors(raw) or checked(raw.row, partial(_records, raw))
    except UploadError as error:
        raise UploadError(*(_about_queries(each) for each in error.errors)) from None


def _errors(raw: RawRow) -> list[RowError]:
    return [_about_queries(each) for each in raw.errors]


def _about_queries(error: RowError) -> RowError:
    """The reader of items speaks of items."""
    messages = {
        "items-missing": _('The file has no list “queries”. Write {"queries": [ … ]}.'),
        "items-not-a-list": _('The file has no list “queries”. Write {"queries": [ … ]}.'),
        "not-an-object": _('A query must be an object: {"query_id": …}.'),
    }
    return RowError(error.row, error.field, error.code, messages.get(error.code, error.message))


def _records(raw: RawRow) -> Iterator[Record]:
    refuse_unknown(raw.fields, QUERY_FIELDS)
    query_id = text_of(raw.fields, "query_id")
    source = text_of(raw.fields, "source_item_id")
    yield QueryRecord(raw.row, query_id, source, text_of(raw.fields, "query_type", QUERY_TYPE))
    relevant = raw.fields.get("relevant_items")
    if not isinstance(relevant, list):
        raise _no_list()
    for entry in relevant:
        if not isinstance(entry, dict):
            raise _no_list()
        refuse_unknown(entry, ITEM_FIELDS)
        yield PairRecord(raw.row, query_id, text_of(entry, "id"), relevance_of(entry.get("relevance")))


def _no_list() -> RowFault:
    message = _('This must be a list of objects: [{"id": …, "relevance": …}].')
    return RowFault("relevant_items", "wrong-type", message)


def write_ground_truth(records: Iterator[QueryRecord | PairRecord]) -> Iterator[bytes]:
    """A line for each query."""
    yield b'{"queries": ['
    separator = b"\n"
    for query, pairs in grouped(records):
        relevant = [{"id": pair.item, "relevance": pair.relevance} for pair in pairs]
        values = (query.query_id, query.source, query.query_type, relevant)
        line = json.dumps(dict(zip(QUERY_FIELDS, values, strict=True)), ensure_ascii=False)
        yield separator + line.encode()
        separator = b",\n"
    yield b"\n]}\n"


def grouped(records: Iterator[QueryRecord | PairRecord]) -> Iterator[tuple[QueryRecord, list[PairRecord]]]:
    """Each query with the pairs that follow it."""
    query: QueryRecord | None = None
    pairs: list[PairRecord] = []
    for record in records:
        if isinstance(record, PairRecord):
            pairs.append(record)
            continue
        if query:
            yield query, pairs
        query, pairs = record, []
    if query:
        yield query, pairs
