from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embeddings import worker
from embeddings.encoders.base import EncoderInput, Modality, Role
from embeddings.encoders.registry import create_backend
from embeddings.models import Encoder, QueryEncoding
from embeddings.search import Filters, SearchError, SearchRequest, SearchResponse, search
from embeddings.services import activate_encoder
from tests.embeddings.spaces import clustered, fill, make_items, make_space


def encode_here(query: QueryEncoding) -> None:
    worker.encode_query(str(query.pk))


def png(colour: str = "white") -> bytes:
    stream = BytesIO()
    Image.new("RGB", (32, 32), colour).save(stream, "PNG")
    return stream.getvalue()


def find(**fields: Any) -> SearchResponse:
    return search(SearchRequest(**fields), encode=encode_here)


def refusal(**fields: Any) -> SearchError:
    with pytest.raises(SearchError) as refused:
        find(**fields)
    assert refused.value.message
    return refused.value


@pytest.fixture
def space() -> Encoder:
    """The active encoder, with ten items."""
    space = make_space(256)
    fill(space, make_items(10), clustered(10, 256))
    return activate_encoder(encoder=space)


pytestmark = pytest.mark.django_db


def test_a_text_finds_the_item_with_the_same_text_first() -> None:
    space, items = make_space(256), make_items(12)
    inputs = [EncoderInput(item.text) for item in items]
    fill(space, items, create_backend(space.spec()).encode(inputs, Role.DOCUMENT))
    response = find(text=items[7].text, encoder=space.slug, k=3)
    assert response.hits[0].code == items[7].code
    assert response.hits[0].score == pytest.approx(1, abs=1e-3)
    assert [hit.rank for hit in response.hits] == [1, 2, 3]
    assert set(response.timings_ms) == {"encode", "search", "total"}
    assert response.encoder == space.slug


def test_an_item_finds_its_neighbours_without_itself_and_without_a_model(space: Encoder) -> None:
    code = str(space.embeddings.order_by("item_id").values_list("item__code", flat=True)[3])
    response = search(SearchRequest(item_code=code, k=100))
    assert len(response.hits) == 9
    assert code not in {hit.code for hit in response.hits}


def test_the_active_encoder_answers_where_none_is_named(space: Encoder) -> None:
    other = make_space(8)
    fill(other, make_items(1), clustered(1, 8))
    assert find(text="기울기").encoder == space.slug


def test_the_same_question_again_is_answered_from_memory(space: Encoder) -> None:
    find(text="기울기")
    search(SearchRequest(text=" 기울기\x00"), encode=lambda query: pytest.fail("encoded twice"))
    assert QueryEncoding.objects.count() == 1


def test_a_question_that_failed_before_is_tried_again(space: Encoder) -> None:
    def fail(query: QueryEncoding) -> None:
        QueryEncoding.objects.filter(pk=query.pk).update(error="the device is gone")

    with pytest.raises(SearchError, match="the device is gone"):
        search(SearchRequest(text="기울기"), encode=fail)
    assert find(text="기울기").hits


def test_no_active_encoder_is_said() -> None:
    assert refusal(text="a").code == "no-active-encoder"


def test_an_unknown_encoder_is_said_with_those_that_exist(space: Encoder) -> None:
    error = refusal(text="a", encoder="nope")
    assert error.code == "unknown-encoder"
    assert space.slug in error.message


def test_an_encoder_without_vectors_is_said_before_anyone_waits() -> None:
    assert refusal(text="a", encoder=make_space(8).slug).code == "no-vectors"


def test_an_unknown_item_is_said(space: Encoder) -> None:
    assert refusal(item_code="nope").code == "unknown-item"


def test_an_item_without_a_vector_is_said(space: Encoder) -> None:
    assert refusal(item_code=make_items(1)[0].code).code == "item-without-vector"


@pytest.mark.parametrize("image", [b"no image at all", png()[:60], b"GIF89a"])
def test_a_broken_image_is_said(space: Encoder, image: bytes) -> None:
    assert refusal(text="a", image=image).code == "broken-image"


def test_an_image_alone_is_nothing_to_a_text_encoder(space: Encoder) -> None:
    assert refusal(image=png()).code == "encoder-needs-text"


def test_a_text_encoder_ignores_the_image_and_says_so(space: Encoder) -> None:
    response = find(text="기울기", image=png())
    assert "image was ignored" in " ".join(response.notes)
    assert [hit.code for hit in response.hits] == [hit.code for hit in find(text="기울기").hits]


def test_text_alone_is_nothing_to_an_image_encoder() -> None:
    space = make_space(8, modality=Modality.IMAGE)
    fill(space, make_items(1), clustered(1, 8))
    error = refusal(text="삼각형", encoder=space.slug)
    assert error.code == "encoder-needs-image"
    assert "choose an encoder that reads text" in error.message


def test_a_filter_that_nothing_passes_gives_no_hits_and_says_why(space: Encoder) -> None:
    response = find(text="a", filters=Filters(subject=("음악",)))
    assert response.hits == ()
    assert response.route == "exact-filtered"
    assert "No item with a vector passes the filters" in " ".join(response.notes)


def test_items_that_cannot_be_found_are_counted(space: Encoder) -> None:
    make_items(3)
    assert "3 of 13 items have no vector" in " ".join(find(text="a").notes)


def test_edited_hits_are_counted(space: Encoder) -> None:
    item = make_items(1)[0]
    fill(space, [item], np.full((1, 256), 1 / 16, np.float32))
    item.content_hash = "0" * 64
    item.save()
    assert "1 of the hits were edited" in " ".join(find(text="a", k=100).notes)
