import numpy as np
import pytest
from django.db import IntegrityError, connection, transaction

from embeddings.loading import load_vectors
from embeddings.models import Embedding, Encoder
from embeddings.partitions import drop_partition, partition_name
from embeddings.search.dense import stored_vector
from tests.embeddings.spaces import clustered, fill, make_items, make_space

pytestmark = pytest.mark.django_db


def storage(space: Encoder) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attstorage FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'embedding'",
            [partition_name(space)],
        )
        return str(cursor.fetchone()[0])


def test_loaded_vectors_are_those_given_to_half_precision() -> None:
    space, items, vectors = make_space(384), make_items(3), clustered(3, 384)
    fill(space, items, vectors)
    stored = stored_vector(space, items[1].pk)
    assert stored is not None
    assert np.array_equal(stored, vectors[1].astype(np.float16).astype(np.float32))
    row = Embedding.objects.get(encoder=space, item=items[1])
    assert row.content_hash == items[1].content_hash
    assert np.array_equal(np.float32(row.embedding), stored)


def test_vectors_stay_in_the_row_as_long_as_a_row_fits_its_page() -> None:
    assert storage(make_space(2048)) == "p"
    assert storage(make_space(2049)) == "e"


def test_the_largest_plain_vector_and_a_large_one_can_be_stored() -> None:
    for dimensions in (2048, 4096):
        space, items = make_space(dimensions), make_items(1)
        fill(space, items, clustered(1, dimensions))
        assert stored_vector(space, items[0].pk) is not None


@pytest.mark.parametrize(
    "vector", [np.ones(7), np.ones((1, 8)), np.full(8, np.nan), np.full(8, np.inf), np.full(8, 70_000)]
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_a_vector_that_does_not_fit_is_refused_and_nothing_lands(vector: np.ndarray) -> None:
    space, items = make_space(8), make_items(2)
    rows = [(items[0].pk, items[0].content_hash, np.ones(8)), (items[1].pk, items[1].content_hash, vector)]
    with pytest.raises(ValueError, match="8 finite numbers"), transaction.atomic():
        load_vectors(space, rows)
    assert not space.embeddings.exists()


def test_a_broken_content_hash_is_refused() -> None:
    space, items = make_space(8), make_items(1)
    with pytest.raises(ValueError, match="content hash"), transaction.atomic():
        load_vectors(space, [(items[0].pk, "abc", np.ones(8))])


def test_a_second_vector_for_an_item_is_refused() -> None:
    space, items, vectors = make_space(8), make_items(1), clustered(1, 8)
    fill(space, items, vectors)
    with pytest.raises(IntegrityError), transaction.atomic():
        fill(space, items, vectors)


def test_a_vector_for_no_item_is_refused() -> None:
    space = make_space(8)
    with pytest.raises(IntegrityError), transaction.atomic():
        load_vectors(space, [(2**40, "0" * 64, np.ones(8))])


def test_a_partition_refuses_vectors_of_another_size() -> None:
    space, items = make_space(8), make_items(1)
    with pytest.raises(IntegrityError, match="dimensions"), transaction.atomic():
        Embedding.objects.create(encoder=space, item=items[0], embedding=[1.0] * 9, content_hash="0" * 64)


def test_dropping_one_space_leaves_the_others() -> None:
    spaces, items = [make_space(8), make_space(8)], make_items(2)
    for space in spaces:
        fill(space, items, clustered(2, 8))
    drop_partition(spaces[0])
    assert list(Embedding.objects.values_list("encoder", flat=True)) == [spaces[1].pk] * 2
