"""The images of a batch, and the lookup of the paths that its rows give. Nothing outside the batch is ever read."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .archive import Archive, is_junk, refused, same_name
from .drafts import ImageError, UploadError
from .limits import MIB, Limits
from .raw import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_DATE_FOLDER = re.compile(r"(?:^|(?<=/))(?:\d{8}|\d{4}/\d{2}/\d{2})/")
_SHOWN_CANDIDATES = 5


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """A file of the batch: ``path`` within it, and how to open it."""

    path: str
    open: Callable[[], BinaryIO]


class ImageSource:
    """Finds images by the paths that rows give, within the given entries only.

    In this order: the exact path (from the folder of the item file, then from the top), the path under a date
    folder (``YYYYMMDD/`` or ``YYYY/MM/DD/``), a unique file name. Each step prefers equal case.
    """

    def __init__(self, entries: Iterable[ImageEntry] = (), *, folder: str = "", limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._folders = [folder + "/", ""] if folder else [""]
        self._entries: dict[str, ImageEntry] = {}
        for entry in entries:
            if self._entries.setdefault(entry.path, entry) is not entry:
                raise same_name(entry.path)
        self._by_path = _index(self._entries, str)
        self._by_undated_path = _index(self._entries, _undated)
        self._by_name = _index(self._entries, _file_name)

    def __len__(self) -> int:
        return len(self._entries)

    def resolve(self, path: str) -> ImageEntry:
        """The entry that ``path`` means; ImageError where none or more than one is meant."""
        wanted = normalised_path(path)
        for index, key, name in self._steps(wanted):
            found = _candidates(index, key, name)
            if len(found) > 1:
                raise _ambiguous(path, found)
            if found:
                return self._entries[found[0]]
        raise self._missing(path)

    def read(self, entry: ImageEntry) -> bytes:
        """The bytes of the file; ImageError where they are damaged or too many."""
        try:
            with entry.open() as stream:
                data = stream.read(self._limits.image_bytes + 1)
        except (OSError, UploadError):
            message = _("The file “{path}” cannot be read; it is damaged.")
            raise ImageError("image-unreadable", format_lazy(message, path=shown(entry.path))) from None
        if len(data) > self._limits.image_bytes:
            message = _("The file “{path}” is larger than {limit} MiB.")
            limit = self._limits.image_bytes // MIB
            raise ImageError("image-file-too-large", format_lazy(message, path=shown(entry.path), limit=limit))
        return data

    def _steps(self, wanted: str) -> Iterator[tuple[_Index, Callable[[str], str], str]]:
        for folder in self._folders:
            yield self._by_path, str, folder + wanted
        for folder in self._folders:
            yield self._by_undated_path, _undated, folder + wanted
        yield self._by_name, _file_name, _file_name(wanted)

    def _missing(self, path: str) -> ImageError:
        if not self._entries:
            message = _("The image “{path}” is missing: the upload has no images. Add a ZIP with the images.")
        else:
            message = _("The image “{path}” is not in the upload. Add the file or correct the path.")
        return ImageError("image-missing", format_lazy(message, path=shown(path)))


_Index = dict[str, list[str]]


def _index(paths: Iterable[str], key: Callable[[str], str]) -> _Index:
    index: _Index = defaultdict(list)
    for path in paths:
        index[key(path).casefold()].append(path)
    return dict(index)


def _candidates(index: _Index, key: Callable[[str], str], name: str) -> list[str]:
    alike = index.get(name.casefold(), [])
    return [path for path in alike if key(path) == name] or alike


def _undated(path: str) -> str:
    return _DATE_FOLDER.sub("", path, count=1)


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]


@lru_cache(maxsize=1024)
def normalised_path(path: str) -> str:
    """``/`` between the parts, NFC, without drive, root, ``./`` or empty parts; ImageError for ``..`` and URLs."""
    if re.match(r"\s*(?:[A-Za-z][A-Za-z0-9+.-]+:|//)", path):
        message = _("“{path}” is an address. Put the image itself into the ZIP.")
        raise ImageError("image-path-url", format_lazy(message, path=shown(path)))
    text = unicodedata.normalize("NFC", path.strip()).replace("\\", "/")
    parts = [part for part in re.sub(r"^[A-Za-z]:", "", text).split("/") if part not in {"", "."}]
    if ".." in parts or not parts or "\0" in path:
        message = _("“{path}” is no path inside the upload. Write it without “..”.")
        raise ImageError("image-path-unsafe", format_lazy(message, path=shown(path)))
    return "/".join(parts)


def _ambiguous(path: str, found: list[str]) -> ImageError:
    listed = ", ".join(shown(candidate) for candidate in sorted(found)[:_SHOWN_CANDIDATES])
    message = _("The image “{path}” may be {count} files: {candidates}. Write the whole path.")
    text = format_lazy(message, path=shown(path), count=len(found), candidates=listed)
    return ImageError("image-ambiguous", text)


def archive_entries(archive: Archive) -> Iterator[ImageEntry]:
    for name in archive.names:
        yield ImageEntry(name, lambda name=name: archive.open(name))  # type: ignore[misc]


def folder_entries(folder: Path, limits: Limits) -> Iterator[ImageEntry]:
    """The files below ``folder``. A link that leads out of it is left out."""
    root = folder.resolve()
    count = 0
    for file in _files_below(root):
        name = unicodedata.normalize("NFC", file.relative_to(root).as_posix())
        if is_junk(name) or (file.is_symlink() and not file.resolve().is_relative_to(root)):
            continue
        count += 1
        if count > limits.entries:
            message = _("The folder has more than {limit} files. Name the folder of the images.")
            raise refused("folder-entries", format_lazy(message, limit=limits.entries))
        yield ImageEntry(name, lambda file=file: file.open("rb"))  # type: ignore[misc]


def _files_below(root: Path) -> Iterator[Path]:
    for directory, _folders, files in os.walk(root, followlinks=False):
        for file in sorted(files):
            path = Path(directory, file)
            if path.is_file():
                yield path
