"""Candidates for a judge: by words, by vectors, and each once with where it comes from."""

import numpy as np
import pytest
from django.utils import timezone

from groundtruth.candidates import add_candidates
from groundtruth.models import TruthItem, TruthSet
from groundtruth.set_services import SetError, SetFrozenError
from itembank.models import Item
from tests.embeddings.spaces import fill, make_space
from tests.factories import make_image, make_item
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db

TEXTS = ("사과 세 개를 샀다", "사과 네 개를 샀다", "사과 다섯 개를 먹었다", "물체의 가속도를 구하시오")


def make_bank() -> list[Item]:
    return [make_item(code=f"B-{number}", text=text) for number, text in enumerate(TEXTS)]


def selection(items: list[Item]) -> TruthSet:
    truth_set = make_truth_set(method="llm-text", scope="selection")
    TruthItem.objects.bulk_create(TruthItem(truth_set=truth_set, item=item) for item in items)
    return truth_set


def provenance(truth_set: TruthSet) -> dict[str, dict[str, float]]:
    """Of the candidates of the set's only query, by code."""
    return {pair.item.code: pair.provenance for pair in truth_set.pairs.order_by("pk").select_related("item")}


def test_candidates_by_words_wait_for_a_judge() -> None:
    items = make_bank()
    truth_set = make_truth_set(method="llm-text")
    make_query(truth_set, items[0])
    assert add_candidates(truth_set=truth_set, sources=["tfidf"], top=2, with_images_only=False) == 2
    assert list(provenance(truth_set)) == ["B-1", "B-2"]
    assert set(truth_set.pairs.values_list("relevance", "score")) == {(None, None)}


@pytest.mark.parametrize("scope", ["bank", "selection"])
def test_sources_are_united_with_their_scores(scope: str) -> None:
    items = make_bank()
    truth_set = selection(items) if scope == "selection" else make_truth_set(method="llm-text")
    space = make_space(2)
    fill(space, items, np.array([[1, 0], [0, 1], [0.8, 0.6], [0.6, 0.8]], np.float32))
    make_query(truth_set, items[0])
    add_candidates(truth_set=truth_set, sources=["tfidf", space.slug], top=2, with_images_only=False)
    found = provenance(truth_set)
    assert {code: sorted(scores) for code, scores in found.items()} == {
        "B-1": ["tfidf"], "B-2": [space.slug, "tfidf"], "B-3": [space.slug]
    }  # fmt: skip
    assert found["B-2"][space.slug] == pytest.approx(0.8, abs=1e-3)


def test_a_selection_has_no_candidates_from_outside() -> None:
    items = make_bank()
    truth_set = selection([items[0], items[2]])
    make_query(truth_set, items[0])
    add_candidates(truth_set=truth_set, sources=["tfidf"], top=5, with_images_only=False)
    assert list(provenance(truth_set)) == ["B-2"]


def test_equal_vectors_go_by_code() -> None:
    items = make_bank()
    truth_set = selection(items)
    space = make_space(2)
    fill(space, items, np.array([[1, 0]] * 4, np.float32))
    make_query(truth_set, items[1])
    add_candidates(truth_set=truth_set, sources=[space.slug], top=2, with_images_only=False)
    assert list(provenance(truth_set)) == ["B-0", "B-2"]


def test_pairs_of_pictures_are_among_items_with_pictures() -> None:
    items = make_bank()
    for item in (items[0], items[2], items[3]):
        make_image(item)
    truth_set = make_truth_set(method="llm-images")
    make_query(truth_set, items[0])
    make_query(truth_set, items[1])
    add_candidates(truth_set=truth_set, sources=["tfidf"], top=5, with_images_only=True)
    assert [(pair.query.item.code, pair.item.code) for pair in truth_set.pairs.all()] == [("B-0", "B-2")]


def test_pairs_that_are_there_stay_as_they_are() -> None:
    items = make_bank()
    truth_set = make_truth_set(method="llm-text")
    make_pair(make_query(truth_set, items[0]), items[1], relevance=3)
    assert add_candidates(truth_set=truth_set, sources=["tfidf"], top=2, with_images_only=False) == 1
    assert sorted(truth_set.pairs.values_list("item__code", "relevance")) == [("B-1", 3), ("B-2", None)]


def test_an_encoder_that_lacks_vectors_is_refused() -> None:
    items = make_bank()
    truth_set = make_truth_set(method="llm-text")
    make_query(truth_set, items[0])
    space = make_space(2)
    fill(space, items[:3], np.eye(3, 2, dtype=np.float32) + 0.1)
    with pytest.raises(SetError, match="1 items of the truth set have no vector"):
        add_candidates(truth_set=truth_set, sources=[space.slug], top=2, with_images_only=False)


def test_an_unknown_source_is_named() -> None:
    with pytest.raises(SetError, match="no source of candidates “nobody”"):
        add_candidates(truth_set=make_truth_set(), sources=["nobody"], top=2, with_images_only=False)


def test_a_frozen_set_takes_no_candidates() -> None:
    items = make_bank()
    truth_set = make_truth_set(frozen_at=timezone.now(), fingerprint="f" * 64)
    make_query(truth_set, items[0])
    with pytest.raises(SetFrozenError):
        add_candidates(truth_set=truth_set, sources=["tfidf"], top=2, with_images_only=False)
