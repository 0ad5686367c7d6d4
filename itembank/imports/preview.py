"""What the preview of an upload keeps in the database: every rejected row, and a sample of what would land."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _

from itembank.models import Item, UploadBatch, UploadRow
from itembank.uploads.drafts import RowError, RowErrors

from .records import UPLOADED, ItemRecord, as_json

SAMPLE_ROWS = 50  # of the new ones, and as many of the changed ones
SAMPLE_CHARS = 4000


def keep_rejected(batch: UploadBatch, rows: Iterable[RowErrors]) -> None:
    """One entry a reason, in the language that is active."""
    UploadRow.objects.bulk_create((entry for row in rows for entry in _entries(batch, row)), batch_size=1000)


def refused_row(record: ItemRecord, reason: str) -> RowErrors:
    """A row that parsed and that the database refused all the same."""
    message = _("The database refused this row: %(reason)s") % {"reason": reason}
    fields = {name: value if isinstance(value, str) else as_json(value) for name, value in record.fields.items()}
    return RowErrors(record.row, {"id": record.code, **fields}, (RowError(record.row, "", "refused", message),))


def keep_sample(batch: UploadBatch, *, new: Sequence[ItemRecord], changed: Sequence[ItemRecord]) -> None:
    """Keep the first rows of each kind; `batch` still has the counts from before these."""
    new = new[: max(0, SAMPLE_ROWS - batch.new_count)]
    changed = changed[: max(0, SAMPLE_ROWS - batch.changed_count)]
    before = {item.code: item for item in Item.objects.filter(code__in=[record.code for record in changed])}
    rows = [_sample(batch, record, UploadRow.Outcome.NEW) for record in new]
    rows += [
        _sample(batch, record, UploadRow.Outcome.CHANGED, changes=_changes(before[record.code], record))
        for record in changed
    ]
    UploadRow.objects.bulk_create(rows)


def _entries(batch: UploadBatch, row: RowErrors) -> Iterator[UploadRow]:
    for error in row.errors:
        yield UploadRow(
            batch=batch,
            row=row.row,
            outcome=UploadRow.Outcome.REJECTED,
            code=row.fields.get("id", "")[:64],
            field=error.field[:64],
            reason_code=error.code,
            reason=str(error.message),
            raw=row.fields,
        )


def _sample(batch: UploadBatch, record: ItemRecord, outcome: UploadRow.Outcome, **more: Any) -> UploadRow:
    shown = ("subject", "grade", "unit", "item_type", "difficulty", "choices")
    images = [{"role": placed.role, **asdict(placed.image)} for placed in record.images]
    raw = {name: record.fields[name] for name in shown}
    raw |= {"text": record.fields["text"][:SAMPLE_CHARS], "images": images, **more}
    return UploadRow(batch=batch, row=record.row, outcome=outcome, code=record.code, raw=raw)


def _changes(item: Item, record: ItemRecord) -> list[str]:
    """Names of the fields that would change; "images" where it is none of the others."""
    names = [name for name in UPLOADED if as_json(getattr(item, name)) != as_json(record.fields[name])]
    return names or ["images"]
