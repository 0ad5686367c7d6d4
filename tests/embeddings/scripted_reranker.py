"""A reranker that does what a document's text tells it to: "0.7" scores 0.7, and some words are faults."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.encoders.base import EncoderInput
from embeddings.encoders.errors import OutOfMemory
from embeddings.rerankers.base import RerankerBackend, RerankerSpec

NAME, PLACE = "scripted", "tests.embeddings.scripted_reranker:ScriptedReranker"


@dataclass
class Script:
    """What the device has room for, and what it was given: the texts of each pass."""

    room: int = 100
    passes: list[list[str]] = field(default_factory=list)
    seen: list[tuple[str, int, int]] = field(default_factory=list)  # document, its images, the query's images


SCRIPT = Script()


class ScriptedReranker(RerankerBackend):
    token_budget = 32  # pairs

    def load_model(self) -> None:
        pass

    def release_model(self) -> None:
        pass

    def prepare(self, query: EncoderInput, document: EncoderInput) -> tuple[int, Any]:
        if "refuse" in document.text:
            raise ValueError("refused as told")
        if "break" in document.text:
            raise RuntimeError("broken as told")
        return 1, (document.text, len(document.images), len(query.images))

    def judge(self, payload: Sequence[Any]) -> NDArray[np.float64]:
        texts = [text for text, _images, _query_images in payload]
        SCRIPT.passes.append(texts)
        if len(texts) > SCRIPT.room:
            raise OutOfMemory("no room as told")
        SCRIPT.seen += payload
        return np.array([float(text.split()[0]) for text in texts])


def scripted_spec(model_id: str) -> RerankerSpec:
    """Each with its own model in the slot."""
    return RerankerSpec(NAME, model_id, "1", "Judge.", precision="fp32")
