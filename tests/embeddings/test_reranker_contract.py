"""What every reranker does alike, whatever its model."""

import pytest
from PIL import Image

from embeddings.encoders.base import EncoderInput
from embeddings.encoders.errors import ItemInputError, ItemOutputError
from tests.embeddings.scripted_reranker import ScriptedReranker, scripted_spec


def test_a_wrong_score_is_named_by_its_place_among_the_documents() -> None:
    reranker = scripted()
    reranker.token_budget = 1  # each document goes alone
    with pytest.raises(ItemOutputError) as raised:
        reranker.score(EncoderInput("?"), [EncoderInput(text) for text in ("0.5", "0.7", "2")])
    assert raised.value.index == 2


UNREADABLE = [EncoderInput("0.5", (Image.new("RGBA", (8, 8)),)), EncoderInput("0.5 \ud835")]


@pytest.mark.parametrize("unreadable", UNREADABLE, ids=["not RGB", "half a character"])
def test_a_document_that_no_model_can_read_is_refused_by_its_place(unreadable: EncoderInput) -> None:
    with pytest.raises(ItemInputError, match=r"RGB|surrogate") as raised:
        scripted().preprocess(EncoderInput("?"), [EncoderInput("0.5"), unreadable])
    assert raised.value.index == 1


@pytest.mark.parametrize("unreadable", UNREADABLE, ids=["not RGB", "half a character"])
def test_a_query_that_no_model_can_read_is_refused(unreadable: EncoderInput) -> None:
    with pytest.raises(ItemInputError, match=r"RGB|surrogate"):
        scripted().preprocess(unreadable, [EncoderInput("0.5")])


def test_what_follows_a_nul_character_reaches_the_model() -> None:
    ((text, _images, _query_images),) = scripted().preprocess(EncoderInput("?"), [EncoderInput("0.5\x00now")]).payload
    assert text == "0.5 now"


def scripted() -> ScriptedReranker:
    return ScriptedReranker(scripted_spec("contract"))
