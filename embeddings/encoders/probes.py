"""A few fixed inputs and their vectors on file: does a server make the vectors that this space is made of?

A server can pool differently, leave out the instruction or the opening of the answer, or run another model, and its
vectors look as good as the right ones. Of Qwen3-VL, an instruction left out or images after the text turn a vector to
a cosine of 0.54 to 0.90 with the right one; another precision or another way to resize an image stays above 0.99.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from embeddings.encoders.base import EncoderInput, EncoderSpec, Modality, Role
from embeddings.encoders.errors import EncoderError, ModelUnavailable

# Between the two groups above.
LOWEST_COSINE = 0.98
# What defines a space whoever runs its model; not the backend, the precision, the revision.
_DEFINING = (
    "model_id", "modality", "dimensions", "pooling", "document_instruction", "query_instruction", "max_length",
    "min_pixels", "max_pixels",
)  # fmt: skip

TEXTS = (
    "이차함수 $y=x^2-4x+3$의 그래프의 꼭짓점의 좌표를 구하시오.",
    "다음 중 물의 분자식으로 알맞은 것은? ① $\\mathrm{CO_2}$ ② $\\mathrm{H_2O}$ ③ $\\mathrm{NaCl}$",
    "Find $\\int_0^1 \\frac{x}{1+x^2}\\,dx$ and explain each step in one sentence.",
)

Probe = tuple[EncoderInput, Role]
Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reference:
    """Vectors on file, (n, dimensions) float64 unit rows, and the file."""

    vectors: Rows
    path: Path


def inputs(spec: EncoderSpec) -> list[Probe]:
    """The fixed inputs of this space, always the same."""
    from embeddings.encoders.registry import backend_class

    texts = [EncoderInput(text) for text in TEXTS]
    figures = [EncoderInput("", (_triangle(),)), EncoderInput("", (_graph(),))]
    if spec.modality is Modality.TEXT:
        return [*((text, Role.DOCUMENT) for text in texts), (texts[0], Role.QUERY)]
    if spec.modality is Modality.IMAGE:
        queries = texts if backend_class(spec.backend).takes_text_queries(spec) else []
        return [*((figure, Role.DOCUMENT) for figure in figures), *((text, Role.QUERY) for text in queries)]
    both = [EncoderInput(TEXTS[0], (_graph(),)), EncoderInput(TEXTS[1], (_triangle(), _graph()))]
    return [*((each, Role.DOCUMENT) for each in (*texts, *figures, *both)), (both[0], Role.QUERY)]


def place(spec: EncoderSpec) -> Path:
    """Where the vectors of this space are on file."""
    defining = {name: getattr(spec, name) for name in _DEFINING}
    key = hashlib.sha256(json.dumps(defining, sort_keys=True).encode()).hexdigest()[:32]
    return Path(settings.MODELS_DIR) / "probes" / f"{key}.npz"


def write(spec: EncoderSpec, vectors: Rows, path: Path | None = None) -> Path:
    """Put the vectors of `inputs` on file, all at once; returns where."""
    path = path or place(spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        np.savez(file, vectors=vectors.astype(np.float32), inputs=_digest(inputs(spec)))
    draft.replace(path)
    return path


def read(spec: EncoderSpec) -> Reference:
    """The vectors on file. Raises ModelUnavailable, naming the command that makes them, where there are none."""
    path = place(spec)
    if not path.is_file():
        raise ModelUnavailable(
            _(
                "there are no vectors of %(model)s to check the server's against; where the model's weights are, run "
                "manage.py record_probe --encoder SLUG with the preset and copy the file to %(path)s; or, to believe "
                "the server as it is today, manage.py record_probe --encoder SLUG --trust-server"
            )
            % {"model": spec.model_id, "path": path}
        )
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            vectors, recorded = file["vectors"].astype(np.float64), str(file["inputs"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ModelUnavailable(_("%(path)s cannot be read; record it again") % {"path": path}) from error
    if recorded != _digest(inputs(spec)) or vectors.shape != (len(inputs(spec)), spec.dimensions):
        raise ModelUnavailable(_("%(path)s is of other test inputs than today's; record it again") % {"path": path})
    return Reference(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), path)


def compare(vectors: Rows, reference: Reference, server: str) -> None:
    """Raises EncoderError where one of the unit rows is not the one on file."""
    cosines = (vectors * reference.vectors).sum(axis=1)
    if not cosines.min() >= LOWEST_COSINE:
        raise EncoderError(
            _(
                "the server %(server)s does not make the vectors of this encoder: of %(count)d test inputs the lowest "
                "cosine with %(path)s is %(cosine).3f (%(limit).2f is needed). It pools differently (--pooler-config), "
                "runs another model, or leaves out the instruction or add_generation_prompt"
            )
            % {
                "server": server,
                "count": len(cosines),
                "path": reference.path,
                "cosine": cosines.min(),
                "limit": LOWEST_COSINE,
            }
        )


def _digest(probes: Sequence[Probe]) -> str:
    """Of the inputs' contents: another version of the drawing library may draw otherwise."""
    digest = hashlib.sha256()
    for item, role in probes:
        digest.update(f"{role}\0{item.text}\0".encode())
        for image in item.images:
            digest.update(f"{image.size}".encode() + image.tobytes())
    return digest.hexdigest()


def _triangle() -> Image.Image:
    """Small: below the usual pixel limit, and of no size that the models take as it is."""
    image = Image.new("RGB", (310, 210), "white")
    draw = ImageDraw.Draw(image)
    draw.polygon([(30, 180), (280, 180), (110, 30)], outline="black", width=3)
    draw.rectangle((110, 165, 125, 180), outline="red", width=2)
    return image


def _graph() -> Image.Image:
    """Large: above the usual pixel limit."""
    image = Image.new("RGB", (900, 500), "white")
    draw = ImageDraw.Draw(image)
    draw.line((40, 400, 860, 400), fill="black", width=3)
    draw.line((450, 20, 450, 480), fill="black", width=3)
    points = [(450 + x, 400 - (x - 100) ** 2 // 250 + 60) for x in range(-200, 401, 20)]
    draw.line([(float(x), float(y)) for x, y in points], fill="blue", width=5)
    draw.ellipse((120, 80, 260, 220), fill="green", outline="black", width=4)
    return image
