"""Qwen3-VL-Reranker: would the next word be yes or no? Equal to the authors' reference code (tests/data/parity)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embeddings.encoders.base import EncoderInput
from embeddings.encoders.loading import load_checkpoint, with_native_precision
from embeddings.encoders.precision import LoadPlan
from embeddings.encoders.qwen3_vl.network import TOKENS_A_BATCH, Network
from embeddings.encoders.qwen3_vl.prompt import TokenSequence, judging_prompt
from embeddings.encoders.qwen3_vl.reading import Reader
from embeddings.encoders.weights import ModelFiles, locate
from embeddings.rerankers.base import RerankerBackend, RerankerSpec


class Qwen3VLReranker(RerankerBackend):
    """Text and images on both sides."""

    pads = True
    _network: Network

    def __init__(self, spec: RerankerSpec) -> None:
        super().__init__(spec)
        limits = spec.max_length, spec.min_pixels, spec.max_pixels
        self._reader = Reader(spec.model_id, spec.revision, *limits)

    @classmethod
    def completed(cls, spec: RerankerSpec) -> RerankerSpec:
        return replace(spec, revision=locate(spec.model_id, spec.revision, weights=False).revision)

    @classmethod
    def settled(cls, spec: RerankerSpec) -> RerankerSpec:
        return with_native_precision(spec)

    def load_model(self) -> None:
        self._network, device = load_checkpoint(self.spec, self._read, takes_nf4=True)
        self.token_budget = TOKENS_A_BATCH[device]

    def _read(self, files: ModelFiles, plan: LoadPlan) -> Network:
        yes, no = (self._reader.tokenizer.id_of(word) for word in ("yes", "no"))
        return Network(files, plan, answers=(yes, no))

    def release_model(self) -> None:
        del self._network

    def prepare(self, query: EncoderInput, document: EncoderInput) -> tuple[int, TokenSequence]:
        sides = self._reader.content(query), self._reader.content(document)
        sequence = self._reader.tokenizer.sequence(judging_prompt(self.spec.instruction, *sides))
        return len(sequence), sequence

    def judge(self, payload: Sequence[TokenSequence]) -> NDArray[np.float64]:
        """The probability of "yes" against "no"."""
        margins = self._network.margins(payload).double().cpu().numpy()
        scores: NDArray[np.float64] = 1 / (1 + np.exp(-margins))
        return scores
