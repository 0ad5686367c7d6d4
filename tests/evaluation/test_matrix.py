"""Scenarios side by side: what is asked of what, what is skipped aloud, and what was run before."""

import pytest

from embeddings.models import Encoder
from evaluation.engine.run import work_on
from evaluation.matrix import SCENARIOS, Matrix, create_matrix
from evaluation.run_settings import RunSettings
from groundtruth.models import TruthSet
from itembank.models import Item
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

BASE = RunSettings(method="lexical")


def test_every_scenario_is_run_with_every_encoder_and_reranker() -> None:
    matrix = Matrix(truth_sets=(), encoders=("a", "b"), rerankers=("", "r"), base=BASE)
    asked = {(each.query_view, each.corpus, each.encoders[0], each.reranker) for each in matrix.settings()}
    assert len(asked) == len(SCENARIOS) * 2 * 2
    assert ("image", "with-images", "b", "r") in asked


def test_hybrids_and_words_are_left_out_where_images_alone_ask() -> None:
    matrix = Matrix(truth_sets=(), encoders=("a",), alphas=(0.0, 0.5), lexical=True, base=BASE)
    by_view = [(each.query_view, each.method) for each in matrix.settings()]
    assert by_view.count(("image", "dense")) == 1
    assert not {("image", "hybrid"), ("image", "lexical")} & set(by_view)
    assert by_view.count(("item", "hybrid")) == 2
    assert by_view.count(("text", "lexical")) == 2


@pytest.fixture
def encoder(db: None) -> Encoder:
    space = make_space(4)
    fill(space, make_items(6), clustered(6, 4))
    return space


@pytest.fixture
def truth(encoder: Encoder) -> TruthSet:
    items = [row.item for row in encoder.embeddings.select_related("item").order_by("item_id")]
    made = make_truth_set()
    make_pair(make_query(made, items[0]), items[1], relevance=2)
    return made


def test_what_cannot_be_asked_is_skipped_with_its_reason(truth: TruthSet, encoder: Encoder) -> None:
    matrix = Matrix(truth_sets=(truth,), encoders=(encoder.slug,), base=BASE)
    runs, skipped = create_matrix(matrix, name="first")
    assert [run.configuration["query_view"] for run in runs] == ["text", "item"]
    assert {run.matrix for run in runs} == {"first"}
    assert all(each.reason for each in skipped)
    assert len(skipped) == 2  # no item has an image to search, and no vector of an image to ask with


def test_a_scenario_that_searches_no_relevant_item_is_skipped(truth: TruthSet, encoder: Encoder) -> None:
    Item.objects.filter(truth_pairs__truth_set=truth).update(category=Item.ItemCategory.IMAGE)
    matrix = Matrix(truth_sets=(truth,), encoders=(encoder.slug,), base=BASE)
    runs, skipped = create_matrix(matrix, name="first")
    assert ("text", "text-only") not in {(run.configuration["query_view"], run.configuration["corpus"]) for run in runs}
    reasons = {(each.settings.query_view, each.settings.corpus): each.reason for each in skipped}
    assert "relevant" in reasons["text", "text-only"]


def test_a_run_that_was_made_before_is_not_made_again(truth: TruthSet, encoder: Encoder) -> None:
    matrix = Matrix(truth_sets=(truth,), encoders=(encoder.slug,), base=BASE)
    first, _skipped = create_matrix(matrix, name="first")
    for run in first:
        work_on(run.pk)
    second, _skipped = create_matrix(matrix, name="second")
    assert [run.pk for run in second] == [run.pk for run in first]
