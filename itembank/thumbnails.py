"""Small versions of stored images, made when first asked for and kept under MEDIA_ROOT/thumbs."""

import os
import tempfile
from pathlib import Path

from django.conf import settings
from PIL import Image, UnidentifiedImageError

from itembank.models import ItemImage

SIZES = (96, 320)
"""Longest sides, in pixels, that pages may ask for; a fixed few, so that no request can fill the disk."""


class ThumbnailError(Exception):
    """The stored image is missing or cannot be read."""


def fitted_size(image: ItemImage, size: int) -> tuple[int, int]:
    """Width and height of the thumbnail: the image scaled down, never up, to `size` on its longest side."""
    scale = min(1.0, size / max(image.width, image.height))
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def thumbnail(image: ItemImage, size: int) -> Path:
    """The file of the WebP thumbnail, made at first use. Raises ThumbnailError.

    Named by the image's hash: equal images share it, and a changed image never meets an old one.
    """
    path = Path(settings.MEDIA_ROOT) / "thumbs" / f"{image.sha256}_{size}.webp"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(_scaled(image, size), path)
    return path


def _scaled(image: ItemImage, size: int) -> Image.Image:
    try:
        with image.file.open("rb") as file, Image.open(file, formats=["PNG", "JPEG", "WEBP"]) as stored:
            return stored.convert("RGB").resize(fitted_size(image, size), Image.Resampling.LANCZOS)
    except (OSError, ValueError, UnidentifiedImageError) as error:
        raise ThumbnailError(f"{image.file.name}: {error}") from error


def _write(thumbnail: Image.Image, path: Path) -> None:
    """Whole or not at all: another process may make and read the same file at the same time."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            thumbnail.save(file, "WEBP", quality=85)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
