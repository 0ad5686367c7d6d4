import numpy as np
import pytest
from django.db import connection

from embeddings.health import vector_health
from embeddings.models import EmbeddingJob, JobItem
from embeddings.partitions import partition_name
from tests.embeddings.spaces import clustered, fill, make_items, make_space

pytestmark = pytest.mark.django_db


def test_complete_distinct_unit_vectors_are_healthy() -> None:
    space, items = make_space(16), make_items(100)
    fill(space, items, clustered(100, 16))
    health = vector_health(space)
    assert health.problems == ()
    assert (health.vectors, health.contents, health.coverage.total) == (100, 100, 100)


def test_an_encoder_without_vectors_is_not_healthy_even_in_an_empty_bank() -> None:
    assert "no vectors" in " ".join(vector_health(make_space(8)).problems)


def test_missing_and_outdated_vectors_are_counted_and_quarantined_items_excused() -> None:
    space, items = make_space(8), make_items(10)
    fill(space, items[:9], clustered(9, 8))
    items[0].content_hash = "0" * 64
    items[0].save()
    assert "2 of 10 items have no current vector" in " ".join(vector_health(space).problems)

    job = EmbeddingJob.objects.create(encoder=space)
    for item in (items[0], items[9]):
        JobItem.objects.create(job=job, item=item, state=JobItem.State.QUARANTINED, reason="broken")
    health = vector_health(space)
    assert health.problems == ()
    assert health.coverage.quarantined == 2


@pytest.mark.parametrize("factor", [0, 0.5, 1.1])
def test_a_vector_that_is_not_of_length_one_is_damage(factor: float) -> None:
    space, items, vectors = make_space(16), make_items(10), clustered(10, 16)
    vectors[4] *= factor
    fill(space, items, vectors)
    assert "1 vectors are damaged" in " ".join(vector_health(space).problems)


def test_a_vector_of_another_size_is_damage() -> None:
    space, items = make_space(16), make_items(10)
    fill(space, items, clustered(10, 16))
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {partition_name(space)} DROP CONSTRAINT embedding_{space.pk}_dimensions")
        cursor.execute("UPDATE embeddings_embedding SET embedding = '[1,0]' WHERE item_id = %s", [items[3].pk])
    assert vector_health(space).wrong_size == 1


def test_one_vector_for_many_items_is_a_broken_model() -> None:
    space, items, vectors = make_space(16), make_items(100), clustered(100, 16)
    vectors[:6] = vectors[0]
    fill(space, items, vectors)
    assert "6 of 100 different items have a vector that another item has too" in " ".join(vector_health(space).problems)


def test_items_that_look_the_same_to_the_encoder_may_share_a_vector() -> None:
    space, items, vectors = make_space(16), make_items(100), clustered(100, 16)
    for item in items[:20]:
        item.text = "그림을 보고 답하시오."
        item.save()
    vectors[:20] = vectors[0]
    fill(space, items, vectors)
    health = vector_health(space)
    assert (health.contents, health.identical, health.problems) == (81, 0, ())


def test_the_length_is_judged_at_half_precision() -> None:
    space, items = make_space(4096), make_items(4)
    vectors = np.random.default_rng(0).normal(size=(4, 4096)).astype(np.float32)
    fill(space, items, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    assert vector_health(space).not_unit == 0
