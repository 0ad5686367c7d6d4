"""Qwen3-VL-Embedding gives what its authors' code gives, alone and in any company."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embeddings.encoders.base import EncoderBackend, Role
from embeddings.encoders.presets import PRESETS
from embeddings.encoders.registry import create_backend
from tests.parity import CASES, TOLERANCE, case_input, golden

SHARED = [case for case in CASES["embed_cases"] if "instruction" not in case]
INSTRUCTED = [case for case in CASES["embed_cases"] if "instruction" in case]
NAMES = [case["name"] for case in SHARED]


@cache
def encoder(pooling: str, instruction: str = "") -> EncoderBackend:
    spec = replace(PRESETS[f"qwen3-vl-2b-mm-{pooling}"].spec(), precision="fp32")
    return create_backend(replace(spec, document_instruction=instruction or spec.document_instruction))


@pytest.mark.parametrize("pooling", ["mean", "last"])
@pytest.mark.parametrize("case", SHARED, ids=NAMES)
def test_an_item_alone_equals_the_reference(case: dict[str, Any], pooling: str) -> None:
    (vector,) = encoder(pooling).encode([case_input(case)], Role.DOCUMENT)
    np.testing.assert_allclose(vector, golden(pooling, case["name"]), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("pooling", ["mean", "last"])
@pytest.mark.parametrize("case", INSTRUCTED, ids=lambda case: str(case["name"]))
def test_an_instruction_of_ones_own_equals_the_reference(case: dict[str, Any], pooling: str) -> None:
    (vector,) = encoder(pooling, case["instruction"]).encode([case_input(case)], Role.DOCUMENT)
    np.testing.assert_allclose(vector, golden(pooling, case["name"]), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("pooling", ["mean", "last"])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.sampled_from(range(len(SHARED))), min_size=2, max_size=6))
def test_any_batch_in_any_order_equals_the_reference(order: list[int], pooling: str) -> None:
    backend = encoder(pooling)
    vectors = backend.forward(backend.preprocess([case_input(SHARED[index]) for index in order], Role.DOCUMENT))
    expected = np.stack([golden(pooling, NAMES[index]) for index in order])
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("case", SHARED, ids=NAMES)
def test_the_estimated_cost_is_the_exact_number_of_tokens(case: dict[str, Any]) -> None:
    backend, item = encoder("mean"), case_input(case)
    assert backend.cost(item) == backend.preprocess([item], Role.DOCUMENT).costs[0]


def test_fewer_dimensions_are_the_first_ones_normalised_again() -> None:
    whole = encoder("mean")
    short = create_backend(replace(whole.spec, dimensions=16))
    item = [case_input(SHARED[0])]
    first = whole.encode(item, Role.DOCUMENT)[:, :16]
    np.testing.assert_allclose(short.encode(item, Role.DOCUMENT), first / np.linalg.norm(first), atol=1e-6)
