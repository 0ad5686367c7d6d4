"""Imports that are interrupted, doubled or late end right."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from itembank.alone import Work
from itembank.benchmarks.imports import write_items
from itembank.dispatch import confirm_upload
from itembank.embedded import EmbeddedServices
from itembank.imports import chunks, passes
from itembank.models import Item, UploadBatch
from itembank.processes import running_worker
from itembank.tasks import ring, sweep_uploads
from tests.itembank.uploading import checked, confirmed, counts, make_upload
from tests.itembank.uploads.builders import item, jsonl
from tests.waiting import wait_until

State = UploadBatch.State
WAIT_SECONDS = 60


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 10)


class Interrupted(BaseException):
    """Ends a pass as a signal would: nothing in it may catch this."""


def stop_after(rows: int) -> Callable[[UploadBatch], None]:
    def progress(batch: UploadBatch) -> None:
        if batch.processed_rows >= rows:
            raise Interrupted

    return progress


@pytest.mark.django_db
def test_an_interrupted_import_goes_on_behind_its_last_chunk(small_chunks: None) -> None:
    batch = checked(jsonl(*(item(f"A-{number}", difficulty="9" if number % 7 == 0 else "3") for number in range(50))))
    promised = counts(batch)
    confirm_upload(batch_id=batch.pk)
    with pytest.raises(Interrupted):
        passes.import_upload(batch.pk, progress=stop_after(30))
    landed = dict(Item.objects.values_list("code", "updated_at"))
    assert len(landed) == 25  # rows 0, 7, 14, 21 and 28 are bad
    passes.import_upload(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, counts(batch), promised) == (State.IMPORTED, promised, (42, 0, 0, 8))
    assert landed.items() <= dict(Item.objects.values_list("code", "updated_at")).items()
    assert list(batch.rows.filter(outcome="rejected").values_list("row", flat=True)) == list(range(1, 51, 7))


@pytest.mark.django_db
def test_an_interrupted_check_counts_no_row_twice(small_chunks: None) -> None:
    batch = make_upload(jsonl(*(item(f"A-{number % 45}") for number in range(50))))
    with pytest.raises(Interrupted):
        passes.check_upload(batch.pk, progress=stop_after(20))
    passes.check_upload(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.total_rows, counts(batch)) == (State.READY, 50, (45, 0, 0, 5))
    assert batch.rows.filter(outcome="rejected").count() == 5


@pytest.mark.django_db
def test_a_doubled_message_does_nothing() -> None:
    batch = confirmed(checked(jsonl(item("A-1"))))
    before = UploadBatch.objects.values().get(pk=batch.pk)
    passes.check_upload(batch.pk)
    passes.import_upload(batch.pk)
    passes.import_upload(batch.pk + 1)
    assert UploadBatch.objects.values().get(pk=batch.pk) == before


@pytest.mark.django_db
def test_a_second_worker_leaves_the_upload_to_the_first(embedded_services: EmbeddedServices) -> None:
    batch = make_upload(jsonl(item("A-1")))
    with psycopg.connect(database_of_test(embedded_services), autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(%s, %s)", [Work.UPLOAD, batch.pk])
        passes.check_upload(batch.pk)
        batch.refresh_from_db()
        assert (batch.state, batch.attempts) == (State.CHECKING, 0)
        first.execute("SELECT pg_advisory_unlock(%s, %s)", [Work.UPLOAD, batch.pk])
    passes.check_upload(batch.pk)
    batch.refresh_from_db()
    assert batch.state == State.READY


@pytest.mark.django_db
def test_a_file_that_kills_its_worker_is_given_up() -> None:
    batch = make_upload(jsonl(item("A-1")))
    UploadBatch.objects.update(attempts=passes.MAX_ATTEMPTS)
    passes.check_upload(batch.pk)
    batch.refresh_from_db()
    assert batch.state == State.FAILED
    assert str(passes.MAX_ATTEMPTS) in batch.error


@pytest.mark.django_db
def test_a_file_that_is_gone_fails_with_a_reason(settings: Any) -> None:
    batch = make_upload(jsonl(item("A-1")))
    Path(batch.file.path).unlink()
    passes.check_upload(batch.pk)
    batch.refresh_from_db()
    assert batch.state == State.FAILED
    assert batch.error


@pytest.mark.django_db
def test_a_cancelled_import_stops_and_keeps_whole_chunks(small_chunks: None) -> None:
    batch = checked(jsonl(*(item(f"A-{number}") for number in range(50))))
    confirm_upload(batch_id=batch.pk)

    def cancel(current: UploadBatch) -> None:
        if current.processed_rows == 20:
            UploadBatch.objects.update(state=State.CANCELLED)

    passes.import_upload(batch.pk, progress=cancel)
    batch.refresh_from_db()
    assert (batch.state, batch.processed_rows, Item.objects.count()) == (State.CANCELLED, 20, 20)


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_the_same_items_in_opposite_orders_both_end(small_chunks: None) -> None:
    rows = [item(f"A-{number:03d}") for number in range(200)]
    batches = [checked(jsonl(*rows)), checked(jsonl(*({**row, "unit": "나"} for row in reversed(rows))))]
    threads = [threading.Thread(target=import_in_thread, args=(batch.pk,)) for batch in batches]
    for batch in batches:
        confirm_upload(batch_id=batch.pk)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert set(UploadBatch.objects.values_list("state", flat=True)) == {State.IMPORTED}
    ended = [counts(UploadBatch.objects.get(pk=batch.pk)) for batch in batches]
    assert sum(new for new, *_others in ended) == 200
    assert Item.objects.count() == 200


@pytest.mark.fault
@pytest.mark.django_db(transaction=True)
def test_an_import_whose_worker_is_killed_is_finished_by_the_next(
    embedded_services: EmbeddedServices, settings: Any, tmp_path: Path
) -> None:
    settings.SWEEP_SECONDS = 0
    total = 24_000
    write_items(tmp_path / "items.jsonl", total, seed=1)
    batch = checked((tmp_path / "items.jsonl").read_bytes())
    assert counts(batch) == (total, 0, 0, 0)
    with cpu_worker(embedded_services) as process:
        confirm_upload(batch_id=batch.pk)
        wait_until(lambda: fresh(batch).processed_rows > 0)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    wait_until(lambda: not sessions_of_workers())
    killed = fresh(batch)
    assert (killed.state, killed.processed_rows < total) == (State.IMPORTING, True)
    assert Item.objects.count() == killed.processed_rows == killed.new_count
    with cpu_worker(embedded_services):
        sweep_uploads()
        wait_until(lambda: fresh(batch).state != State.IMPORTING)
    assert (fresh(batch).state, counts(fresh(batch))) == (State.IMPORTED, (total, 0, 0, 0))
    assert Item.objects.count() == total


@pytest.mark.django_db(transaction=True)
def test_an_upload_without_a_broker_waits_for_the_sweeper(
    embedded_services: EmbeddedServices, caplog: pytest.LogCaptureFixture
) -> None:
    batch = make_upload(jsonl(item("A-1")))
    embedded_services.stop_broker()
    try:
        ring(batch.pk, batch.state)
    finally:
        embedded_services.start_broker()
    assert "sweep" in caplog.text
    assert fresh(batch).state == State.CHECKING


def import_in_thread(batch_id: int) -> None:
    try:
        passes.import_upload(batch_id)
    finally:
        connection.close()


def database_of_test(services: EmbeddedServices) -> str:
    return f"{services.database_url.rpartition('/')[0]}/{connection.settings_dict['NAME']}"


def cpu_worker(services: EmbeddedServices) -> Any:
    environment = {"DATABASE_URL": database_of_test(services), "CELERY_BROKER_URL": services.broker_url}
    return running_worker("cpu", {**environment, "MEDIA_ROOT": str(settings.MEDIA_ROOT)})


def fresh(batch: UploadBatch) -> UploadBatch:
    return UploadBatch.objects.get(pk=batch.pk)


def sessions_of_workers() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s", [Work.UPLOAD])
        return int(cursor.fetchone()[0])
