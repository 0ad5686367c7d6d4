"""Records into the tables, by COPY. Called inside a transaction.

New items are copied straight into their table. Those whose code is in the bank go through a temporary table and one
upsert, and so do new ones of which another import was faster with one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction
from django.utils import timezone
from psycopg import sql

from itembank.models import Item, ItemImage

from .records import UPLOADED, ItemRecord, as_json

DERIVED = ("category", "content_hash", "record_hash")
COLUMNS = (*UPLOADED, *DERIVED, "batch_id")
_ITEMS = sql.Identifier(Item._meta.db_table)
_INCOMING = sql.Identifier("itembank_incoming")
_NAMES = sql.SQL(", ").join(sql.Identifier(name) for name in COLUMNS)

# One array, not thousands of parameters.
_KNOWN = sql.SQL("SELECT code, record_hash FROM {} WHERE code = ANY(%s)").format(_ITEMS)
_CREATE = sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
    _INCOMING, _NAMES, _ITEMS
)
_COPY = sql.SQL("COPY {} ({}) FROM STDIN")
_COPY_NEW = _COPY.format(_ITEMS, sql.SQL(", ").join([_NAMES, sql.SQL("created_at, updated_at")]))
_COPY_INCOMING = _COPY.format(_INCOMING, _NAMES)
_UPSERT = sql.SQL(
    "INSERT INTO {items} ({names}, created_at, updated_at) "
    "SELECT {names}, statement_timestamp(), statement_timestamp() FROM {incoming} ORDER BY code "
    "ON CONFLICT (code) DO UPDATE SET {changes}, updated_at = EXCLUDED.updated_at "
    "WHERE {items}.record_hash <> EXCLUDED.record_hash "
    "RETURNING id, code, xmax = 0"  # xmax is 0 exactly where the row was inserted
).format(
    items=_ITEMS,
    incoming=_INCOMING,
    names=_NAMES,
    changes=sql.SQL(", ").join(
        sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in COLUMNS if name != "code"
    ),
)
_DROP = sql.SQL("DROP TABLE {}").format(_INCOMING)


@dataclass(slots=True)
class Landed:
    """How many records came in as new and as changed, and which ones the database refused, with its reason."""

    new: int = 0
    changed: int = 0
    refused: list[tuple[ItemRecord, str]] = field(default_factory=list)

    def __iadd__(self, other: "Landed") -> "Landed":
        self.new += other.new
        self.changed += other.changed
        self.refused += other.refused
        return self


def known_hashes(codes: Iterable[str]) -> dict[str, str]:
    """The record hash of each of the codes that is in the bank."""
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, [list(codes)])
        return dict(cursor.fetchall())


def land(records: Sequence[ItemRecord], *, batch_id: int) -> Landed:
    """Insert or update the records with their images; equal ones are left alone. Codes must be unique.

    Parsers let nothing through that the tables refuse. Should they ever, the culprits are found by halving and the
    rest lands.
    """
    known = known_hashes(record.code for record in records)
    # In the order of codes, so that two imports of the same items wait for each other instead of deadlocking.
    new = sorted((record for record in records if record.code not in known), key=attrgetter("code"))
    met = (record for record in records if record.code in known)
    landed = _land_new(new, batch_id)
    landed += _land_any([record for record in met if known[record.code] != record.derived.record_hash], batch_id)
    return landed


def _land_new(records: Sequence[ItemRecord], batch_id: int) -> Landed:
    try:
        with transaction.atomic():
            _copy_new(records, batch_id)
            return Landed(new=len(records))
    except (DataError, IntegrityError):
        return _land_any(records, batch_id)


def _copy_new(records: Sequence[ItemRecord], batch_id: int) -> None:
    now = timezone.now()
    _copy(_COPY_NEW, ((*_row(record, batch_id), now, now) for record in records))
    pictured = {record.code: record for record in records if record.images}
    keys = Item.objects.filter(code__in=pictured).values_list("pk", "code") if pictured else []
    ItemImage.objects.bulk_create(image for pk, code in keys for image in _images(pk, pictured[code]))


def _land_any(records: Sequence[ItemRecord], batch_id: int) -> Landed:
    if not records:
        return Landed()
    try:
        with transaction.atomic():
            return _upsert(records, batch_id)
    except (DataError, IntegrityError) as error:
        if len(records) == 1:
            return Landed(refused=[(records[0], str(error).partition("\n")[0])])
    middle = len(records) // 2
    landed = _land_any(records[:middle], batch_id)
    landed += _land_any(records[middle:], batch_id)
    return landed


def _upsert(records: Sequence[ItemRecord], batch_id: int) -> Landed:
    rows = _upserted(records, batch_id)
    by_code = {record.code: record for record in records}
    ItemImage.objects.filter(item_id__in=[pk for pk, _code, new in rows if not new]).delete()
    ItemImage.objects.bulk_create(image for pk, code, _new in rows for image in _images(pk, by_code[code]))
    new = sum(1 for _pk, _code, is_new in rows if is_new)
    return Landed(new=new, changed=len(rows) - new)


def _upserted(records: Sequence[ItemRecord], batch_id: int) -> list[tuple[int, str, bool]]:
    """(id, code, whether it is new) of every row that was written."""
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)
        _copy(_COPY_INCOMING, (_row(record, batch_id) for record in records))
        cursor.execute(_UPSERT)
        rows: list[tuple[int, str, bool]] = cursor.fetchall()
        cursor.execute(_DROP)
    return rows


def _copy(statement: sql.Composed, rows: Iterable[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _row(record: ItemRecord, batch_id: int) -> tuple[Any, ...]:
    fields, derived = record.fields, record.derived
    values = {**fields, "choices": as_json(fields["choices"]), "metadata": as_json(fields["metadata"])}
    return (*values.values(), derived.category.value, derived.content_hash, derived.record_hash, batch_id)


def _images(item_id: int, record: ItemRecord) -> list[ItemImage]:
    return [
        ItemImage(
            item_id=item_id,
            role=placed.role,
            position=placed.position,
            file=placed.image.name,
            sha256=placed.image.sha256,
            width=placed.image.width,
            height=placed.image.height,
        )
        for placed in record.images
    ]
