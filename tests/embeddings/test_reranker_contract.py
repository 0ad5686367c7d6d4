"""What every reranker does alike, whatever its model."""

import pytest

from embeddings.encoders.base import EncoderInput
from embeddings.encoders.errors import ItemOutputError
from tests.embeddings.scripted_reranker import ScriptedReranker, scripted_spec


def test_a_wrong_score_is_named_by_its_place_among_the_documents() -> None:
    reranker = ScriptedReranker(scripted_spec("contract"))
    reranker.token_budget = 1  # each document goes alone
    with pytest.raises(ItemOutputError) as raised:
        reranker.score(EncoderInput("?"), [EncoderInput(text) for text in ("0.5", "0.7", "2")])
    assert raised.value.index == 2
