"""What the base refuses from a model, and what it makes of its failures."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from embeddings.encoders.base import EncoderBackend, EncoderInput, Features, Role
from embeddings.encoders.errors import EncoderError, ItemInputError, ItemOutputError, OutOfMemory
from embeddings.encoders.presets import hashing


class Scripted(EncoderBackend):
    """Returns what the test says for each text."""

    token_budget = 2

    def __init__(self, answer: Callable[[str], Any]) -> None:
        super().__init__(hashing())
        self.answer = answer

    def load_model(self) -> int:
        return self.spec.dimensions

    def release_model(self) -> None:
        pass

    def prepare(self, item: EncoderInput, role: Role) -> tuple[int, str]:
        if item.text == "unreadable":
            raise ValueError("the formula does not parse")
        return 1, item.text

    def embed(self, payload: Sequence[str]) -> Any:
        return np.array([self.answer(text) for text in payload])


def ones(_: str) -> Any:
    return np.ones(256)


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "NaN"), (np.inf, "infinity"), (0.0, "zero vector")])
def test_a_vector_that_cannot_be_stored_names_its_item(value: float, reason: str) -> None:
    backend = Scripted(lambda text: np.full(256, value if text == "bad" else 1.0))
    with pytest.raises(ItemOutputError, match=reason) as caught:
        backend.encode([EncoderInput(text) for text in ("a", "b", "c", "bad", "d")], Role.DOCUMENT)
    assert caught.value.index == 3


def test_a_wrong_shape_is_an_error_of_the_encoder() -> None:
    with pytest.raises(EncoderError, match=r"shape \(1, 7\), expected \(1, 256\)"):
        Scripted(lambda _: np.ones(7)).encode([EncoderInput("a")], Role.DOCUMENT)


def test_a_huge_half_precision_row_is_normalised_without_overflow() -> None:
    vectors = Scripted(lambda _: np.full(256, 60_000, np.float16)).encode([EncoderInput("a")], Role.DOCUMENT)
    np.testing.assert_allclose(vectors, 1 / 16)


def test_running_out_of_memory_blames_no_item() -> None:
    def explode(_: str) -> Any:
        raise MemoryError

    with pytest.raises(OutOfMemory):
        Scripted(explode).encode([EncoderInput("a")], Role.DOCUMENT)


def test_an_item_that_cannot_be_prepared_is_named_with_the_reason() -> None:
    with pytest.raises(ItemInputError, match="does not parse") as caught:
        Scripted(ones).preprocess([EncoderInput("a"), EncoderInput("unreadable")], Role.DOCUMENT)
    assert caught.value.index == 1


def test_encode_keeps_the_order_of_the_inputs_over_many_batches() -> None:
    backend = Scripted(lambda text: np.eye(256)[int(text)])
    vectors = backend.encode([EncoderInput(str(number)) for number in range(9)], Role.DOCUMENT)
    assert vectors.argmax(axis=1).tolist() == list(range(9))


def test_taken_features_keep_their_costs() -> None:
    features = Features((5, 6, 7), ("a", "b", "c")).take([2, 0])
    assert (features.costs, features.payload, len(features)) == ((7, 5), ("c", "a"), 2)
