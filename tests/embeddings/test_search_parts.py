"""A query on a concatenated space is compared with the parts that it has."""

import numpy as np
import pytest

from embeddings.encoders.concat import concatenate
from embeddings.models import Encoder, EncoderPart
from embeddings.search import Filters, SearchRequest, search
from embeddings.search.dense import NearestQuery, Route, asked_span, nearest, spans_of
from tests.embeddings.spaces import Vectors, clustered, fill, make_items, make_space

pytestmark = pytest.mark.django_db

TEXT, FIGURE = 8, 12


@pytest.fixture
def text() -> Vectors:
    return clustered(20, TEXT)


@pytest.fixture
def figures() -> Vectors:
    """Every second item has one."""
    return clustered(20, FIGURE, seed=1) * (np.arange(20) % 2)[:, None].astype(np.float32)


@pytest.fixture
def space(text: Vectors, figures: Vectors) -> Encoder:
    encoder = make_space(TEXT + FIGURE)
    Encoder.objects.filter(pk=encoder.pk).update(backend="concat")
    EncoderPart.objects.bulk_create(
        EncoderPart(encoder=encoder, part=make_space(size), position=position)
        for position, size in enumerate((TEXT, FIGURE))
    )
    fill(encoder, make_items(20), concatenate([text, figures], [1, 1]))
    return Encoder.objects.get(pk=encoder.pk)


def ask(space: Encoder, vector: Vectors, *, k: int = 20) -> tuple[list[int], Route]:
    """Positions of the items found, and the route."""
    first = space.embeddings.order_by("item_id").values_list("item_id", flat=True)[0]
    query = NearestQuery(vector=vector, filters=Filters(), k=k, span=asked_span(spans_of(space), vector))
    found, route = nearest(space, query)
    return [each.item_id - first for each in found], route


def test_a_text_query_ranks_items_by_their_text_with_or_without_a_figure(space: Encoder, text: Vectors) -> None:
    query = np.concatenate([text[3], np.zeros(FIGURE, np.float32)])
    assert ask(space, query)[0] == np.argsort(-(text @ text[3]), kind="stable").tolist()


def test_an_image_query_finds_items_with_a_figure_only(space: Encoder, figures: Vectors) -> None:
    found, _route = ask(space, np.concatenate([np.zeros(TEXT, np.float32), figures[5]]))
    with_figure = np.flatnonzero(figures.any(axis=1))
    order = np.argsort(-(figures[with_figure] @ figures[5]), kind="stable")
    assert found == with_figure[order].tolist()


def test_a_query_with_both_is_compared_as_a_whole(space: Encoder, text: Vectors, figures: Vectors) -> None:
    assert asked_span(spans_of(space), concatenate([text[5:6], figures[5:6]], [1, 1])[0]) is None


def test_a_space_that_is_no_concatenation_is_compared_as_a_whole() -> None:
    assert asked_span(spans_of(make_space(4)), np.array([1, 0, 0, 0], np.float32)) is None


def test_part_of_a_space_is_compared_exactly_since_the_index_is_on_the_whole(space: Encoder, text: Vectors) -> None:
    assert ask(space, np.concatenate([text[3], np.zeros(FIGURE, np.float32)]))[1] is Route.EXACT


def test_similar_items_of_an_item_without_a_figure_are_found_by_text(space: Encoder, text: Vectors) -> None:
    codes = list(space.embeddings.order_by("item_id").values_list("item__code", flat=True))
    hits = search(SearchRequest(item_code=codes[2], encoder=space.slug, k=5)).hits
    others = [position for position in np.argsort(-(text @ text[2]), kind="stable") if position != 2]
    assert [hit.code for hit in hits] == [codes[position] for position in others[:5]]


def test_hits_by_one_part_are_weak_by_that_parts_line(space: Encoder) -> None:
    Encoder.objects.filter(pk=space.pk).update(weak_below=0.9)
    Encoder.objects.filter(used_in__encoder=space, dimensions=TEXT).update(weak_below=0.4)
    codes = list(space.embeddings.order_by("item_id").values_list("item__code", flat=True))
    lines = [search(SearchRequest(item_code=code, encoder=space.slug)).weak_below for code in codes[2:4]]
    assert lines == [{"dense": 0.4}, {"dense": 0.9}]  # the first has no figure
