"""What servers are sent of an item: images as data URLs in the model's sizes, text without the model's own tokens."""

import math
import re
from base64 import b64encode
from io import BytesIO
from typing import Any

from django.utils.translation import gettext as _
from PIL import Image

from embeddings.encoders.base import EncoderInput

# Qwen3-VL: patches of 16 pixels, 2 x 2 of them to a token; no strip longer than 200 times its width.
FACTOR = 32
MAX_RATIO = 200
_OWN_TOKEN = re.compile(r"<\|(?=\w+\|>)")

Part = dict[str, Any]


def parts(item: EncoderInput, *, characters: int, min_pixels: int, max_pixels: int) -> list[Part]:
    """Images, then text, as the models were trained; an item without text has no text part.

    Raises ValueError, for the reader, for a strip that is too narrow.
    """
    images = [image_part(image, min_pixels, max_pixels) for image in item.images]
    text = plain_text(item.text, characters)
    return [*images, {"type": "text", "text": text}] if text or not images else images


def plain_text(text: str, characters: int) -> str:
    """The text, cut, and with a space in what the server would take for the model's own tokens ("<|im_end|>")."""
    return _OWN_TOKEN.sub("< |", text[:characters])


def image_part(image: Image.Image, min_pixels: int, max_pixels: int) -> Part:
    """The image as a PNG; with pixel limits, resized here, or each server would do it in its own way."""
    if max_pixels:
        image = image.resize(fitted(image.size, min_pixels, max_pixels), Image.Resampling.BICUBIC)
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    url = "data:image/png;base64," + b64encode(file.getvalue()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": url}}


def fitted(size: tuple[int, int], min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """(width, height) as Qwen's authors resize: multiples of 32 within the pixel limits, the shape nearly kept.

    Written out because their function comes with transformers, which a bank that only uses servers does not need.
    """
    width, height = size
    if max(size) > MAX_RATIO * min(size):
        raise ValueError(
            _("an image of %(width)d x %(height)d pixels is too narrow (%(ratio)d to 1 at most); crop it and upload it")
            % {"width": width, "height": height, "ratio": MAX_RATIO}
        )
    near = tuple(round(side / FACTOR) * FACTOR for side in size)
    if near[0] * near[1] > max_pixels:
        scale = math.sqrt(width * height / max_pixels)
        near = tuple(max(FACTOR, math.floor(side / scale / FACTOR) * FACTOR) for side in size)
    elif near[0] * near[1] < min_pixels:
        scale = math.sqrt(min_pixels / (width * height))
        near = tuple(math.ceil(side * scale / FACTOR) * FACTOR for side in size)
    return near[0], near[1]
