"""Qwen3-VL-Reranker gives what its authors' code gives, alone and in any company."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embeddings.rerankers.base import RerankerBackend, RerankerSpec
from embeddings.rerankers.registry import create_reranker
from tests.parity import CASES, TOLERANCE, case_input, golden

DOCUMENTS = [case_input(case) for case in CASES["rerank_documents"]]


@pytest.fixture
def reranker(models_dir: Path) -> RerankerBackend:
    return create_reranker(
        RerankerSpec(
            "qwen3-vl",
            "Qwen/Qwen3-VL-Reranker-2B",
            "",
            CASES["rerank_instruction"],
            min_pixels=CASES["min_pixels"],
            max_pixels=CASES["max_pixels"],
            precision="fp32",
        )
    )


@pytest.mark.parametrize("query", CASES["rerank_queries"], ids=lambda query: str(query["name"]))
def test_documents_together_equal_the_reference(reranker: RerankerBackend, query: dict[str, Any]) -> None:
    features = reranker.preprocess(case_input(query), DOCUMENTS)
    expected = golden("rerank", query["name"])
    np.testing.assert_allclose(reranker.forward(features), expected, rtol=0, atol=TOLERANCE)
    backwards = reranker.forward(features.take(reversed(range(len(features)))))
    np.testing.assert_allclose(backwards, expected[::-1], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("query", CASES["rerank_queries"], ids=lambda query: str(query["name"]))
@pytest.mark.parametrize("index", range(len(DOCUMENTS)))
def test_a_document_alone_equals_the_reference(reranker: RerankerBackend, query: dict[str, Any], index: int) -> None:
    (score,) = reranker.score(case_input(query), [DOCUMENTS[index]])
    assert abs(score - golden("rerank", query["name"])[index]) <= TOLERANCE
