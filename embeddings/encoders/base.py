"""The encoder contract: what defines a vector space, and what a backend must do.

A backend implements `load_model`, `release_model`, `prepare` and `embed`; locking, input checks, packing,
output checks and normalisation live here. One instance serves one `EncoderSpec`.

    CPU threads:  features = backend.preprocess(inputs, Role.DOCUMENT)   # thread-safe, touches no device
    device:       vectors = backend.forward(features)                    # (n, dimensions) float32, unit rows
"""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray
from PIL import Image

from embeddings.device_model import DeviceModel
from embeddings.encoders.errors import EncoderError, ItemInputError, ItemOutputError, OutOfMemory
from embeddings.encoders.packing import pack

Vectors = NDArray[np.float32]


class Modality(StrEnum):
    """What a space needs from an item. A multimodal space takes text, images or both."""

    TEXT = "text"
    IMAGE = "image"
    MULTIMODAL = "multimodal"


class Role(StrEnum):
    """Which side of a search the input is on; many models prefix the two differently."""

    DOCUMENT = "document"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """All that defines one vector space. Two specs with one fingerprint give comparable vectors.

    `max_length` is in the model's tokens and cuts the item's text only; 0 pixels means that the backend has a
    fixed input size. `parts` are the (spec, weight) pairs of a concatenation, `options` (name, value) pairs
    that only one backend reads.
    """

    backend: str
    model_id: str
    revision: str
    modality: Modality
    dimensions: int
    pooling: str = ""
    document_instruction: str = ""
    query_instruction: str = ""
    max_length: int = 512
    min_pixels: int = 0
    max_pixels: int = 0
    precision: str = "fp32"
    parts: tuple[tuple["EncoderSpec", float], ...] = ()
    options: tuple[tuple[str, str | int | float | bool], ...] = ()

    def fingerprint(self) -> str:
        """SHA-256 (hex) over every field and the backend's code version; the same in every process.

        Raises EncoderError when the backend is unknown.
        """
        canonical = json.dumps(self._canonical(), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _canonical(self) -> dict[str, Any]:
        from embeddings.encoders.registry import backend_class

        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["parts"] = [[part.fingerprint(), float(weight)] for part, weight in self.parts]
        plain["options"] = dict(self.options)
        return {**plain, "version": backend_class(self.backend).version}


@dataclass(frozen=True, slots=True)
class EncoderInput:
    """One item or query. Images arrive opened, upright and RGB: a broken file has failed before this."""

    text: str = ""
    images: tuple[Image.Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Features:
    """Preprocessed items: for each its exact cost and whatever the backend's `embed` needs.

    Entries are independent, so a batch can be split, merged and reordered without preprocessing again.
    """

    costs: tuple[int, ...]
    payload: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.payload)

    def take(self, indices: Iterable[int]) -> "Features":
        """The entries at `indices`, in that order."""
        chosen = tuple(indices)
        return Features(tuple(self.costs[i] for i in chosen), tuple(self.payload[i] for i in chosen))

    @classmethod
    def join(cls, batches: Iterable["Features"]) -> "Features":
        """One batch out of several, in order."""
        whole = tuple(batches)
        return cls(
            tuple(cost for batch in whole for cost in batch.costs),
            tuple(entry for batch in whole for entry in batch.payload),
        )


class EncoderBackend(DeviceModel):
    """A model behind one vector space. Importing its module or making an instance loads nothing heavy."""

    # Raise it when a change of code changes the vectors: old encoders then no longer match their fingerprint.
    version: ClassVar[int] = 1
    # Whether the first numbers of a vector, normalised again, are a vector too (Matryoshka training): the spec may then
    # ask for fewer dimensions than the model gives.
    matryoshka: ClassVar[bool] = False

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__(spec.model_id)
        self.spec = spec

    # ---- what a backend says of a spec, without a model or torch

    @classmethod
    def completed(cls, spec: EncoderSpec) -> EncoderSpec:
        """The spec with what a preset leaves open (revision "", dimensions 0), read from the model's files.

        Raises ModelUnavailable with what to do where they cannot be found.
        """
        return spec

    @classmethod
    def settled(cls, spec: EncoderSpec) -> EncoderSpec:
        """The spec with the precision "auto" replaced by what this process's device takes; imports torch for that.

        A vector space has one precision, so an encoder is settled once, where it is first used, and never again.
        """
        return spec

    @classmethod
    def takes_text_queries(cls, spec: EncoderSpec) -> bool:
        """Whether a space of images also places texts without an image (CLIP-like), and takes them as queries."""
        return False

    # ---- what a backend implements

    @abstractmethod
    def load_model(self) -> int:
        """Loads the model; returns the dimensions its vectors have. Raises ModelUnavailable."""

    @abstractmethod
    def release_model(self) -> None:
        """Frees what `load_model` took."""

    @abstractmethod
    def prepare(self, item: EncoderInput, role: Role) -> tuple[int, Any]:
        """One accepted, cleaned item -> (cost, payload). On the CPU, thread-safe.

        Raises ValueError, with the reason for the reader, when this item cannot be encoded.
        """

    @abstractmethod
    def embed(self, payload: Sequence[Any]) -> NDArray[np.floating[Any]]:
        """Payloads of `prepare` -> (n, dimensions), not yet normalised. Raises OutOfMemory."""

    def cost(self, item: EncoderInput) -> int:
        """Estimate of the item's cost before preprocessing, to order a window by; at least 1."""
        return max(1, min(len(item.text) // 2, self.spec.max_length)) + 256 * len(item.images)

    # ---- what callers use

    def load_checked(self) -> None:
        self._check_dimensions(self.load_model())

    def accepts(self, item: EncoderInput, role: Role = Role.DOCUMENT) -> bool:
        """Whether the item has what this space needs; where it has not, it has no vector here."""
        return not self.rejection(item, role)

    def rejection(self, item: EncoderInput, role: Role = Role.DOCUMENT) -> str:
        """Why the item cannot be encoded in this space; empty when it can."""
        has_text, has_images = any(_visible(item.text)), bool(item.images)
        if fault := input_fault(item):
            return fault
        if self.spec.modality is Modality.TEXT:
            return "" if has_text else _("there is no text to encode")
        if self.spec.modality is Modality.MULTIMODAL:
            return "" if has_text or has_images else _("there is neither text nor an image to encode")
        if has_images or (has_text and role is Role.QUERY and self.takes_text_queries(self.spec)):
            return ""
        return _("there is no image, and this encoder encodes images only")

    def preprocess(self, inputs: Sequence[EncoderInput], role: Role) -> Features:
        """Inputs -> features, on the CPU. Raises ItemInputError for the first input it cannot encode."""
        entries = [self._prepare_checked(index, item, role) for index, item in enumerate(inputs)]
        return Features(tuple(entry[0] for entry in entries), tuple(entry[1] for entry in entries))

    def forward(self, features: Features) -> Vectors:
        """Features -> (n, dimensions) float32 with rows of norm 1, in one pass; one thread at a time.

        Loads the model when needed. Raises ItemOutputError, OutOfMemory, ModelUnavailable, EncoderError.
        """
        if not len(features):
            return np.empty((0, self.spec.dimensions), np.float32)
        with self._device_lock:
            self.load()
            try:
                raw = self.embed(features.payload)
            except MemoryError as error:
                raise OutOfMemory(str(error) or "no memory left on this machine") from error
        if self.matryoshka:
            raw = raw[:, : self.spec.dimensions]
        return checked_unit_rows(raw, (len(features), self.spec.dimensions))

    def encode(self, inputs: Sequence[EncoderInput], role: Role) -> Vectors:
        """Preprocesses and forwards in micro-batches packed by cost; rows in the order of the inputs."""
        features = self.preprocess(inputs, role)
        vectors = np.empty((len(features), self.spec.dimensions), np.float32)
        for batch in pack(features.costs, budget=self.token_budget, padded=self.pads):
            try:
                vectors[batch] = self.forward(features.take(batch))
            except ItemOutputError as error:
                raise ItemOutputError(batch[error.index], error.reason) from error
        return vectors

    def instruction(self, role: Role) -> str:
        """The prompt or prefix for this side of a search."""
        return self.spec.query_instruction if role is Role.QUERY else self.spec.document_instruction

    def _prepare_checked(self, index: int, item: EncoderInput, role: Role) -> tuple[int, Any]:
        if reason := self.rejection(item, role):
            raise ItemInputError(index, reason)
        try:
            return self.prepare(cleaned(item), role)
        except ValueError as error:
            raise ItemInputError(index, str(error)) from error

    def _check_dimensions(self, found: int) -> None:
        stated = self.spec.dimensions
        if found == stated or (self.matryoshka and 0 < stated < found):
            return
        self.release_model()
        raise EncoderError(
            _("%(model)s gives %(found)d dimensions, the encoder says %(stated)d; make an encoder with %(found)d")
            % {"model": self.spec.model_id, "found": found, "stated": stated}
        )


def checked_unit_rows(raw: NDArray[np.floating[Any]], shape: tuple[int, int]) -> Vectors:
    """`raw` as float32 rows of norm 1. Raises EncoderError on the shape, ItemOutputError on a row."""
    if raw.shape != shape:
        raise EncoderError(f"the model returned vectors of shape {raw.shape}, expected {shape}")
    rows = raw.astype(np.float64)
    for index in np.flatnonzero(~np.isfinite(rows).all(axis=1)):
        raise ItemOutputError(int(index), _("the model returned NaN or infinity"))
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    for index in np.flatnonzero(norms == 0):
        raise ItemOutputError(int(index), _("the model returned a zero vector"))
    unit: Vectors = (rows / norms).astype(np.float32)
    return unit


def _visible(text: str) -> Iterator[bool]:
    # Zero-width characters alone would all get the vector of an empty text.
    return (character.isprintable() and not character.isspace() for character in text)


def input_fault(item: EncoderInput) -> str:
    """Why no model can read the item; empty when models can."""
    if any(image.mode != "RGB" for image in item.images):
        return _("an image is not RGB; open images upright and in RGB first")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in item.text):
        return _("the text holds half a character (a lone surrogate); type it again")
    return ""


def cleaned(item: EncoderInput) -> EncoderInput:
    """The item as models read it."""
    # C libraries end a string at NUL: what follows it would be lost without a word.
    return EncoderInput(item.text.replace("\x00", " "), item.images)
