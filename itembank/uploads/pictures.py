"""Pictures from anywhere become pictures that are safe to store, show and embed."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps, UnidentifiedImageError

from .drafts import ImageError
from .limits import IMAGE_BYTES, MIB

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAX_PIXELS = 25_000_000
MAX_SIDE = 16_384
JPEG_QUALITY = 92
_JPEG_FORMATS = frozenset({"JPEG", "MPO"})  # MPO is how Pillow names a JPEG with more views in it


@dataclass(frozen=True, slots=True)
class CleanImage:
    """An encoded picture: 8 bit, grey or RGB, upright, opaque, without metadata. ``sha256`` is that of ``data``."""

    data: bytes
    sha256: str
    width: int
    height: int
    extension: Literal["png", "jpg"]


def sanitise(data: bytes) -> CleanImage:
    """Re-encodes a PNG, JPEG, WebP or GIF (its first frame); equal input gives equal output.

    JPEG stays JPEG (quality 92, full colour resolution), all else becomes PNG, which loses nothing. Raises
    ImageError: image-empty, image-file-too-large, image-format, image-too-many-pixels, image-broken.
    """
    if not data:
        raise ImageError("image-empty", _("The image file is empty."))
    if len(data) > IMAGE_BYTES:
        message = format_lazy(_("The image file is larger than {limit} MiB."), limit=IMAGE_BYTES // MIB)
        raise ImageError("image-file-too-large", message)
    with _opened(data) as image:
        _check_size(image.width, image.height)
        kept: Literal["png", "jpg"] = "jpg" if image.format in _JPEG_FORMATS else "png"
        return _encoded(_flat(_loaded(image)), kept)


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise ImageError("image-format", _("The file is no PNG, JPEG, WebP or GIF picture. Convert it.")) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except Exception:  # decoders raise nearly anything on broken files
        raise _broken() from None


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise _too_many_pixels()
    if width * height == 0:
        raise ImageError("image-empty", _("The image has no pixels."))


def _loaded(image: Image.Image) -> Image.Image:
    try:
        image.load()
        return ImageOps.exif_transpose(image)
    except Exception:  # decoders raise nearly anything on broken files
        raise _broken() from None


def _flat(image: Image.Image) -> Image.Image:
    """In mode L or RGB, with what is transparent painted white."""
    if image.mode.startswith("I"):
        image = _eight_bit(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(paper, layer).convert("RGB")
    return image.convert("L" if image.mode in {"1", "L"} else "RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    # Pillow's own conversion of 16 bit grey clips at 255, which leaves a white page.
    return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")


def _encoded(image: Image.Image, extension: Literal["png", "jpg"]) -> CleanImage:
    stream = io.BytesIO()
    image.info.clear()
    if extension == "jpg":
        image.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        image.save(stream, "PNG")
    data = stream.getvalue()
    return CleanImage(data, hashlib.sha256(data).hexdigest(), image.width, image.height, extension)


def _broken() -> ImageError:
    return ImageError("image-broken", _("The image is damaged or cut off. Save it again."))


def _too_many_pixels() -> ImageError:
    message: StrOrPromise = format_lazy(
        _("The image has more than {limit} million pixels, or a side longer than {side}. Scale it down."),
        limit=MAX_PIXELS // 1_000_000,
        side=MAX_SIDE,
    )
    return ImageError("image-too-many-pixels", message)
