"""A first load of many vectors: tables filled beside the empty partition take its place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from django.db import IntegrityError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from embeddings import loading, partitions
from embeddings.loading import load_vectors
from embeddings.models import Encoder
from embeddings.partitions import BITS_MIN_DIMENSIONS, bits_name, partition_name
from embeddings.services import delete_encoder
from itembank.models import Item
from tests.embeddings.spaces import Vectors, clustered, fill, make_items, make_space, upsert, wrong_bits

pytestmark = pytest.mark.django_db

ADD = "INSERT INTO embeddings_embedding (encoder_id, item_id, content_hash, embedding) VALUES (%s, %s, '', %s)"
SIZE = BITS_MIN_DIMENSIONS + 3  # bits that do not fill their last byte


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BULK_ROWS", 10)


def ask(statement: str, *parameters: str | int) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def number_of(space: Encoder) -> object:
    """Of the partition: another one after a swap."""
    return ask("SELECT to_regclass(%s)::oid", partition_name(space))[0][0]


def relations_of(space: Encoder) -> list[object]:
    names = ask("SELECT relname FROM pg_class WHERE relname ~ %s ORDER BY 1", rf"embedding_{space.pk}(_|$)")
    return [name for (name,) in names]


def form_of(space: Encoder) -> list[tuple[object, ...]]:
    """Columns, constraints, indexes and triggers of the encoder's tables, and all names that are in use for it."""
    tables = [partition_name(space), bits_name(space)]
    return [
        *ask(
            "SELECT attrelid::regclass::text, attname, attstorage, attnotnull, "
            "(SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum), "
            "format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid IN (to_regclass(%s), to_regclass(%s)) AND attnum > 0 ORDER BY 1, 2",
            *tables,
        ),
        *ask(
            "SELECT conname, pg_get_constraintdef(oid), convalidated, conparentid <> 0 FROM pg_constraint "
            "WHERE conrelid IN (to_regclass(%s), to_regclass(%s)) AND contype <> 'n' ORDER BY 1",
            *tables,
        ),
        *ask("SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN (%s, %s) ORDER BY 1", *tables),
        *ask(
            "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger "
            "WHERE tgrelid IN (to_regclass(%s), to_regclass(%s)) AND NOT tgisinternal ORDER BY 1",
            *tables,
        ),
        *[(name,) for name in relations_of(space)],
    ]


@contextmanager
def another_session() -> Iterator[BaseDatabaseWrapper]:
    other = connection.copy()
    try:
        other.cursor().execute("SET lock_timeout = '1s'")
        yield other
    finally:
        other.close()


def load_beside(space: Encoder, items: list[Item], meanwhile: Callable[[], None]) -> None:
    """Something happens while the rows are on their way."""

    def rows() -> Iterator[tuple[int, str, Vectors]]:
        for place, (item, vector) in enumerate(zip(items, clustered(len(items), space.dimensions), strict=True)):
            if place == len(items) // 2:
                meanwhile()
            yield item.pk, item.content_hash, vector

    assert load_vectors(space, rows()) == len(items)


def test_vectors_of_a_first_load_and_their_bits_are_as_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "PIECE_BLOCKS", 2)
    space, items, vectors = make_space(SIZE), make_items(300), clustered(300, SIZE)
    vectors[7], vectors[8, ::2], vectors[9, 1::2] = 0, -0.0, 1e-7
    before = number_of(space)

    fill(space, items, vectors)

    assert number_of(space) != before
    stored = {row.item_id: row for row in space.embeddings.all()}
    assert len(stored) == 300
    for item, vector in zip(items, vectors, strict=True):
        assert stored[item.pk].content_hash == item.content_hash
        assert np.array_equal(np.float32(stored[item.pk].embedding), vector.astype(np.float16).astype(np.float32))
    assert wrong_bits(space) == 0


@pytest.mark.parametrize("dimensions", [8, SIZE, 2049])
def test_a_partition_that_was_filled_beside_is_as_one_that_was_made(dimensions: int) -> None:
    space = make_space(dimensions)
    before, number = form_of(space), number_of(space)
    fill(space, make_items(20), clustered(20, dimensions))
    assert number_of(space) != number
    assert form_of(space) == before


def test_bits_follow_later_writes_of_a_session_that_wrote_before_the_load() -> None:
    space, items, vectors = make_space(SIZE), make_items(30), clustered(40, SIZE)
    for number in range(8):  # often enough for prepared statements
        upsert(space, items[29], vectors[number])
    items.pop().delete()

    fill(space, items[:25], vectors[:25])
    upsert(space, items[0], vectors[30])
    upsert(space, items[27], vectors[31])
    items[1].delete()
    space.embeddings.filter(item=items[2]).delete()

    assert space.embeddings.count() == 24
    assert wrong_bits(space) == 0
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE embeddings_embedding")
    assert wrong_bits(space) == 0


def test_an_item_still_takes_its_vectors_along_and_an_encoder_with_vectors_stays() -> None:
    space, items = make_space(8), make_items(20)
    fill(space, items, clustered(20, 8))
    Item.objects.filter(pk=items[3].pk).delete()
    assert space.embeddings.count() == 19
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM embeddings_encoder WHERE id = %s", [space.pk])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("wrong", ["unknown item", "second vector", "bad vector", "interrupted"])
def test_of_a_first_load_that_fails_nothing_lands_and_nothing_stays(wrong: str) -> None:
    space, items, vectors = make_space(SIZE), make_items(30), list(clustered(30, SIZE))
    pks = [item.pk for item in items]
    before, number = form_of(space), number_of(space)
    pks[20] = {"unknown item": 2**40, "second vector": pks[3]}.get(wrong, pks[20])
    if wrong == "bad vector":
        vectors[20] = np.full(SIZE, np.nan, np.float32)

    def rows() -> Iterator[tuple[int, str, Vectors]]:
        for pk, item, vector in zip(pks, items, vectors, strict=True):
            if wrong == "interrupted" and pk == pks[20]:
                raise KeyboardInterrupt
            yield pk, item.content_hash, vector

    expected = {"bad vector": ValueError, "interrupted": KeyboardInterrupt}.get(wrong, IntegrityError)
    with pytest.raises(expected):
        load_vectors(space, rows())
    assert (form_of(space), number_of(space)) == (before, number)
    assert not space.embeddings.exists()
    fill(space, items, clustered(30, SIZE))
    assert wrong_bits(space) == 0


def test_a_hash_stays_in_the_row_beside_a_long_vector() -> None:
    space = make_space(2048)
    fill(space, make_items(20), clustered(20, 2048))
    relation = "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = to_regclass(%s) AND reltoastrelid <> 0"
    assert ask(relation, partition_name(space)) in ([], [(0,)])


def test_a_second_load_adds_to_the_partition() -> None:
    space, items, vectors = make_space(SIZE), make_items(60), clustered(60, SIZE)
    fill(space, items[:30], vectors[:30])
    number = number_of(space)
    fill(space, items[30:], vectors[30:])
    assert number_of(space) == number
    assert space.embeddings.count() == 60
    assert wrong_bits(space) == 0
    with pytest.raises(IntegrityError), transaction.atomic():
        fill(space, items[:30], vectors[:30])


def test_a_small_load_makes_no_tables() -> None:
    space = make_space(8)
    number = number_of(space)
    fill(space, make_items(9), clustered(9, 8))
    assert number_of(space) == number
    assert space.embeddings.count() == 9


def test_an_index_of_an_empty_partition_is_kept() -> None:
    space = make_space(8)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX kept ON {partition_name(space)} (content_hash)")
    fill(space, make_items(20), clustered(20, 8))
    assert ask("SELECT tablename FROM pg_indexes WHERE indexname = 'kept'") == [(partition_name(space),)]


def test_a_deleted_space_that_was_loaded_leaves_nothing_behind() -> None:
    space = make_space(SIZE)
    fill(space, make_items(20), clustered(20, SIZE))
    delete_encoder(encoder=Encoder.objects.get(pk=space.pk))
    assert relations_of(space) == []
    assert ask("SELECT to_regproc(%s)", f"embedding_{space.pk}_keep_bits") == [(None,)]


@pytest.mark.django_db(transaction=True)
def test_searches_writes_and_deletions_go_on_beside_a_first_load() -> None:
    space, other, items = make_space(SIZE), make_space(8), make_items(41)
    [late] = make_items(1)
    number, seen = number_of(space), []

    def meanwhile() -> None:
        with another_session() as session, session.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {partition_name(space)}")  # noqa: S608
            seen.append(cursor.fetchone())
            cursor.execute(f"SELECT count(*) FROM {bits_name(space)}")  # noqa: S608
            seen.append(cursor.fetchone())
            cursor.execute(ADD, [other.pk, items[0].pk, str([1] * 8)])
            cursor.execute("UPDATE itembank_item SET subject = '물리' WHERE id = %s", [items[1].pk])
            cursor.execute("DELETE FROM itembank_item WHERE id = %s", [late.pk])

    load_beside(space, items, meanwhile)

    assert seen == [(0,), (0,)]
    assert (space.embeddings.count(), other.embeddings.count()) == (41, 1)
    assert number_of(space) != number
    assert wrong_bits(space) == 0


@pytest.mark.django_db(transaction=True)
def test_a_vector_that_a_job_writes_during_a_first_load_is_kept() -> None:
    space, items = make_space(SIZE), make_items(30)
    [of_job] = make_items(1)

    def meanwhile() -> None:
        with another_session() as session, session.cursor() as cursor:
            cursor.execute(ADD, [space.pk, of_job.pk, str([1] * SIZE)])

    load_beside(space, items, meanwhile)
    assert space.embeddings.count() == 31
    assert wrong_bits(space) == 0
    assert not [name for name in relations_of(space) if str(name).count("_") > 3]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("statement", "left"), [(ADD, 1), ("DELETE FROM itembank_item WHERE id = %s", 0)])
def test_a_loaded_item_that_gets_a_vector_or_is_deleted_meanwhile_refuses_the_load(statement: str, left: int) -> None:
    space, items = make_space(SIZE), make_items(30)

    def meanwhile() -> None:
        with another_session() as session, session.cursor() as cursor:
            cursor.execute(statement, [space.pk, items[2].pk, str([1] * SIZE)] if left else [items[2].pk])

    with pytest.raises(IntegrityError):
        load_beside(space, items, meanwhile)
    assert space.embeddings.count() == left
    assert wrong_bits(space) == 0


@pytest.mark.django_db(transaction=True)
def test_an_encoder_is_made_and_first_filled_beside_whoever_reads_items() -> None:
    items = make_items(30)
    with another_session() as reader:
        reader.set_autocommit(False)
        reader.cursor().execute("LOCK TABLE itembank_item, embeddings_encoder IN ACCESS SHARE MODE")
        with transaction.atomic():
            ask("SELECT set_config('lock_timeout', '1s', true)")
            space = make_space(SIZE)
        number = number_of(space)
        fill(space, items, clustered(30, SIZE))
        reader.rollback()
    assert number_of(space) != number
    assert wrong_bits(space) == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("held", ["embeddings_embedding", "itembank_item"])
def test_a_load_does_not_wait_for_a_long_backup(held: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which holds the tables, so that none can be put in place; others would queue behind us."""
    monkeypatch.setattr(partitions, "PATIENCE", "100ms")
    space, items = make_space(SIZE), make_items(30)
    number, mode = number_of(space), {"itembank_item": "ROW EXCLUSIVE"}.get(held, "ACCESS SHARE")
    with another_session() as backup:
        backup.set_autocommit(False)
        backup.cursor().execute(f"LOCK TABLE {held} IN {mode} MODE")
        with transaction.atomic():
            fill(space, items, clustered(30, SIZE))
            assert ask("SHOW lock_timeout") == [("0",)]
        backup.cursor().execute(f"SELECT count(*) FROM {partition_name(space)}")  # noqa: S608
        backup.rollback()
    assert number_of(space) == number
    assert space.embeddings.count() == 30
    assert wrong_bits(space) == 0


@pytest.mark.django_db(transaction=True)
def test_a_load_that_took_its_place_leaves_the_patience_of_its_caller_alone() -> None:
    space = make_space(8)
    number = number_of(space)
    with transaction.atomic():
        ask("SELECT set_config('lock_timeout', '77s', true)")
        fill(space, make_items(20), clustered(20, 8))
        assert ask("SHOW lock_timeout") == [("77s",)]
    assert number_of(space) != number
