"""ZIP files from anywhere, read without trusting them. Nothing is ever extracted to disk under its own name."""

from __future__ import annotations

import io
import re
import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, BinaryIO

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .drafts import RowError, UploadError
from .limits import MIB, Limits
from .raw import shown

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from django_stubs_ext import StrOrPromise

_UTF8_FLAG = 0x800
_ENCRYPTED_FLAG = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_DRIVE = re.compile(r"[A-Za-z]:")
_JUNK_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_ARCHIVES = frozenset({".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".alz", ".egg", ".jar"})
READ_FAILURES = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises for contents that are broken, truncated or lied about."""


class Archive:
    """The files of a ZIP by normalised path: ``/`` between the parts, NFC, no leading ``./``.

    Opening checks every entry and raises UploadError; contents are read lazily, and counted while they are.
    """

    def __init__(self, file: Path | BinaryIO, limits: Limits) -> None:
        self._limits = limits
        try:
            self._zip = zipfile.ZipFile(file)
        except READ_FAILURES:
            raise refused("zip-broken", _("The ZIP file is damaged or cut off. Make it again.")) from None
        try:
            self._entries = self._checked_entries()
        except UploadError:
            self._zip.close()
            raise

    @property
    def names(self) -> Iterable[str]:
        return self._entries.keys()

    def close(self) -> None:
        self._zip.close()

    def open(self, name: str) -> BinaryIO:
        """The contents of the entry; reading raises UploadError where they are damaged."""
        try:
            stream = self._zip.open(self._entries[name])
        except READ_FAILURES:
            raise damaged(name) from None
        return io.BufferedReader(_Counted(stream, name, self._limits.entry_bytes), MIB)

    def open_seekable(self, name: str) -> BinaryIO:
        """As ``open``, by way of an unnamed temporary file."""
        with ExitStack() as on_failure, self.open(name) as stream:
            copy: BinaryIO = on_failure.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(stream, copy, MIB)
            copy.seek(0)
            on_failure.pop_all()
        return copy

    def _checked_entries(self) -> dict[str, zipfile.ZipInfo]:
        infos = self._zip.infolist()
        if len(infos) > self._limits.entries:
            message = _("The ZIP has {count} entries; at most {limit} are possible. Split it.")
            raise refused("zip-entries", format_lazy(message, count=len(infos), limit=self._limits.entries))
        entries: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            name = safe_name(entry_name(info))
            if info.is_dir() or is_junk(name):
                continue
            self._check(name, info)
            if name in entries:
                raise same_name(name)
            entries[name] = info
        self._check_total(entries.values())
        return entries

    def _check(self, name: str, info: zipfile.ZipInfo) -> None:
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
            raise _bad_entry("zip-link", _("“{name}” in the ZIP is a link, not a file. Put in the file."), name)
        if info.flag_bits & _ENCRYPTED_FLAG:
            raise _bad_entry("zip-encrypted", _("“{name}” in the ZIP has a password. Make it without one."), name)
        if PurePosixPath(name).suffix.lower() in _ARCHIVES:
            message = _("“{name}” is an archive inside the ZIP. Unpack it first.")
            raise _bad_entry("zip-nested", message, name)
        if info.compress_type not in _METHODS:
            message = _("“{name}” is packed by a method other than Deflate. Make an ordinary ZIP.")
            raise _bad_entry("zip-method", message, name)
        self._check_size(name, info)

    def _check_size(self, name: str, info: zipfile.ZipInfo) -> None:
        if info.file_size > self._limits.entry_bytes:
            message = _("“{name}” in the ZIP is too large when unpacked.")
            raise _bad_entry("zip-entry-too-large", message, name)
        if info.file_size > max(MIB, self._limits.ratio * info.compress_size):
            message = _("“{name}” unpacks to a suspicious multiple of its size. It is refused as a ZIP bomb.")
            raise _bad_entry("zip-ratio", message, name)

    def _check_total(self, infos: Iterable[zipfile.ZipInfo]) -> None:
        # zipfile hands out no more of an entry than its header says, so this bounds what is really read.
        if sum(info.file_size for info in infos) > self._limits.total_bytes:
            message = _("The ZIP unpacks to more than {limit} MiB. Split it.")
            raise refused("zip-too-large", format_lazy(message, limit=self._limits.total_bytes // MIB))


class _Counted(io.RawIOBase):
    def __init__(self, stream: IO[bytes], name: str, limit: int) -> None:
        super().__init__()
        self._stream = stream
        self._name = name
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except READ_FAILURES:
            raise damaged(self._name) from None
        self._left -= len(data)
        if self._left < 0:
            message = _("“{name}” in the ZIP is too large when unpacked.")
            raise _bad_entry("zip-entry-too-large", message, self._name)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def entry_name(info: zipfile.ZipInfo) -> str:
    """The name as its maker meant it: by the UTF-8 flag, else strict UTF-8, else CP949 (Windows in Korean)."""
    if info.flag_bits & _UTF8_FLAG:
        return info.orig_filename
    raw = info.orig_filename.encode("cp437")  # how zipfile has decoded it: 256 bytes, 256 characters
    for encoding in ("utf-8", "cp949"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _bad_entry("zip-name", _("The name “{name}” in the ZIP is neither UTF-8 nor CP949."), info.orig_filename)


def safe_name(name: str) -> str:
    """The normalised path; UploadError where it leads out of the archive."""
    path = unicodedata.normalize("NFC", name.replace("\\", "/"))
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if path.startswith("/") or _DRIVE.match(parts[0] if parts else "") or ".." in parts:
        message = _("“{name}” in the ZIP leads out of it. Make the ZIP from a folder.")
        raise _bad_entry("zip-path", message, name)
    if any(ord(character) < 32 or character == "\x7f" for character in path):
        raise _bad_entry("zip-name", _("The name “{name}” in the ZIP has a control character."), name)
    return "/".join(parts)


def is_junk(name: str) -> bool:
    """Whether the file is one that macOS or Windows leaves behind."""
    *folders, file = name.split("/")
    return "__MACOSX" in folders or file.startswith("._") or file.lower() in _JUNK_FILES


def refused(code: str, message: StrOrPromise) -> UploadError:
    return UploadError(RowError(None, "", code, message))


def same_name(name: str) -> UploadError:
    message = _("Two files have the name “{name}” (Unicode forms that look alike are the same). Rename one.")
    return _bad_entry("name-duplicate", message, name)


def damaged(name: str) -> UploadError:
    return _bad_entry("zip-entry-broken", _("“{name}” in the ZIP is damaged. Make the ZIP again."), name)


def _bad_entry(code: str, message: StrOrPromise, name: str) -> UploadError:
    return refused(code, format_lazy(message, name=shown(name)))
