"""TREC qrels: `query_id 0 item_id relevance`, a judgement a line, blanks between the fields.

A qrels file does not say which item a query is about: a file of queries does, or the query id itself.
"""

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
    relevance_of,
    text_of,
)
from itembank.uploads.drafts import UploadError
from itembank.uploads.raw import shown

LINE_BYTES = 4096
BOM = b"\xef\xbb\xbf"


class NotForQrels(Exception):  # noqa: N818 - a decision, not a fault
    """An id has a blank in it, which separates fields in qrels; the message names it."""


def read_qrels(stream: BinaryIO, queries: Iterator[Record] | None = None) -> Iterator[Record]:
    """Rows are lines. `queries` are the records of a file of queries; errors in it are the file's."""
    known = set()
    for record in queries or ():
        if not isinstance(record, QueryRecord):
            raise UploadError(record) if not isinstance(record, PairRecord) else TypeError("pairs in a file of queries")
        known.add(record.query_id)
        yield record
    number = 0
    while line := stream.readline(LINE_BYTES):
        number += 1
        line = line.removeprefix(BOM) if number == 1 else line
        if line.strip():
            yield from checked(number, partial(_records, number, line, known, open_ended=queries is None))
        while line and not line.endswith(b"\n"):  # a longer line was refused by its first part
            line = stream.readline(LINE_BYTES)


def _records(number: int, line: bytes, known: set[str], *, open_ended: bool) -> Iterator[Record]:
    fields = _decoded(line).split()
    if len(fields) != 4 or len(line) >= LINE_BYTES:
        raise RowFault("", "qrels-line", _("A line has four fields: query id, 0, item id, relevance."))
    query_id = text_of({"query_id": fields[0]}, "query_id")
    pair = PairRecord(number, query_id, text_of({"id": fields[2]}, "id"), relevance_of(fields[3]))
    if query_id not in known:
        if not open_ended:
            message = _("The query “{name}” is not in the file of queries.")
            raise RowFault("query_id", "query-unknown", message.format(name=shown(query_id)))
        known.add(query_id)
        yield QueryRecord(number, query_id, None, QUERY_TYPE)
    yield pair


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise RowFault("", "encoding", _("The line is not UTF-8. Save the file in UTF-8.")) from None


def write_qrels(records: Iterator[QueryRecord | PairRecord]) -> Iterator[bytes]:
    """Queries without a judged pair are not in it. Raises NotForQrels."""
    for record in records:
        if isinstance(record, PairRecord):
            for name in (record.query_id, record.item):
                if name.split() != [name]:
                    raise NotForQrels(_("“%(name)s” has a blank in it: qrels cannot hold it.") % {"name": name})
            yield f"{record.query_id} 0 {record.item} {record.relevance}\n".encode()
