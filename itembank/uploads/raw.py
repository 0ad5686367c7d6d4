"""A row as its format gives it: fields by name, values not yet checked."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from .drafts import RowError, RowErrors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .drafts import JSONValue

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
SHOWN_CHARACTERS = 200
KEPT_CHARACTERS = 10_000


class RawRow(NamedTuple):
    """``fields`` by canonical or own name; a row that its format refuses already has ``errors``."""

    row: int
    fields: Mapping[str, JSONValue]
    errors: tuple[RowError, ...] = ()

    def rejected(self, errors: tuple[RowError, ...]) -> RowErrors:
        fields = {storable(name)[:SHOWN_CHARACTERS]: _as_text(value) for name, value in self.fields.items()}
        return RowErrors(self.row, fields, errors)


def storable(text: str) -> str:
    """``text`` with U+FFFD for what neither PostgreSQL nor UTF-8 can hold."""
    return _UNSTORABLE.sub("\ufffd", text)


def shown(text: str) -> str:
    """``text`` as a message may quote it."""
    return storable(text[:SHOWN_CHARACTERS])


def _as_text(value: JSONValue) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return storable(text[:KEPT_CHARACTERS])
