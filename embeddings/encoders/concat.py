"""Concatenation of vector spaces: run its parts on an item, or build it from their stored vectors."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite, sqrt
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from embeddings.encoders.base import EncoderBackend, EncoderInput, EncoderSpec, Features, Role, Vectors
from embeddings.encoders.errors import EncoderError, ItemOutputError
from embeddings.encoders.registry import backend_class, create_backend


def concatenate(parts: Sequence[Vectors], weights: Sequence[float]) -> Vectors:
    """Unit rows of the parts side by side: [sqrt(w1) u1, sqrt(w2) u2, ..], normalised; (n, sum of dimensions).

    `parts[j]` is (n, d_j); a zero row means that the item has no vector in that part. With all parts present, the
    cosine of two rows is the weighted mean of their parts' cosines; hence the roots. Rows need not come normalised
    (stored half precision is off by 1e-3). Raises ItemOutputError for a row that no part has.
    """
    scaled = [sqrt(weight) * _unit_or_zero(part) for part, weight in zip(parts, weights, strict=True)]
    joined = np.concatenate(scaled, axis=1)
    norms = np.linalg.norm(joined, axis=1, keepdims=True)
    for index in np.flatnonzero(norms == 0):
        raise ItemOutputError(int(index), _("no part of the concatenation has a vector"))
    unit: Vectors = (joined / norms).astype(np.float32)
    return unit


def _unit_or_zero(rows: Vectors) -> Any:
    wide = np.asarray(rows, np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(norms == 0, 1, norms)


class ConcatBackend(EncoderBackend):
    """Runs every part that accepts the item; a part that does not is left zero."""

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__(spec)
        _check_parts(spec)
        self._parts = [create_backend(part) for part, _weight in spec.parts]
        self._weights = [weight for _part, weight in spec.parts]
        self.token_budget = min(part.token_budget for part in self._parts)

    @classmethod
    def settled(cls, spec: EncoderSpec) -> EncoderSpec:
        parts = tuple((backend_class(part.backend).settled(part), weight) for part, weight in spec.parts)
        return replace(spec, parts=parts)

    def load_model(self) -> int:
        for part in self._parts:
            part.load()
        self.token_budget = min(part.token_budget for part in self._parts)  # a part may know its device only now
        return sum(part.spec.dimensions for part in self._parts)

    def release_model(self) -> None:
        for part in self._parts:
            part.unload()

    def cost(self, item: EncoderInput) -> int:
        return sum(part.cost(item) for part in self._parts if part.accepts(item)) or 1

    def rejection(self, item: EncoderInput, role: Role = Role.DOCUMENT) -> str:
        reasons = [part.rejection(item, role) for part in self._parts]
        return super().rejection(item, role) or ("; ".join(reasons) if all(reasons) else "")

    def prepare(self, item: EncoderInput, role: Role) -> tuple[int, list[tuple[int, Any] | None]]:
        entries = [part.prepare(item, role) if part.accepts(item, role) else None for part in self._parts]
        return sum(entry[0] for entry in entries if entry), entries

    def embed(self, payload: Sequence[list[tuple[int, Any] | None]]) -> Vectors:
        columns = zip(*payload, strict=True)
        parts = [_forward(part, list(column)) for part, column in zip(self._parts, columns, strict=True)]
        return concatenate(parts, self._weights)


def _forward(part: EncoderBackend, entries: Sequence[tuple[int, Any] | None]) -> Vectors:
    """The part's vectors, a zero row where there is no entry."""
    rows = np.zeros((len(entries), part.spec.dimensions), np.float32)
    present = [(index, entry) for index, entry in enumerate(entries) if entry]
    features = Features(tuple(entry[0] for _index, entry in present), tuple(entry[1] for _index, entry in present))
    try:
        rows[[index for index, _entry in present]] = part.forward(features)
    except ItemOutputError as error:
        raise ItemOutputError(present[error.index][0], f"{part.spec.model_id}: {error.reason}") from error
    return rows


def _check_parts(spec: EncoderSpec) -> None:
    if len(spec.parts) < 2:
        raise EncoderError(_("a concatenation needs at least two parts"))
    if not all(isfinite(weight) and weight > 0 for _part, weight in spec.parts):
        raise EncoderError(_("the weights of a concatenation must be above zero"))
    dimensions = sum(part.dimensions for part, _weight in spec.parts)
    if dimensions != spec.dimensions:
        raise EncoderError(
            _("the parts have %(found)d dimensions together, the encoder says %(stated)d")
            % {"found": dimensions, "stated": spec.dimensions}
        )
