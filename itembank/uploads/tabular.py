"""What CSV and XLSX share: a header row, then cells that become typed fields."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .archive import refused
from .columns import FIELDS, field_named
from .drafts import RowError
from .raw import RawRow, shown
from .strict_json import StrictJSONError, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .drafts import JSONValue
    from .limits import Limits

REQUIRED = ("id", "subject")
_PATH_FIELDS = frozenset({"image_path", "explanation_image_path", "choice_image_paths"})
_JSON_FIELDS = _PATH_FIELDS | {"metadata", "choices"}
_PATH_SEPARATOR = "|"
"""No file name on Windows can hold it; several paths may also come as a JSON list."""


class Header(NamedTuple):
    """The canonical field of each column; a column that means no field keeps its own name."""

    names: tuple[str, ...]

    def row(self, number: int, cells: Sequence[JSONValue]) -> RawRow | None:
        """The row of these cells; None where all of them are blank."""
        filled = [None if isinstance(cell, str) and not cell.strip() else cell for cell in cells]
        if all(cell is None for cell in filled):
            return None
        fields = {
            name: cell for name, cell in zip(self.names, filled, strict=False) if cell is not None or name in FIELDS
        }
        errors = [*_width_errors(number, len(self.names), filled), *_character_errors(number, fields)]
        errors += _typed(number, fields)
        return RawRow(number, fields, tuple(errors))


def parse_header(cells: Sequence[object], limits: Limits) -> Header:
    """Raises UploadError where a column has no name, two have the same, or a required one is missing."""
    names = ["" if cell is None else unicodedata.normalize("NFC", str(cell)).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if len(names) > limits.columns:
        message = _("There are {count} columns; at most {limit} are possible.")
        raise refused("header-too-wide", format_lazy(message, count=len(names), limit=limits.columns))
    if "" in names:
        message = _("Column {number} has no name in the first row. Give it one.")
        raise refused("header-blank", format_lazy(message, number=names.index("") + 1))
    fields = [field_named(name) or name for name in names]
    _refuse_duplicates(names, fields)
    _refuse_missing(names, fields)
    return Header(tuple(fields))


def _refuse_duplicates(names: list[str], fields: list[str]) -> None:
    for place, field in enumerate(fields):
        if field in fields[:place]:
            first = names[fields.index(field)]
            message = _("The columns “{first}” and “{second}” mean the same. Keep one of them.")
            text = format_lazy(message, first=shown(first), second=shown(names[place]))
            raise refused("header-duplicate", text)


def _refuse_missing(names: list[str], fields: list[str]) -> None:
    missing = [field for field in REQUIRED if field not in fields]
    if "text" not in fields and "image_path" not in fields:
        missing.append("text")
    if not missing:
        return
    if len(names) == 1 and any(separator in names[0] for separator in ";\t|"):
        raise refused("csv-separator", _("The columns must be separated by commas. Save it as a comma CSV."))
    message = _("These columns are missing in the first row: {names}.")
    raise refused("header-missing", format_lazy(message, names=", ".join(missing)))


def _width_errors(number: int, width: int, cells: Sequence[JSONValue]) -> list[RowError]:
    if all(cell is None for cell in cells[width:]) and len(cells) >= width:
        return []
    message = _("The row has {count} cells, the first row has {width}. Check commas and quotes.")
    return [RowError(number, "", "column-count", format_lazy(message, count=len(cells), width=width))]


def _character_errors(number: int, fields: dict[str, JSONValue]) -> list[RowError]:
    message = _("It contains the character U+0000. Remove it.")
    return [
        RowError(number, name[:64], "nul", message)
        for name, cell in fields.items()
        if isinstance(cell, str) and "\0" in cell
    ]


def _typed(number: int, fields: dict[str, JSONValue]) -> list[RowError]:
    """Gives the cells that hold more than text their type, in place."""
    errors = []
    for name in _PATH_FIELDS & fields.keys():
        cell = fields[name]
        if isinstance(cell, str) and not _is_list(cell):
            fields[name] = [path.strip() for path in cell.split(_PATH_SEPARATOR)]
    for name in _JSON_FIELDS & fields.keys():
        cell = fields[name]
        if isinstance(cell, str):
            try:
                fields[name] = decode(cell)
            except StrictJSONError as fault:
                errors.append(RowError(number, name, fault.code, fault.message))
    return errors


def _is_list(cell: str) -> bool:
    text = cell.strip()
    return text.startswith("[") and text.endswith("]")
