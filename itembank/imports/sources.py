"""What a person names on the command line becomes the two files of an upload."""

import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from django.core.files.base import File
from django.utils.translation import gettext as _

from itembank.uploads.opening import READERS

ITEM_FILES = tuple(f"items{suffix}" for suffix in READERS)
_STAMP = (1980, 1, 1, 0, 0, 0)


class SourceError(Exception):
    """The path does not hold an upload; the message says what to give instead."""


@contextmanager
def upload_files(path: Path, images: Path | None) -> Iterator[tuple[File[bytes], File[bytes] | None]]:
    """The item file and the images ZIP, opened. `path` is a file or a folder with `items.json` (or .jsonl, .csv, ..).

    Images come from `images`, else from the folder. A folder is packed into a temporary ZIP, so that a worker on
    another machine could finish the import. Raises SourceError.
    """
    item_file = _item_file(path)
    source = images or (path if path.is_dir() else None)
    with ExitStack() as files:
        images_file = files.enter_context(_images_file(source)) if source else None
        yield File(files.enter_context(_opened(item_file)), name=item_file.name), images_file


def _item_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = [path / name for name in ITEM_FILES if (path / name).is_file()]
    if len(found) != 1:
        message = _("%(path)s must hold exactly one item file, named one of: %(names)s.")
        raise SourceError(message % {"path": path, "names": ", ".join(ITEM_FILES)})
    return found[0]


def _opened(path: Path) -> File[bytes]:
    try:
        return File(path.open("rb"), name=path.name)
    except OSError as error:
        reason = {"path": path, "reason": error.strerror or str(error)}
        raise SourceError(_("%(path)s cannot be read: %(reason)s.") % reason) from error


@contextmanager
def _images_file(source: Path) -> Iterator[File[bytes] | None]:
    if not source.is_dir():
        with _opened(source) as file:
            yield file
        return
    with tempfile.TemporaryFile() as packed:
        yield File(packed, name="images.zip") if _pack(source, packed) else None


def _pack(folder: Path, packed: IO[bytes]) -> int:
    """Pack what may be an image and return the number of files. Images are compressed already."""
    count = 0
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for file in _files_below(folder):
            archive.writestr(zipfile.ZipInfo(file.relative_to(folder).as_posix(), _STAMP), file.read_bytes())
            count += 1
    packed.seek(0)
    return count


def _files_below(folder: Path) -> Iterator[Path]:
    for directory, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(directory, name)
            if not name.startswith(".") and file.suffix.lower() not in READERS and file.is_file():
                yield file
