"""The rejected rows of an upload as CSV, for people to mend in a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator

from django.utils.translation import gettext as _

from itembank.models import UploadBatch
from itembank.selectors import rejected_columns, rejected_rows

BOM = "\ufeff"  # or Excel reads the file as CP949
# A cell that begins so is a formula to a spreadsheet; in East Asian ones the fullwidth forms are too.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


class _Line:
    """A file that hands back what was written, so that rows can be streamed."""

    def write(self, line: str) -> str:
        return line


def rejected_csv(batch: UploadBatch) -> Iterator[str]:
    """Lines of CSV: row, field, reason, then the row as it came. A row with two faults has two lines."""
    columns = rejected_columns(batch)
    writer = csv.writer(_Line())
    yield BOM + writer.writerow(_harmless([_("row"), _("field"), _("reason"), *columns]))
    for entry in rejected_rows(batch).iterator(chunk_size=1000):
        values = (entry.raw.get(name, "") for name in columns)
        yield writer.writerow(_harmless([str(entry.row), entry.field, entry.reason, *values]))


def _harmless(cells: Iterable[str]) -> list[str]:
    return [f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell for cell in cells]
