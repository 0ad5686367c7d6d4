"""Whether a file is what its name says, before a reader is let at it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .archive import refused
from .raw import shown

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from .drafts import UploadError

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_JSON_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*[{\[]")
_JSON_DOCUMENT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[|\{\s*\"items\"\s*:|\{\s*\n)")
_HEAD_BYTES = 4096


class ItemFile(NamedTuple):
    """A file by name, wherever it lies; ``open`` may be called again and again."""

    name: str
    open: Callable[[], BinaryIO]

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()


def check_content(file: ItemFile, suffixes: tuple[str, ...]) -> None:
    """Raises UploadError unless name and first bytes agree on one of the formats."""
    if file.suffix not in suffixes:
        message = _("“{name}” is of no known kind. Give one of: {suffixes}.")
        raise _refused("format-unknown", message, file, ", ".join(suffixes))
    head = _head(file)
    if not head.strip():
        raise refused("file-empty", _("The file is empty."))
    if head.startswith(_OLE_MAGIC):
        message = _("This is an old .xls workbook, or one with a password. Save it as .xlsx without a password.")
        raise refused("xls-old", message)
    if head.startswith(_UTF16_BOMS):
        raise refused("encoding", _("The file is in UTF-16. Save it as UTF-8."))
    actual = _actual_format(file.suffix, head)
    if actual:
        message = _("“{name}” does not hold what its name says: it looks like {suffixes}. Rename or save it again.")
        raise _refused("format-mismatch", message, file, actual)


def _head(file: ItemFile) -> bytes:
    try:
        with file.open() as stream:
            return stream.read(_HEAD_BYTES)
    except OSError:
        raise _refused("file-unreadable", _("“{name}” cannot be read."), file) from None


def _actual_format(suffix: str, head: bytes) -> str:
    """Another format than the suffix says, for the message; empty where they agree as far as one can see."""
    zipped = head.startswith(_ZIP_MAGIC)
    if zipped != (suffix in {".zip", ".xlsx"}):
        return ".zip / .xlsx" if zipped else _text_format(head)
    if suffix == ".json" and not _JSON_START.match(head):
        return _text_format(head)
    if suffix in {".jsonl", ".ndjson"} and _JSON_DOCUMENT.match(head):
        return ".json"
    if suffix == ".csv" and _JSON_START.match(head):
        return _text_format(head)
    return ""


def _text_format(head: bytes) -> str:
    if _JSON_DOCUMENT.match(head):
        return ".json"
    return ".jsonl" if _JSON_START.match(head) else str(_("something else"))


def _refused(code: str, message: StrOrPromise, file: ItemFile, suffixes: str = "") -> UploadError:
    return refused(code, format_lazy(message, name=shown(file.name), suffixes=suffixes))
