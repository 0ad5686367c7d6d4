"""A filter that many items pass, in a space of long vectors: their sign bits are scanned, the nearest compared."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from django.db import connection
from pgvector import HalfVector

from embeddings.indexes import build_index
from embeddings.models import Embedding, Encoder
from embeddings.partitions import BITS_MIN_DIMENSIONS, bits_name, partition_name
from embeddings.search import dense
from embeddings.search.dense import NearestQuery, Neighbour, Route, Span, choose_route, nearest
from embeddings.search.types import Filters
from embeddings.services import delete_encoder
from itembank.models import Item
from tests.embeddings.spaces import Vectors, clustered, fill, make_items, make_space, plan_of, upsert, wrong_bits

pytestmark = pytest.mark.django_db

SIZE = BITS_MIN_DIMENSIONS
MATHS = Filters(subject=("수학",))


def ask(space: Encoder, vector: Vectors, *, k: int = 10, without: int | None = None) -> list[Neighbour]:
    found, route = nearest(space, NearestQuery(vector=vector, filters=MATHS, k=k, without=without))
    assert route is Route.BITS_FILTERED
    return found


def codes(found: Iterable[Neighbour | Item]) -> list[str]:
    return [each.code for each in found]


@pytest.fixture
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters that pass more than twenty items are large, and as few candidates as hits are compared."""
    monkeypatch.setattr(dense, "EXACT_MAX_FILTERED", 20)
    monkeypatch.setattr(dense, "BIT_CANDIDATES", 10)


@pytest.fixture
def index_is_taken() -> Iterator[None]:
    """As in a large bank: a small one is as quickly read from end to end."""
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        yield
        cursor.execute("RESET enable_seqscan")


def test_scanned_bits_find_the_true_neighbours_and_their_exact_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "EXACT_MAX_FILTERED", 2000)
    space, vectors = make_space(SIZE), clustered(3000, SIZE)
    fill(space, make_items(2700, subject="수학") + make_items(300, subject="물리"), vectors)

    shares = []
    for vector in vectors[::150]:  # the last two ask from outside of the filter
        truth, _ = nearest(space, NearestQuery(vector=vector, filters=MATHS, k=10), exact=True)
        scores = {each.code: each.score for each in truth}
        common = [each for each in ask(space, vector) if each.code in scores]
        assert all(each.score == scores[each.code] for each in common)
        shares.append(len(common) / 10)
    assert np.mean(shares) >= 0.99
    plan = plan_of(space, NearestQuery(vector=vectors[0], filters=MATHS, k=10), Route.BITS_FILTERED)
    assert bits_name(space) in plan
    assert f"Seq Scan on {partition_name(space)}" not in plan


def test_bits_of_the_largest_spaces_are_scanned_too(few_are_many: None) -> None:
    space, items, vectors = make_space(4100), make_items(60), clustered(60, 4100)
    fill(space, items, vectors)
    assert ask(space, vectors[7], k=1)[0].code == items[7].code


@pytest.mark.parametrize(("passing", "route"), [(20, Route.EXACT_FILTERED), (21, Route.BITS_FILTERED)])
def test_bits_are_scanned_where_many_items_pass(few_are_many: None, passing: int, route: Route) -> None:
    make_items(passing, subject="수학")
    make_items(30, subject="물리")
    assert choose_route(make_space(SIZE), MATHS) is route


def test_bits_are_not_scanned_for_an_exact_search_shorter_vectors_or_a_concatenation(few_are_many: None) -> None:
    make_items(21, subject="수학")
    concatenation = make_space(SIZE)
    concatenation.backend = "concat"
    assert choose_route(make_space(SIZE), MATHS, exact=True) is Route.EXACT_FILTERED
    assert choose_route(make_space(SIZE - 1), MATHS) is Route.EXACT_FILTERED
    assert choose_route(concatenation, MATHS) is Route.EXACT_FILTERED


def test_as_many_are_compared_as_are_asked_for(few_are_many: None) -> None:
    space, vectors = make_space(SIZE), clustered(450, SIZE)
    fill(space, make_items(450, subject="수학"), vectors)
    assert len(ask(space, vectors[0], k=450)) == 450


def test_part_of_the_dimensions_is_compared_exactly(few_are_many: None) -> None:
    space, items, vectors = make_space(SIZE), make_items(30), clustered(30, SIZE)
    fill(space, items, vectors)
    query = NearestQuery(vector=vectors[0], filters=MATHS, k=10, span=Span(0, 100))
    assert nearest(space, query)[1] is Route.EXACT_FILTERED


@pytest.mark.django_db(transaction=True)
def test_an_index_answers_a_wide_filter_that_enough_of_the_nearest_pass(
    few_are_many: None, index_is_taken: None
) -> None:
    space, vectors = make_space(SIZE), clustered(600, SIZE)
    fill(space, make_items(400, subject="수학") + make_items(200, subject="물리"), vectors)
    build_index(space)
    query = NearestQuery(vector=vectors[5], filters=MATHS, k=10)

    found, route = nearest(space, query)

    assert route is Route.INDEX_FILTERED
    assert found == nearest(space, query, exact=True)[0]
    assert "hnsw" in plan_of(space, query, route)


@pytest.mark.django_db(transaction=True)
def test_bits_are_scanned_where_too_few_of_the_nearest_pass(
    few_are_many: None, index_is_taken: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter that does not match the query: the neighbours that the index lists are all of another subject."""
    monkeypatch.setattr(dense, "BIT_CANDIDATES", 200)
    space, vectors = make_space(SIZE), clustered(400, SIZE)
    vectors[200:] *= -1
    fill(space, make_items(200, subject="물리") + make_items(200, subject="수학"), vectors)
    build_index(space)
    found = ask(space, vectors[5])
    assert found == nearest(space, NearestQuery(vector=vectors[5], filters=MATHS, k=10), exact=True)[0]


@pytest.mark.django_db(transaction=True)
def test_a_new_vector_is_found_at_once_and_a_deleted_item_never_through_the_index_under_a_filter(
    few_are_many: None, index_is_taken: None
) -> None:
    space, items, vectors = make_space(SIZE), make_items(100), clustered(100, SIZE)
    fill(space, items[:99], vectors[:99])
    build_index(space)
    query = NearestQuery(vector=vectors[99], filters=MATHS, k=10)

    upsert(space, items[99], vectors[99])
    found, route = nearest(space, query)
    assert (found[0].code, route) == (items[99].code, Route.INDEX_FILTERED)

    items[99].delete()
    found, _ = nearest(space, query)
    assert len(found) == 10
    assert items[99].code not in codes(found)


def test_a_new_vector_is_found_at_once_and_a_deleted_item_never(few_are_many: None) -> None:
    space, items, vectors = make_space(SIZE), make_items(100), clustered(100, SIZE)
    fill(space, items[:99], vectors[:99])

    upsert(space, items[99], vectors[99])
    assert ask(space, vectors[99])[0].code == items[99].code

    items[99].delete()
    found = ask(space, vectors[99])
    assert len(found) == 10
    assert items[99].code not in codes(found)


def test_a_vector_that_changed_is_found_where_it_is_now(few_are_many: None) -> None:
    space, items, vectors = make_space(SIZE), make_items(100), clustered(101, SIZE)
    fill(space, items, vectors[:100])

    upsert(space, items[3], vectors[100])

    assert ask(space, vectors[100])[0].code == items[3].code
    assert items[3].code not in codes(ask(space, vectors[3]))


def test_an_item_that_moved_under_the_filter_is_found_at_once(few_are_many: None) -> None:
    space, vectors = make_space(SIZE), clustered(60, SIZE)
    maths, physics = make_items(59, subject="수학"), make_items(1, subject="물리")
    fill(space, maths + physics, vectors)
    assert physics[0].code not in codes(ask(space, vectors[59]))
    Item.objects.filter(pk=physics[0].pk).update(subject="수학")
    assert ask(space, vectors[59])[0].code == physics[0].code


def test_bits_follow_their_vectors_whatever_writes_them() -> None:
    space, items, vectors = make_space(SIZE), make_items(10), clustered(20, SIZE)
    fill(space, items[:6], vectors[:6])
    for number in (5, 6, 7):
        upsert(space, items[number], vectors[number + 10])
    Embedding.objects.create(encoder=space, item=items[8], embedding=vectors[8], content_hash="0" * 64)
    stored = Embedding.objects.filter(encoder=space)
    stored.filter(item=items[0]).update(embedding=HalfVector(vectors[19]))
    stored.filter(item=items[1]).update(item=items[9])
    stored.filter(item=items[2]).delete()
    items[3].delete()
    assert stored.count() == 7
    assert wrong_bits(space) == 0

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE embeddings_embedding")
    assert wrong_bits(space) == 0


def test_equal_vectors_are_ordered_by_code_however_many_there_are(few_are_many: None) -> None:
    space, items = make_space(SIZE), make_items(100)
    for number, item in enumerate(items):
        item.code = f"T-{99 - number:02d}"
    Item.objects.bulk_update(items, ["code"])
    vectors = clustered(100, SIZE)
    vectors[50:] = vectors[50]
    fill(space, items, vectors)
    by_code = items[::-1]
    assert codes(ask(space, vectors[50])) == codes(by_code[:10])
    assert codes(ask(space, vectors[50], without=by_code[2].pk)) == codes(by_code[:2] + by_code[3:11])


def test_a_vector_of_zeros_is_no_hit(few_are_many: None) -> None:
    space, items, vectors = make_space(SIZE), make_items(30), clustered(30, SIZE)
    vectors[4] = 0
    fill(space, items, vectors)
    assert items[4].code not in codes(ask(space, vectors[0], k=100))


def test_a_deleted_space_leaves_nothing_behind() -> None:
    space = make_space(SIZE)
    delete_encoder(encoder=Encoder.objects.get(pk=space.pk))
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s), to_regproc(%s)", [bits_name(space), f"embedding_{space.pk}_keep_bits"])
        assert cursor.fetchone() == (None, None)
