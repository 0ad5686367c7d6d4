"""Inputs and outputs of the model authors' own reference code, on a tiny checkpoint (tests/data/parity)."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.encoders.base import EncoderInput
from tests.tiny_models import PARITY

CASES: dict[str, Any] = json.loads((PARITY / "cases.json").read_text(encoding="utf-8"))
TOLERANCE = 1e-5


def golden(kind: str, name: str) -> NDArray[np.float32]:
    """`kind` is "mean", "last" (a vector) or "rerank" (a score for each document)."""
    with np.load(PARITY / "golden.npz") as arrays:
        found: NDArray[np.float32] = arrays[f"{kind}/{name}"]
    return found


def case_input(case: dict[str, Any]) -> EncoderInput:
    text = CASES["texts"][case["text"]] if "text" in case else ""
    return EncoderInput(text, tuple(picture(name) for name in case.get("images", ())))


def picture(name: str) -> Image.Image:
    return Image.open(PARITY / f"{name}.png").convert("RGB")
