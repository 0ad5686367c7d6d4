import numpy as np
import pytest

from embeddings.indexes import build_index
from embeddings.search.dense import NearestQuery, Route, nearest
from embeddings.search.types import Filters
from tests.embeddings.spaces import Vectors, clustered, fill, make_items, make_space, plan_of

ALL = Filters()


def query(vector: Vectors, *, k: int = 10, filters: Filters = ALL, without: int | None = None) -> NearestQuery:
    return NearestQuery(vector=vector, filters=filters, k=k, without=without)


@pytest.mark.django_db
def test_exact_search_gives_what_numpy_gives_with_ties_by_code() -> None:
    space, items = make_space(24), make_items(40)
    vectors = clustered(40, 24)
    vectors[5:25] = vectors[5]  # twenty items that no score can tell apart, across the cut
    order = np.random.default_rng(1).permutation(40)
    fill(space, [items[i] for i in order], vectors[order])

    found, route = nearest(space, query(vectors[5], k=10))

    halves = vectors.astype(np.float16).astype(np.float64)
    cosines = halves @ halves[5] / np.linalg.norm(halves, axis=1) / np.linalg.norm(halves[5])
    by_hand = sorted(range(40), key=lambda i: (-round(cosines[i], 6), items[i].code))[:10]
    assert route is Route.EXACT
    assert [each.code for each in found] == [items[i].code for i in by_hand]
    assert np.allclose([each.score for each in found], cosines[by_hand], atol=1e-3)


@pytest.mark.django_db(transaction=True)
def test_the_index_finds_nearly_all_true_neighbours_and_the_planner_uses_it() -> None:
    space, items, vectors = make_space(64), make_items(3000), clustered(3000, 64)
    fill(space, items, vectors)
    build_index(space)

    recalls = []
    for vector in clustered(3000, 64, seed=0)[::150]:
        found, route = nearest(space, query(vector))
        truth, _ = nearest(space, query(vector), exact=True)
        assert route is Route.INDEX
        recalls.append(len({each.code for each in found} & {each.code for each in truth}) / 10)
    assert np.mean(recalls) >= 0.95
    assert f"Index Scan using embedding_{space.pk}_hnsw" in plan_of(space, query(vectors[0]))


@pytest.mark.django_db(transaction=True)
def test_above_4000_dimensions_the_index_holds_bits_and_scores_are_exact() -> None:
    space, items, vectors = make_space(4100), make_items(2000), clustered(2000, 4100)
    fill(space, items, vectors)
    build_index(space)

    found, route = nearest(space, query(vectors[7]))
    truth, _ = nearest(space, query(vectors[7]), exact=True)

    assert route is Route.BITS
    assert f"Index Scan using embedding_{space.pk}_hnsw" in plan_of(space, query(vectors[7]))
    assert found == truth


@pytest.mark.django_db(transaction=True)
def test_the_index_route_finds_as_many_as_asked_and_breaks_ties_by_code() -> None:
    space, items = make_space(16), make_items(400)
    vectors = clustered(400, 16)
    vectors[:120] = vectors[0]
    fill(space, items[::-1], vectors[::-1])
    build_index(space)

    found, route = nearest(space, query(vectors[0], k=100))

    assert route is Route.INDEX
    assert [each.code for each in found] == [item.code for item in items[:100]]


@pytest.mark.django_db(transaction=True)
def test_a_filtered_search_never_uses_the_index_and_finds_all() -> None:
    space = make_space(32)
    maths, physics = make_items(900, subject="수학"), make_items(100, subject="물리", difficulty=5)
    vectors = clustered(1000, 32)
    fill(space, maths + physics, vectors)
    build_index(space)
    filters = Filters(subject=("물리",), difficulty=(4, 5))

    found, route = nearest(space, query(vectors[0], filters=filters))

    cosines = vectors[900:] @ vectors[0]
    assert route is Route.EXACT_FILTERED
    assert "hnsw" not in plan_of(space, query(vectors[0], filters=filters))
    assert {each.code for each in found} == {physics[i].code for i in np.argsort(-cosines)[:10]}


@pytest.mark.django_db
def test_values_of_a_field_widen_a_filter_and_fields_narrow_it() -> None:
    space = make_space(8)
    groups = [make_items(2, subject=s, grade=g) for s in ("수학", "물리", "화학") for g in ("중1", "중2")]
    items = [item for group in groups for item in group]
    fill(space, items, clustered(12, 8))
    filters = Filters(subject=("수학", "화학"), grade=("중2",))

    found, _ = nearest(space, query(clustered(12, 8)[0], filters=filters))

    assert {each.code for each in found} == {item.code for item in groups[1] + groups[5]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("indexed", [False, True])
def test_a_new_vector_is_found_at_once_and_a_deleted_item_never(indexed: bool) -> None:
    space, items, vectors = make_space(16), make_items(200), clustered(201, 16)
    fill(space, items, vectors[:200])
    if indexed:
        build_index(space)

    added = make_items(1)[0]
    fill(space, [added], vectors[200:])
    assert nearest(space, query(vectors[200]))[0][0].code == added.code

    added.delete()
    found, _ = nearest(space, query(vectors[200]))
    assert len(found) == 10
    assert added.code not in {each.code for each in found}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("indexed", [False, True])
def test_the_item_asked_about_is_left_out_and_the_rest_is_complete(indexed: bool) -> None:
    space, items, vectors = make_space(16), make_items(150), clustered(150, 16)
    fill(space, items, vectors)
    if indexed:
        build_index(space)
    found, _ = nearest(space, query(vectors[3], k=100, without=items[3].pk))
    assert len(found) == 100
    assert items[3].code not in {each.code for each in found}


@pytest.mark.django_db
def test_a_hit_that_was_edited_since_it_was_embedded_is_marked() -> None:
    space, items, vectors = make_space(8), make_items(2), clustered(2, 8)
    fill(space, items, vectors)
    items[1].content_hash = "0" * 64
    items[1].save()
    found, _ = nearest(space, query(vectors[0], k=2))
    assert {each.code: each.stale for each in found} == {items[0].code: False, items[1].code: True}


@pytest.mark.django_db
def test_a_query_written_with_the_orm_reads_one_partition_only() -> None:
    spaces = [make_space(8), make_space(8)]
    plan = spaces[0].embeddings.all().explain()
    assert f"embeddings_embedding_{spaces[0].pk}" in plan
    assert f"embeddings_embedding_{spaces[1].pk}" not in plan
