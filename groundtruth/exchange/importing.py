"""A file's truth into a new set: all of it or nothing, unless unknown items may be skipped.

The rows go through a temporary table: what must hold between rows, and which items there are, the database finds out
without holding the file in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from groundtruth import audit
from groundtruth.exchange.formats import Format
from groundtruth.exchange.ground_truth_json import read_ground_truth
from groundtruth.exchange.qrels import read_qrels
from groundtruth.exchange.records import QueryRecord, Record
from groundtruth.exchange.staging import Staging
from groundtruth.exchange.truth_csv import read_query_csv, read_truth_csv
from groundtruth.models import TruthSet
from groundtruth.set_services import create_set
from itembank.uploads.drafts import RowError, UploadError
from itembank.uploads.limits import MIB

MAX_BYTES = 1024 * MIB
SHOWN = 20


class ImportRefused(Exception):  # noqa: N818 - a decision, not a fault
    """Nothing was imported. `errors` are the first reasons, `count` is how many there are."""

    def __init__(self, errors: list[RowError], count: int) -> None:
        self.errors, self.count = errors[:SHOWN], count
        super().__init__("\n".join(_lines(self.errors, count)))


class UnknownItems(ImportRefused):
    """The file names items that the bank does not have. `codes` are the first of them, `count` is how many."""

    def __init__(self, codes: list[str], count: int) -> None:
        self.codes = codes[:SHOWN]
        message = _(
            "The file names %(count)d unknown items, nothing was imported: %(codes)s. Import the items first, or skip "
            "the unknown ones."
        )
        listed = ", ".join(self.codes) + (", …" if count > len(self.codes) else "")
        super().__init__([RowError(None, "", "items-unknown", message % {"count": count, "codes": listed})], 1)
        self.count = count


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What landed. `unknown` are the first codes of unknown items, which were skipped with their queries and pairs."""

    truth_set: TruthSet
    queries: int
    pairs: int
    skipped_queries: int
    skipped_pairs: int
    unknown: tuple[str, ...]
    unknown_count: int


def _lines(errors: list[RowError], count: int) -> Iterator[str]:
    for error in errors:
        place = _("row %(row)d") % {"row": error.row} if error.row else ""
        where = ", ".join(part for part in (place, error.field) if part)
        yield f"{where}: {error.message}" if where else str(error.message)
    if count > len(errors):
        yield _("… and %(count)d more.") % {"count": count - len(errors)}


@transaction.atomic
def import_truth(
    *,
    file: BinaryIO,
    format: Format,
    name: str,
    skip_unknown: bool = False,
    user: User | None = None,
    queries: BinaryIO | None = None,
) -> ImportSummary:
    """A new set (the next version where the name exists) over the whole bank with what the file says.

    `file` must be seekable. `queries` is a CSV that says which item each query of a qrels file is about; without it the
    query id is the item's code, or "Q_" and the code. Raises ImportRefused, UnknownItems, SetError.
    """
    try:
        _check_size(file)
        return _imported(_records(file, format, queries), format, name, skip_unknown, user)
    except UploadError as error:
        raise ImportRefused(list(error.errors), len(error.errors)) from error


def _check_size(file: BinaryIO) -> None:
    size = file.seek(0, 2)
    file.seek(0)
    if size > MAX_BYTES:
        message = _("The file is larger than %(limit)d MiB. Split it.") % {"limit": MAX_BYTES // MIB}
        raise UploadError(RowError(None, "", "file-too-large", message))


def _records(file: BinaryIO, format: Format, queries: BinaryIO | None) -> Iterator[Record]:
    if format == "json":
        return read_ground_truth(file)
    return read_truth_csv(file) if format == "csv" else read_qrels(file, read_query_csv(queries) if queries else None)


def _imported(
    records: Iterator[Record], format: Format, name: str, skip_unknown: bool, user: User | None
) -> ImportSummary:
    staging = Staging()
    _stage(staging, records)
    unknown, unknown_count = staging.unknown_items(SHOWN)
    if unknown_count and not skip_unknown:
        raise UnknownItems(unknown, unknown_count)
    truth_set = create_set(
        name=name,
        method=TruthSet.Method.MANUAL,
        scope=TruthSet.Scope.BANK,
        parameters={"format": format, "unknown_items": unknown_count},
        user=user,
    )
    counts = staging.land(truth_set)
    if not counts.queries:
        raise UploadError(RowError(None, "", "no-query", _("The file has no query whose item is in the bank.")))
    new = {"queries": counts.queries, "pairs": counts.pairs}
    audit.record(action="import", target=str(truth_set), truth_set=truth_set, new=new, user=user)
    return ImportSummary(truth_set, *counts, tuple(unknown), unknown_count)


def _stage(staging: Staging, records: Iterator[Record]) -> None:
    errors: list[RowError] = []
    count = 0

    def rows() -> Iterator[tuple[Any, ...]]:
        nonlocal count
        for record in records:
            if isinstance(record, RowError):
                count += 1
                errors.extend([record] if len(errors) < SHOWN else [])
            elif isinstance(record, QueryRecord):
                yield (*record, None, None)
            else:
                yield (record.row, record.query_id, None, None, record.item, record.relevance)

    staging.fill(rows())
    if not count:
        errors, count = staging.contradictions(SHOWN)
    if count:
        raise ImportRefused(errors, count)
