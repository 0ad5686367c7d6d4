"""The pictures of an item as a judge gets them: scaled down to a stated limit, within the request."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath

from django.utils.translation import gettext as _
from PIL import Image

from embeddings.encoders.errors import ItemInputError
from embeddings.pipeline.inputs import SEEN_ROLES, Content, Picture, opened
from groundtruth.judging.parameters import JudgeError
from itembank.models import Item

JPEG_QUALITY = 90
_JPEG_SUFFIXES = frozenset({".jpg", ".jpeg"})

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Figure:
    """A stored picture and the size, in pixels, in which it will be sent. No name: it should be stored, but is not."""

    code: str
    name: str
    stored: Size
    sent: Size


def figures(item: Item, max_side: int) -> tuple[Figure, ...]:
    """Those of the question, then those of its choices; none is opened. One query, unless images are prefetched."""
    seen = [image for image in item.images.all() if image.role in SEEN_ROLES]
    if not seen and item.category == Item.ItemCategory.IMAGE:
        return (Figure(item.code, "", (1, 1), (1, 1)),)
    seen.sort(key=lambda image: (image.role != SEEN_ROLES[0], image.position))
    sizes = [(image.width, image.height) for image in seen]
    return tuple(
        Figure(item.code, str(image.file.name), size, fitted(size, max_side))
        for image, size in zip(seen, sizes, strict=True)
    )


def fitted(size: Size, max_side: int) -> Size:
    """(width, height) with no side above `max_side`, the shape kept; small pictures stay as they are."""
    longest = max(size)
    if longest <= max_side:
        return size
    width, height = (max(1, round(side * max_side / longest)) for side in size)
    return width, height


def data_url(figure: Figure) -> str:
    """The picture in the size to send: JPEG where it is stored so, else PNG, which keeps lines sharp.

    Raises JudgeError, naming the item, where the file is missing or broken.
    """
    pictures = (Picture(figure.name, *figure.stored),) if figure.name else ()
    try:
        image = opened(Content("", "", pictures, picture_missing=not pictures)).images[0]
    except ItemInputError as error:
        raise JudgeError(_("Item %(code)s: %(reason)s") % {"code": figure.code, "reason": error.reason}) from error
    return _encoded(image.resize(figure.sent, Image.Resampling.LANCZOS), PurePosixPath(figure.name).suffix.lower())


def _encoded(image: Image.Image, suffix: str) -> str:
    file = BytesIO()
    if suffix in _JPEG_SUFFIXES:
        image.save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        image.save(file, "PNG")
    kind = "jpeg" if suffix in _JPEG_SUFFIXES else "png"
    return f"data:image/{kind};base64," + b64encode(file.getvalue()).decode("ascii")
