"""Real workers, real servers, and what is left after they die: every item has exactly one current vector."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from subprocess import Popen
from typing import Any

import pytest
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from embeddings.dispatch import start_job, sweep
from embeddings.gpu import SLOT
from embeddings.models import Embedding, EmbeddingJob, Encoder, JobItem, QueryEncoding
from itembank.embedded import EmbeddedServices
from itembank.models import Item
from itembank.processes import ChildProcess, Supervisor, worker_command
from itembank.services import save_item
from tests.embeddings.faulty_backend import BACKENDS, KILLS, RAISES, stale_vectors
from tests.embeddings.spaces import make_items
from tests.factories import make_item

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
Scope, State = EmbeddingJob.Scope, EmbeddingJob.State
Worker = Callable[..., Any]
WAIT_SECONDS = 120


@pytest.fixture
def worker_environment(embedded_services: EmbeddedServices, faulty_encoder: Encoder) -> dict[str, str]:
    """What a worker needs to share the test's database, broker and encoder."""
    database = f"{embedded_services.database_url.rpartition('/')[0]}/{connection.settings_dict['NAME']}"
    return {
        "DATABASE_URL": database,
        "CELERY_BROKER_URL": embedded_services.broker_url,
        "MEDIA_ROOT": str(settings.MEDIA_ROOT),
        "ITEMBANK_ENCODER_BACKENDS": ",".join(f"{name}={place}" for name, place in BACKENDS.items()),
        "ITEMBANK_TEST_SECONDS_AN_ITEM": "0.005",
    }


@pytest.fixture
def gpu_worker(worker_environment: dict[str, str]) -> Worker:
    """Starts a worker: `with gpu_worker() as process`."""

    @contextmanager
    def start(**env: str) -> Iterator[Popen[bytes]]:
        child = ChildProcess("worker", worker_command("gpu"), environment=worker_environment | env)
        child.start()
        assert child.process is not None
        try:
            yield child.process
        finally:
            child.stop()

    return start


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, sweeping as beat would; a server may be away meanwhile."""
    deadline, swept = time.monotonic() + WAIT_SECONDS, 0.0
    while True:
        try:
            if condition():
                return
            if time.monotonic() - swept > 1:
                sweep()
                swept = time.monotonic()
        except (OperationalError, InterfaceError):
            connection.close()
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        time.sleep(0.02)


def ended(job: EmbeddingJob) -> Callable[[], bool]:
    return lambda: EmbeddingJob.objects.get(pk=job.pk).state != State.RUNNING


def vectors() -> int:
    return Embedding.objects.count()


def assert_whole(encoder: Encoder, *, quarantined: Mapping[str, str] | None = None) -> None:
    """Every item has one vector, that of its present text, except the quarantined ones (code -> part of the reason)."""
    expected = quarantined or {}
    codes = sorted(Embedding.objects.filter(encoder=encoder).values_list("item__code", flat=True))
    assert codes == sorted(Item.objects.exclude(code__in=expected).values_list("code", flat=True))
    assert stale_vectors(encoder) == set()
    assert not JobItem.objects.filter(state__in=["pending", "leased"]).exists()
    rows = dict(JobItem.objects.filter(state="quarantined").values_list("item__code", "reason"))
    assert rows.keys() == expected.keys()
    for code, part in expected.items():
        assert part in rows[code]


def test_a_worker_killed_five_times_loses_nothing(gpu_worker: Worker, faulty_encoder: Encoder) -> None:
    make_items(1000)
    job = start_job(encoder=faulty_encoder, scope=Scope.MISSING)
    for _ in range(5):
        with gpu_worker() as process:
            before = vectors()
            wait_for(lambda before=before: vectors() > before)  # type: ignore[misc]
            process.kill()
            process.wait()
    assert vectors() < 1000
    with gpu_worker():
        wait_for(ended(job))
    job.refresh_from_db()
    assert job.state == State.COMPLETED
    assert_whole(faulty_encoder)


def test_a_broker_killed_and_restarted_loses_nothing(
    worker_environment: dict[str, str], faulty_encoder: Encoder, embedded_services: EmbeddedServices
) -> None:
    make_items(500)
    job = start_job(encoder=faulty_encoder, scope=Scope.MISSING)
    with Supervisor([ChildProcess("worker", worker_command("gpu"), environment=worker_environment)]):
        wait_for(lambda: vectors() > 50)
        embedded_services.stop_broker(immediately=True)
        later = start_job(encoder=faulty_encoder, scope=Scope.ALL)  # its doorbell finds no broker
        embedded_services.start_broker()
        wait_for(ended(job))
        wait_for(ended(later))
    assert_whole(faulty_encoder)


def test_a_database_killed_and_restarted_loses_nothing(
    gpu_worker: Worker, faulty_encoder: Encoder, embedded_services: EmbeddedServices
) -> None:
    make_items(500)
    job = start_job(encoder=faulty_encoder, scope=Scope.MISSING)
    with gpu_worker() as process:
        wait_for(lambda: vectors() > 50)
        connection.close()
        embedded_services.stop_postgres(immediately=True)
        embedded_services.start_postgres()
        wait_for(ended(job))
        assert process.poll() is None
    assert_whole(faulty_encoder)
    assert not JobItem.objects.filter(batch_limit__lt=JobItem.LARGEST_BATCH).exists()  # nobody is to blame


def test_two_jobs_on_the_same_items_leave_one_vector_each(gpu_worker: Worker, faulty_encoder: Encoder) -> None:
    make_items(200)
    jobs = [start_job(encoder=faulty_encoder, scope=Scope.ALL) for _ in range(2)]
    with gpu_worker():
        for job in jobs:
            wait_for(ended(job))
    assert_whole(faulty_encoder)


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control-without-guards"])
def test_items_edited_while_they_are_embedded_get_the_vector_of_the_edit(
    gpu_worker: Worker, faulty_encoder: Encoder, guarded: bool
) -> None:
    items = make_items(500)
    job = start_job(encoder=faulty_encoder, scope=Scope.MISSING)
    with gpu_worker(ITEMBANK_TEST_UNGUARDED="" if guarded else "1"):
        wait_for(lambda: vectors() > 0)
        for item in items[::10]:
            item.text += " (고친 문항)"
            save_item(item=item)
            time.sleep(0.01)
        assert not ended(job)()
        wait_for(ended(job))
    if guarded:
        assert_whole(faulty_encoder)
    else:
        assert stale_vectors(faulty_encoder)


def test_only_an_item_that_raises_and_one_that_kills_its_worker_are_quarantined(
    gpu_worker: Worker, faulty_encoder: Encoder
) -> None:
    make_items(100)
    raises, kills = make_item(text=RAISES), make_item(text=KILLS)
    job = start_job(encoder=faulty_encoder, scope=Scope.MISSING)
    deaths = 0
    while not ended(job)():
        with gpu_worker() as process:
            wait_for(lambda process=process: process.poll() is not None or ended(job)())  # type: ignore[misc]
            deaths += process.poll() is not None
    assert deaths <= 4
    job.refresh_from_db()
    assert job.state == State.COMPLETED_WITH_FAILURES
    assert_whole(faulty_encoder, quarantined={raises.code: "the model stumbled", kills.code: "3"})


def test_a_second_worker_on_the_gpu_does_not_start_and_says_why(
    gpu_worker: Worker, capfd: pytest.CaptureFixture[str]
) -> None:
    with gpu_worker() as first:
        wait_for(lambda: not SLOT.is_free())
        with gpu_worker() as second:
            assert second.wait(WAIT_SECONDS) == 1
        assert f"process {first.pid}" in capfd.readouterr().err


def test_a_query_is_answered_while_a_job_runs(gpu_worker: Worker, faulty_encoder: Encoder) -> None:
    from itembank.celery import app

    make_items(500)
    job = start_job(encoder=faulty_encoder, scope=Scope.MISSING)
    query = QueryEncoding.objects.create(encoder=faulty_encoder, digest="0" * 64, text="일차함수의 기울기")
    with gpu_worker():
        wait_for(lambda: vectors() > 0)
        app.send_task("embeddings.encode_query", args=[str(query.pk)])
        wait_for(QueryEncoding.objects.exclude(embedding=None).exists)
        assert not ended(job)()


def test_a_query_that_cannot_be_encoded_says_why(gpu_worker: Worker, faulty_encoder: Encoder) -> None:
    from itembank.celery import app

    query = QueryEncoding.objects.create(encoder=faulty_encoder, digest="0" * 64, text=RAISES)
    with gpu_worker():
        app.send_task("embeddings.encode_query", args=[str(query.pk)])
        wait_for(QueryEncoding.objects.exclude(error="").exists)
    query.refresh_from_db()
    assert "the model stumbled" in query.error


def test_a_worker_that_is_asked_to_stop_gives_its_rows_back(gpu_worker: Worker, faulty_encoder: Encoder) -> None:
    make_items(500)
    job = start_job(encoder=faulty_encoder, scope=Scope.MISSING)
    with gpu_worker() as process:
        wait_for(lambda: vectors() > 0)
        process.terminate()
        assert process.wait(10) == 0
    assert not job.items.filter(state="leased").exists()
    assert job.items.filter(state="pending").exists()
    assert not JobItem.objects.filter(batch_limit__lt=JobItem.LARGEST_BATCH).exists()
