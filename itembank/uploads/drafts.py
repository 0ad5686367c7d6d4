"""Types that an upload is made of, between the bytes of a file and the rows of the database.

Nothing here touches the database. Messages are lazy translations: ``str(error.message)`` gives them in the
language that is active then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

JSONValue: TypeAlias = "bool | int | float | str | list[JSONValue] | dict[str, JSONValue] | None"
ImageRole: TypeAlias = Literal["question", "explanation", "choice"]


@dataclass(frozen=True, slots=True)
class RowError:
    """One reason why one row, or with ``row=None`` the whole file, is refused.

    ``row`` is 1-based as the user counts: sheet row in CSV and XLSX (the header is row 1), line in JSONL,
    place in ``items`` in JSON. ``field`` is ``""`` where the row or the file as a whole is meant. ``code`` is
    a stable slug for programs; ``message`` says what is wrong and what to do.
    """

    row: int | None
    field: str
    code: str
    message: StrOrPromise


@dataclass(frozen=True, slots=True)
class ImageDraft:
    """An image that an item refers to: its ``path`` as written, its ``position`` from 0 within its role.

    For the role ``choice`` the position is that of the choice in ``ItemDraft.choices``.
    """

    role: ImageRole
    position: int
    path: str


@dataclass(frozen=True, slots=True)
class ItemDraft:
    """A row that may be imported: typed, NFC-normalised, within all limits, its images found in the batch."""

    row: int
    code: str
    subject: str
    grade: str
    unit: str
    item_type: str
    difficulty: int | None
    text: str
    choices: tuple[str, ...]
    answer: str
    explanation: str
    curriculum_code: str
    cognitive_level: str
    metadata: dict[str, JSONValue]
    images: tuple[ImageDraft, ...]


@dataclass(frozen=True, slots=True)
class RowErrors:
    """A row that may not be imported, with every reason found.

    ``fields`` is the row as uploaded, for the list of rejected rows: names and values as text that PostgreSQL
    and CSV can hold (what they cannot hold is replaced by U+FFFD). A JSONL line that does not parse is given
    as ``{"line": start of the line}``.
    """

    row: int
    fields: dict[str, str]
    errors: tuple[RowError, ...]


ParsedRow: TypeAlias = ItemDraft | RowErrors


class UploadError(Exception):
    """The whole file is refused: nothing of it may be imported.

    Raised on opening, and also while rows are read, where the fault lies further down in the file.
    """

    def __init__(self, *errors: RowError) -> None:
        super().__init__(*errors)
        self.errors = errors

    def __str__(self) -> str:
        return " ".join(str(error.message) for error in self.errors)


class ImageError(Exception):
    """An image that a row refers to is missing, ambiguous, unreadable or refused."""

    def __init__(self, code: str, message: StrOrPromise) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return str(self.message)

    def at(self, row: int, field: str) -> RowError:
        return RowError(row, field, self.code, self.message)
