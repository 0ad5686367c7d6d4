"""Which format a file has, and where its images are."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Self

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .archive import Archive, refused
from .content import ItemFile, check_content
from .csv_items import read_csv
from .images import ImageSource, archive_entries, folder_entries
from .json_items import read_json
from .jsonl_items import read_jsonl
from .limits import Limits
from .raw import shown
from .rows import RowParser
from .xlsx_items import read_xlsx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from .drafts import ParsedRow
    from .images import ImageEntry
    from .raw import RawRow

READERS: dict[str, Callable[[BinaryIO, Limits], Iterator[RawRow]]] = {
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".csv": read_csv,
    ".xlsx": read_xlsx,
}
_NO_ITEM_FILES = frozenset({"ground_truth.json"})
"""Part of the upload format, next to the items; read elsewhere."""


class Upload:
    """An opened upload: its rows, and the images that they may refer to. A context manager."""

    def __init__(self, item_file: ItemFile, images: ImageSource, limits: Limits, files: ExitStack) -> None:
        self.images = images
        self._item_file = item_file
        self._limits = limits
        self._files = files

    def rows(self) -> Iterator[ParsedRow]:
        """Every row in file order, each time from the start. UploadError may come after good rows."""
        parser = RowParser(self.images)
        with self._item_file.open() as stream:
            for raw in READERS[self._item_file.suffix](stream, self._limits):
                yield parser.parse(raw)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()


def open_upload(path: Path, *, images: Path | None = None, limits: Limits | None = None) -> Upload:
    """Opens an item file (.json, .jsonl, .csv, .xlsx) or a .zip of one with its images.

    ``images`` is a ZIP or folder with (more) images. Raises UploadError where the file as a whole is refused.
    """
    limits = limits or Limits()
    with ExitStack() as files:
        item_file = ItemFile(path.name, lambda: path.open("rb"))
        check_content(item_file, (*READERS, ".zip"))
        entries: list[ImageEntry] = []
        if item_file.suffix == ".zip":
            archive = _opened_archive(path, limits, files)
            item_file = _item_file_of(archive)
            check_content(item_file, tuple(READERS))
            entries += archive_entries(archive)
        entries += _separate_images(images, limits, files)
        folder = PurePosixPath(item_file.name).parent.as_posix()
        source = ImageSource(entries, folder="" if folder == "." else folder, limits=limits)
        return Upload(item_file, source, limits, files.pop_all())


def _opened_archive(path: Path, limits: Limits, files: ExitStack) -> Archive:
    archive = Archive(path, limits)
    files.callback(archive.close)
    return archive


def _item_file_of(archive: Archive) -> ItemFile:
    names = [name for name in archive.names if _may_hold_items(PurePosixPath(name))]
    if not names:
        message = _("The ZIP has no item file. Put one .json, .jsonl, .csv or .xlsx into it.")
        raise refused("zip-no-items", message)
    if len(names) > 1:
        message = _("The ZIP has {count} item files: {names}. Leave only one in it.")
        listed = ", ".join(shown(name) for name in sorted(names)[:10])
        raise refused("zip-several-items", format_lazy(message, count=len(names), names=listed))
    name = names[0]
    seekable = PurePosixPath(name).suffix.lower() in {".csv", ".xlsx"}
    return ItemFile(name, lambda: archive.open_seekable(name) if seekable else archive.open(name))


def _may_hold_items(path: PurePosixPath) -> bool:
    return path.suffix.lower() in READERS and path.name.lower() not in _NO_ITEM_FILES


def _separate_images(images: Path | None, limits: Limits, files: ExitStack) -> Iterator[ImageEntry]:
    if images is None:
        return iter(())
    if images.is_dir():
        return folder_entries(images, limits)
    check_content(ItemFile(images.name, lambda: images.open("rb")), (".zip",))
    return archive_entries(_opened_archive(images, limits, files))
