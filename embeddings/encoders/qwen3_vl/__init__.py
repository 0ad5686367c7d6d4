"""Qwen3-VL-Embedding: text and images in one vector, equal to the authors' reference code.

Sources: the model cards of Qwen/Qwen3-VL-Embedding-2B and -8B; outputs of the reference code in tests/data/parity.
"""

from collections.abc import Sequence

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from embeddings.encoders.base import EncoderInput, EncoderSpec, Modality, Role
from embeddings.encoders.checkpoint import CheckpointBackend
from embeddings.encoders.errors import EncoderError
from embeddings.encoders.precision import LoadPlan
from embeddings.encoders.qwen3_vl.network import TOKENS_A_BATCH, Network
from embeddings.encoders.qwen3_vl.prompt import TokenSequence, embedding_prompt
from embeddings.encoders.qwen3_vl.reading import Reader
from embeddings.encoders.weights import ModelFiles

POOLINGS = ("mean", "last")


class Qwen3VLBackend(CheckpointBackend):
    """Vectors of text, images or both; the model was trained to be cut to fewer dimensions (Matryoshka)."""

    pads = True
    matryoshka = True
    takes_nf4 = True
    budgets = TOKENS_A_BATCH
    token_budget = 4096  # until the device is known
    _network: Network

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__(spec)
        if spec.pooling not in POOLINGS:
            raise EncoderError(
                _("Qwen3-VL has no pooling “%(pooling)s”; use one of %(known)s")
                % {"pooling": spec.pooling, "known": ", ".join(POOLINGS)}
            )

        limits = spec.max_length, spec.min_pixels, spec.max_pixels
        self._reader = Reader(spec.model_id, spec.revision, *limits)

    @classmethod
    def dimensions_in(cls, files: ModelFiles) -> int:
        return files.width("text_config", "hidden_size")

    def read_model(self, files: ModelFiles, plan: LoadPlan) -> int:
        self._network = Network(files, plan)
        return self._network.dimensions

    def release_model(self) -> None:
        del self._network

    def cost(self, item: EncoderInput) -> int:
        """The exact number of tokens; a strip that will be refused counts as one."""
        try:
            content = self._reader.outlined(self._seen(item))
        except ValueError:
            return 1
        return self._reader.tokenizer.length(embedding_prompt(self.instruction(Role.DOCUMENT), *content))

    def prepare(self, item: EncoderInput, role: Role) -> tuple[int, TokenSequence]:
        prompt = embedding_prompt(self.instruction(role), *self._reader.content(self._seen(item)))
        sequence = self._reader.tokenizer.sequence(prompt)
        return len(sequence), sequence

    def embed(self, payload: Sequence[TokenSequence]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = self._network.pooled(payload, self.spec.pooling).cpu().numpy()
        return vectors

    def _seen(self, item: EncoderInput) -> EncoderInput:
        return EncoderInput(item.text) if self.spec.modality is Modality.TEXT else item
