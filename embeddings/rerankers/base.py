"""The reranker contract: what defines a scorer of pairs, and what a backend must do.

CPU threads:  features = backend.preprocess(query, documents)   # thread-safe, touches no device
device:       scores = backend.forward(features)                # (n,) float64 within 0..1
"""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from embeddings.device_model import DeviceModel
from embeddings.encoders.base import EncoderInput, Features, cleaned, input_fault
from embeddings.encoders.errors import EncoderError, ItemInputError, ItemOutputError, OutOfMemory
from embeddings.encoders.packing import pack

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RerankerSpec:
    """All that defines a reranker's scores. `max_length` is in the model's tokens and cuts each side's text only."""

    backend: str
    model_id: str
    revision: str
    instruction: str
    max_length: int = 8192
    min_pixels: int = 0
    max_pixels: int = 0
    precision: str = "auto"
    options: tuple[tuple[str, str | int | float | bool], ...] = ()

    def fingerprint(self) -> str:
        """SHA-256 (hex) over every field and the backend's code version; the same in every process."""
        from embeddings.rerankers.registry import reranker_class

        plain = {**asdict(self), "options": dict(self.options), "version": reranker_class(self.backend).version}
        canonical = json.dumps(plain, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


class RerankerBackend(DeviceModel):
    """A model that scores (query, document) pairs."""

    # Raise it when a change of code changes the scores.
    version: ClassVar[int] = 1

    def __init__(self, spec: RerankerSpec) -> None:
        super().__init__(spec.model_id)
        self.spec = spec

    # ---- what a backend says of a spec, without a model or torch

    @classmethod
    def completed(cls, spec: RerankerSpec) -> RerankerSpec:
        """The spec with an open revision ("") read from the model's files. Raises ModelUnavailable."""
        return spec

    @classmethod
    def settled(cls, spec: RerankerSpec) -> RerankerSpec:
        """The spec with the precision "auto" replaced by what this process's device takes."""
        return spec

    # ---- what a backend implements

    @abstractmethod
    def load_model(self) -> None:
        """Loads the model. Raises ModelUnavailable."""

    @abstractmethod
    def prepare(self, query: EncoderInput, document: EncoderInput) -> tuple[int, Any]:
        """One readable, cleaned pair -> (cost, payload). On the CPU, thread-safe. Raises ValueError with the reason."""

    @abstractmethod
    def judge(self, payload: Sequence[Any]) -> NDArray[np.floating[Any]]:
        """Payloads of `prepare` -> (n,) scores within 0..1. Raises OutOfMemory."""

    # ---- what callers use

    def load_checked(self) -> None:
        self.load_model()

    def preprocess(self, query: EncoderInput, documents: Sequence[EncoderInput]) -> Features:
        """Pairs -> features. Raises ItemInputError for the first document that cannot be scored, under a query that
        cannot be read for the first of all.
        """
        entries = [self._prepare_checked(index, query, document) for index, document in enumerate(documents)]
        return Features(tuple(entry[0] for entry in entries), tuple(entry[1] for entry in entries))

    def forward(self, features: Features) -> Scores:
        """Features -> (n,) scores, in one pass; one thread at a time. Raises ItemOutputError, OutOfMemory, .."""
        if not len(features):
            return np.empty(0, np.float64)
        with self._device_lock:
            self.load()
            try:
                scores = np.asarray(self.judge(features.payload), np.float64)
            except MemoryError as error:
                raise OutOfMemory(str(error) or "no memory left on this machine") from error
        return checked_scores(scores, len(features))

    def score(self, query: EncoderInput, documents: Sequence[EncoderInput]) -> Scores:
        """Preprocesses and scores in micro-batches packed by cost; in the order of the documents."""
        features = self.preprocess(query, documents)
        scores = np.empty(len(features), np.float64)
        for batch in pack(features.costs, budget=self.token_budget, padded=self.pads):
            try:
                scores[batch] = self.forward(features.take(batch))
            except ItemOutputError as error:
                raise ItemOutputError(batch[error.index], error.reason) from error
        return scores

    def _prepare_checked(self, index: int, query: EncoderInput, document: EncoderInput) -> tuple[int, Any]:
        if reason := input_fault(query) or input_fault(document):
            raise ItemInputError(index, reason)
        try:
            return self.prepare(cleaned(query), cleaned(document))
        except ValueError as error:
            raise ItemInputError(index, str(error)) from error


def checked_scores(scores: Scores, count: int) -> Scores:
    """The scores as they are. Raises EncoderError on the shape, ItemOutputError on one outside 0..1."""
    if scores.shape != (count,):
        raise EncoderError(f"the model returned scores of shape {scores.shape}, expected ({count},)")
    for index in np.flatnonzero(~((scores >= 0) & (scores <= 1))):
        raise ItemOutputError(int(index), _("the model returned a score that is no number from 0 to 1"))
    return scores
