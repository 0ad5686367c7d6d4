"""Hashed character n-grams: a lexical baseline that needs no model."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from math import log1p
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.encoders.base import EncoderBackend, EncoderInput, Role


class HashingBackend(EncoderBackend):
    """Signed feature hashing of character 1- to 3-grams, log-scaled counts (Weinberger et al., 2009).

    Answers "is the neural model better than shared letters?", and gives tests a real encoder that costs
    microseconds. `max_length` counts characters here.
    """

    token_budget = 1 << 20

    def load_model(self) -> int:
        return self.spec.dimensions

    def release_model(self) -> None:
        pass

    def prepare(self, item: EncoderInput, role: Role) -> tuple[int, dict[str, int]]:
        text = self.instruction(role) + item.text.strip()[: self.spec.max_length].lower()
        words = [f" {word} " for word in text.split()]
        grams = Counter(word[i : i + n] for word in words for n in (1, 2, 3) for i in range(len(word) - n + 1))
        del grams[" "]
        return len(text), dict(grams)

    def embed(self, payload: Sequence[Any]) -> NDArray[np.float64]:
        rows = np.zeros((len(payload), self.spec.dimensions))
        for row, grams in zip(rows, payload, strict=True):
            for gram, count in grams.items():
                column, sign = self._place(gram)
                row[column] += sign * log1p(count)
        return rows

    def _place(self, gram: str) -> tuple[int, int]:
        # Python's own hash() differs from process to process.
        digest = int.from_bytes(hashlib.blake2b(gram.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        return (digest >> 1) % self.spec.dimensions, 1 if digest & 1 else -1
