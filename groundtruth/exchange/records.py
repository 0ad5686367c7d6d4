"""What a truth file is made of, and the checks that its formats share."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from django.utils.translation import gettext as _

from itembank.uploads.drafts import RowError
from itembank.uploads.raw import shown

QUERY_TYPE = "similar_item"
LENGTHS = {"query_id": 100, "source_item_id": 64, "query_type": 40, "item_id": 64, "id": 64}


class QueryRecord(NamedTuple):
    """`source` is the code of the query item; None where the file does not say and the query id must tell."""

    row: int
    query_id: str
    source: str | None
    query_type: str


class PairRecord(NamedTuple):
    """`item` is the candidate's code. The query's record comes before those of its pairs."""

    row: int
    query_id: str
    item: str
    relevance: int


Record = QueryRecord | PairRecord | RowError


class RowFault(Exception):  # noqa: N818 - becomes a RowError
    """A fault of one row, raised where it is found and turned into the row's error by `checked`."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field, self.code, self.message = field, code, message

    def at(self, row: int) -> RowError:
        return RowError(row, self.field, self.code, self.message)


def checked(row: int, read: Callable[[], Iterable[Record]]) -> Iterator[Record]:
    """What `read` gives, all of it or the one error of its row."""
    try:
        yield from list(read())
    except RowFault as fault:
        yield fault.at(row)


def text_of(fields: Mapping[str, object], name: str, default: str | None = None) -> str:
    """A field as one line of NFC text. Raises RowFault where it is missing, too long or no such text."""
    value = fields.get(name)
    if value is None or value == "":
        if default is None:
            raise RowFault(name, "required", _("This is required and is empty."))
        return default
    if not isinstance(value, str):
        raise RowFault(name, "wrong-type", _("This must be text."))
    text = unicodedata.normalize("NFC", value).strip()
    if not text.isprintable() or not text:
        raise RowFault(name, "not-printable", _("It is blank or contains characters that cannot be printed."))
    if len(text) > LENGTHS[name]:
        message = _("It has {length} characters; at most {limit} are possible.")
        raise RowFault(name, "too-long", message.format(length=len(text), limit=LENGTHS[name]))
    return text


def relevance_of(value: object) -> int:
    """0 to 3, as a number or its digit. Raises RowFault."""
    digit = value.strip() if isinstance(value, str) else value
    if isinstance(digit, str) and digit in {"0", "1", "2", "3"}:
        return int(digit)
    if isinstance(digit, bool) or not isinstance(digit, int) or digit not in range(4):
        raise RowFault("relevance", "relevance", _("The relevance is a whole number from 0 to 3."))
    return digit


def refuse_unknown(names: Iterable[str], known: Iterable[str]) -> None:
    """Raises RowFault for a name that the format does not have."""
    for name in names:
        if name not in known:
            message = _("“{name}” is not part of this format, which has: {known}.")
            raise RowFault(shown(name), "unknown-field", message.format(name=shown(name), known=", ".join(known)))
