import threading

import pytest
from django.core.checks import CheckMessage, Tags, run_checks
from django.db import connection, transaction

from embeddings import indexes
from embeddings.indexes import IndexState, build_index, drop_index, encoders_to_index, index_name, index_state
from embeddings.models import EmbeddingJob, Encoder
from embeddings.partitions import partition_name
from embeddings.search.dense import NearestQuery, Route, choose_route, nearest
from embeddings.search.types import Filters
from embeddings.tasks import build_indexes
from itembank.alone import Work, alone_on
from itembank.embedded import wait_until
from tests.embeddings.spaces import clustered, fill, make_items, make_space


def filled_space(count: int = 50) -> Encoder:
    space = make_space(8)
    fill(space, make_items(count), clustered(count, 8))
    return space


def break_index(space: Encoder) -> None:
    """What a build that was killed leaves behind."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", [index_name(space)])


def broken_index_warnings() -> list[CheckMessage]:
    found = run_checks(tags=[Tags.database], databases=["default"])
    return [message for message in found if message.id == "itembank.W102"]


@pytest.mark.django_db(transaction=True)
def test_an_index_goes_from_none_to_ready_and_back() -> None:
    space = filled_space()
    assert index_state(space) is IndexState.NONE
    assert build_index(space) is IndexState.READY
    assert index_state(space) is IndexState.READY
    drop_index(space)
    assert index_state(space) is IndexState.NONE


@pytest.mark.django_db(transaction=True)
def test_a_broken_index_is_noticed_not_used_and_built_again() -> None:
    space = filled_space()
    build_index(space)
    break_index(space)

    assert index_state(space) is IndexState.INVALID
    assert choose_route(space, Filters()) is Route.EXACT
    assert encoders_to_index() == [space]

    assert build_index(space) is IndexState.READY
    assert choose_route(space, Filters()) is Route.INDEX
    assert encoders_to_index() == []


@pytest.mark.django_db(transaction=True)
def test_a_check_names_a_broken_index_and_the_command_that_mends_it() -> None:
    space = filled_space()
    build_index(space)
    assert broken_index_warnings() == []
    break_index(space)
    [warning] = broken_index_warnings()
    assert warning.hint is not None
    assert f"build_index --encoder {space.slug}" in warning.hint


@pytest.mark.django_db(transaction=True)
def test_the_periodic_task_builds_what_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "INDEX_MIN_ROWS", 40)
    broken, large, small = filled_space(10), filled_space(40), filled_space(10)
    build_index(broken)
    break_index(broken)
    build_indexes()
    assert [index_state(space) for space in (broken, large, small)] == ["ready", "ready", "none"]


@pytest.mark.django_db(transaction=True)
def test_many_vectors_want_an_index_and_few_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "INDEX_MIN_ROWS", 40)
    few, many = filled_space(39), filled_space(40)
    assert encoders_to_index() == [many]
    build_index(many)
    assert encoders_to_index() == []
    assert index_state(few) is IndexState.NONE


@pytest.mark.django_db(transaction=True)
def test_an_index_is_not_built_under_a_running_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "INDEX_MIN_ROWS", 40)
    space = filled_space(40)
    job = EmbeddingJob.objects.create(encoder=space)
    assert encoders_to_index() == []
    job.state = EmbeddingJob.State.COMPLETED
    job.save()
    assert encoders_to_index() == [space]


@pytest.mark.django_db(transaction=True)
def test_a_second_builder_steps_back() -> None:
    space, states = filled_space(), []

    def build_elsewhere() -> None:
        states.append(build_index(space))
        connection.close()

    with alone_on(Work.INDEX, space.pk):
        other = threading.Thread(target=build_elsewhere)
        other.start()
        other.join()
    assert states == [IndexState.BUILDING]
    assert index_state(space) is IndexState.NONE


@pytest.mark.django_db(transaction=True)
def test_a_build_inside_a_transaction_is_refused_before_it_starts() -> None:
    space = filled_space()
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
        build_index(space)


@pytest.mark.django_db(transaction=True)
def test_a_build_leaves_the_session_as_it_was() -> None:
    space = filled_space()
    with connection.cursor() as cursor:
        cursor.execute("SHOW maintenance_work_mem")
        before = cursor.fetchone()
        build_index(space)
        cursor.execute("SHOW maintenance_work_mem")
        assert cursor.fetchone() == before
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db(transaction=True)
def test_a_build_never_blocks_searches_and_writes() -> None:
    """A writer whose transaction stays open holds the build up; searches and other writers go on beside it."""
    space, vectors = filled_space(), clustered(51, 8)
    writer, states = connection.copy(), []

    def build_elsewhere() -> None:
        states.append(build_index(space))
        connection.close()

    builder = threading.Thread(target=build_elsewhere)
    try:
        writer.set_autocommit(False)
        writer.cursor().execute(f"LOCK TABLE {partition_name(space)} IN ROW EXCLUSIVE MODE")
        builder.start()
        assert wait_until(lambda: index_state(space) is IndexState.BUILDING, 20)

        [added] = make_items(1)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            fill(space, [added], vectors[50:])
        found, route = nearest(space, NearestQuery(vector=vectors[50], filters=Filters(), k=10))
        assert (found[0].code, route) == (added.code, Route.EXACT)
        assert states == []
    finally:
        writer.close()
        builder.join()
    assert states == [IndexState.READY]
