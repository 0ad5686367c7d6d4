"""Queries without end of which no two are equal, now or in an earlier benchmark: none is answered from memory."""

import io
import random
import uuid
from collections.abc import Iterator
from itertools import cycle, islice

import numpy as np
from django.utils.translation import gettext as _
from PIL import Image

from embeddings.encoders.base import Modality
from embeddings.encoders.registry import backend_class
from embeddings.models import Encoder
from embeddings.search import SearchRequest
from itembank.models import Item, ItemImage

TEXT, IMAGE = "text", "image"
CHARACTERS = 80  # of a text query
WORDS = 12
SOURCES = 1_000  # items whose words make queries
PICTURES = 20  # of the bank that queries are made of
MARK = 4  # pixels, the side of the corner that tells one picture from the next


class PerformanceError(Exception):
    """A benchmark that cannot be made; the message says what to do."""


def kinds_of(encoder: Encoder) -> tuple[str, ...]:
    """What searches with this encoder can be made of, the main one first. Raises PerformanceError where nothing can."""
    text = encoder.modality != Modality.IMAGE or backend_class(encoder.backend).takes_text_queries(encoder.spec())
    image = encoder.modality != Modality.TEXT and ItemImage.objects.exists()
    if not text and not image:
        raise PerformanceError(_("The bank has no picture to search by. Import items with pictures first."))
    return (TEXT,) * text + (IMAGE,) * image


def requests(encoder: Encoder, kind: str, *, k: int, seed: int) -> Iterator[SearchRequest]:
    if kind == IMAGE:
        yield from (SearchRequest(image=picture, encoder=encoder.slug, k=k) for picture in _pictures(seed))
    else:
        yield from (SearchRequest(text=text, encoder=encoder.slug, k=k) for text in _texts(seed))


def _texts(seed: int) -> Iterator[str]:
    """The words follow from the seed; the mark before them is new each time."""
    texts = Item.objects.order_by("pk").values_list("text", flat=True)[:SOURCES]
    words = [word for text in texts for word in text.split()] or ["문항"]
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    while True:
        yield f"{uuid.uuid4().hex[:8]} {' '.join(chance.choices(words, k=WORDS))}"[:CHARACTERS]


def _pictures(seed: int) -> Iterator[bytes]:
    """Pictures of the bank, as large as they are, each with a corner of noise that is new each time."""
    stored = list(ItemImage.objects.order_by("pk").values_list("pk", flat=True))
    random.Random(seed).shuffle(stored)  # noqa: S311 - not for secrets
    noise = np.random.default_rng()
    for pk in cycle(islice(stored, PICTURES)):
        with ItemImage.objects.get(pk=pk).file.open() as file, Image.open(file) as opened:
            picture = opened.convert("RGB")
        picture.paste(Image.fromarray(noise.integers(256, size=(MARK, MARK, 3), dtype=np.uint8)), (0, 0))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        yield buffer.getvalue()
