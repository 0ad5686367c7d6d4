"""Image files of items under their own hash, `items/ab/<sha256>.png`: equal images share a file, none ever changes."""

import hashlib
import os
import tempfile
from pathlib import Path

from django.core.files.storage import default_storage

from itembank.uploads.pictures import CleanImage

FILE_MODE = 0o644  # a temporary file is private; web and workers may run as different users


def image_name(sha256: str, extension: str) -> str:
    """The name of an image file in the media storage."""
    return f"items/{sha256[:2]}/{sha256}.{extension}"


def store_image(image: CleanImage) -> str:
    """Write the file where it is missing or damaged, whole or not at all, and durably: rows that name it may follow."""
    name = image_name(image.sha256, image.extension)
    if not image_stored(name):
        _write(image.data, Path(default_storage.path(name)))
    return name


def image_stored(name: str) -> bool:
    """Whether the file is there with the bytes that its name, a hash, promises."""
    path = Path(default_storage.path(name))
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == path.stem
    except OSError:  # whatever is wrong with it, writing it again mends it
        return False


def _write(data: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(FILE_MODE)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
