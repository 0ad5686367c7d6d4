"""Search and similar items over the API."""

import base64
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from embeddings.api.search import STATUSES, Method
from embeddings.models import Encoder
from embeddings.search import SearchRequest, search
from embeddings.search.lexical_index import INDEX
from embeddings.search.types import METHODS
from embeddings.services import activate_encoder
from embeddings.term_services import index_terms
from itembank.models import Item
from tests.api import Api, encode_here, problem
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.embeddings.test_search import png
from tests.factories import make_item

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _words_of_this_test() -> Iterator[None]:
    INDEX.forget()
    yield
    INDEX.forget()


@pytest.fixture
def api() -> Api:
    return Api("search", "items:read")


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """The active encoder, over ten items; queries are encoded in this process."""
    encode_here(monkeypatch)
    space = make_space(64)
    fill(space, make_items(8) + make_items(2, subject="과학"), clustered(10, 64))
    return activate_encoder(encoder=space)


def codes(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [hit["code"] for hit in response.json()["hits"]]


def test_similar_items_are_those_that_the_search_finds(api: Api, space: Encoder) -> None:
    code = str(Item.objects.order_by("code").values_list("code", flat=True)[0])
    expected = [hit.code for hit in search(SearchRequest(item_code=code, k=5)).hits]
    assert codes(api.get(f"/items/{code}/similar", k=5)) == expected
    assert codes(api.post("/search", {"item": code, "k": 5})) == expected


def test_a_text_is_searched_and_the_answer_says_how(api: Api, space: Encoder) -> None:
    answer = api.post("/search", {"text": "기울기", "k": 3}).json()
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3]
    assert answer["encoder"] == space.slug
    assert answer["route"]
    assert {"encode", "search", "total"} <= set(answer["timings_ms"])
    assert answer["hits"][0]["item"] is None


def test_an_image_comes_in_base64(api: Api, space: Encoder) -> None:
    image = base64.b64encode(png()).decode()
    assert "image was ignored" in " ".join(api.post("/search", {"text": "a", "image": image}).json()["notes"])


def test_an_image_that_is_no_base64_is_said(api: Api, space: Encoder) -> None:
    problem(api.post("/search", {"text": "a", "image": "é!"}), 422, "broken-base64")


def test_a_file_that_is_no_image_is_said(api: Api, space: Encoder) -> None:
    image = base64.b64encode(b"no image").decode()
    problem(api.post("/search", {"text": "a", "image": image}), 422, "broken-image")


def test_filters_hold(api: Api, space: Encoder) -> None:
    answer = api.post("/search", {"text": "a", "filters": {"subject": ["과학"]}, "with_items": True}).json()
    assert {hit["item"]["subject"] for hit in answer["hits"]} == {"과학"}
    assert len(answer["hits"]) == 2
    code = answer["hits"][0]["code"]
    assert len(codes(api.get(f"/items/{code}/similar", subject="과학"))) == 1


def test_hits_come_with_their_items_where_asked(api: Api, space: Encoder) -> None:
    for hit in api.post("/search", {"text": "a", "with_items": True}).json()["hits"]:
        assert hit["item"]["code"] == hit["code"]


def test_another_encoder_can_be_named_and_one_that_is_not_there_is_said(api: Api, space: Encoder) -> None:
    assert api.post("/search", {"text": "a", "encoder": space.slug}).status_code == 200
    problem(api.post("/search", {"text": "a", "encoder": "nope"}), 422, "unknown-encoder")


def test_an_exact_search_says_that_it_was(api: Api, space: Encoder) -> None:
    assert api.post("/search", {"text": "a", "exact": True}).json()["route"] == "exact"


def test_a_code_that_is_not_there_is_not_found(api: Api, space: Encoder) -> None:
    problem(api.get("/items/nope/similar"), 404, "unknown-item")
    problem(api.post("/search", {"item": "nope"}), 404, "unknown-item")


def test_an_item_without_a_vector_cannot_be_asked_yet(api: Api, space: Encoder) -> None:
    problem(api.get(f"/items/{make_items(1)[0].code}/similar"), 409, "item-without-vector")


def test_a_bank_without_an_encoder_cannot_be_searched_yet(api: Api) -> None:
    problem(api.post("/search", {"text": "a"}), 409, "no-active-encoder")


def test_a_worker_that_is_silent_is_no_fault_of_the_caller(
    api: Api, space: Encoder, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.QUERY_TIMEOUT_SECONDS = 0
    monkeypatch.undo()
    response = api.post("/search", {"text": "nobody encodes this"})
    problem(response, 503, "worker-silent")
    assert response["Retry-After"]


def test_two_queries_at_once_are_refused(api: Api, space: Encoder) -> None:
    problem(api.post("/search", {"text": "a", "item": "b"}), 422, "two-queries")


def test_words_find_items_and_tell_which(api: Api, space: Encoder) -> None:
    item = make_item(text="삼각함수의 주기를 구하시오.")
    index_terms()
    hit = api.post("/search", {"text": "삼각함수", "method": "lexical"}).json()["hits"][0]
    assert hit["code"] == item.code
    assert sum(hit["matched_terms"].values()) == pytest.approx(1, abs=1e-3)
    assert set(hit["signals"]) == {"lexical"}


def test_a_hybrid_says_of_each_hit_what_each_signal_gave(api: Api, space: Encoder) -> None:
    items = Item.objects.order_by("code")
    index_terms()
    answer = api.post("/search", {"item": items[0].code, "method": "hybrid", "alpha": 0.3, "weak_below": 0.2}).json()
    for hit in answer["hits"]:
        assert set(hit["signals"]) == {"dense", "lexical"}
        assert sum(each["share"] for each in hit["signals"].values()) == pytest.approx(hit["score"])
        assert hit["weak"] == (hit["score"] < 0.2)


def test_similar_items_may_be_asked_of_an_ensemble(api: Api, space: Encoder) -> None:
    items = list(Item.objects.order_by("code"))
    other = make_space(32)
    fill(other, items, clustered(10, 32, seed=3))
    path = f"/items/{items[0].code}/similar?method=ensemble&encoders={space.slug}&encoders={other.slug}"
    answer = api.get(f"{path}&weights=2&weights=1").json()
    assert set(answer["hits"][0]["signals"]) == {space.slug, other.slug}


def test_a_formula_is_searched_by_its_terms(api: Api, space: Encoder) -> None:
    item = make_item(text=r"$\frac{x}{2}$의 값")
    index_terms()
    hits = api.post("/search", {"formula": r"\frac{x}{2}", "method": "lexical"}).json()["hits"]
    assert hits[0]["code"] == item.code


def test_a_reranker_that_is_not_there_is_said(api: Api, space: Encoder) -> None:
    problem(api.post("/search", {"text": "a", "rerank": {"reranker": "nope"}}), 422, "unknown-reranker")


def test_the_document_names_the_methods_that_there_are() -> None:
    assert set(get_args(Method)) == set(METHODS)


def test_no_error_of_a_search_is_told_as_one_of_the_server() -> None:
    assert set(STATUSES.values()) <= {404, 409, 503}
