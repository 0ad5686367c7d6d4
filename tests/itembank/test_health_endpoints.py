"""What probes are told: of this process, of what it needs, and of the workers, dead, busy or idle."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings

from itembank import healthcheck, heartbeats
from itembank.broker import broker
from itembank.celery import app
from itembank.heartbeats import BEAT_KEY, KNOWN_KEY, WorkerState, workers
from itembank.monitoring import readiness
from itembank.processes import running_worker, worker_answers, worker_name
from tests.waiting import wait_until

TOKEN = "metrics-token-of-this-test"
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _no_workers(embedded_services: object) -> None:
    broker().delete(KNOWN_KEY)


def ready(**headers: str) -> tuple[int, dict[str, Any]]:
    response = Client(headers=headers).get("/readyz")
    assert response["Cache-Control"] == "no-store"
    return response.status_code, response.json()


def detailed() -> tuple[int, dict[str, Any]]:
    with override_settings(METRICS_TOKEN=TOKEN):
        return ready(authorization=f"Bearer {TOKEN}")


# ---- this process


@override_settings(CELERY_BROKER_URL=NOWHERE)
def test_healthz_needs_neither_database_nor_broker() -> None:
    response = Client().get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@override_settings(ALLOWED_HOSTS=["bank.example.org"], SECURE_SSL_REDIRECT=True)
def test_probes_that_ask_by_address_and_without_tls_are_answered() -> None:
    assert Client().get("/healthz", HTTP_HOST="10.1.2.3:8000").status_code == 200
    assert Client().get("/admin/login/", HTTP_HOST="10.1.2.3:8000").status_code != 200


def test_only_get_and_head_are_taken() -> None:
    assert Client().post("/healthz").status_code == 405
    assert Client().head("/healthz").status_code == 200


@pytest.mark.django_db
def test_a_person_with_a_session_is_answered_too(client: Client) -> None:
    client.force_login(User.objects.create_user("anna"))
    assert client.get("/healthz").status_code == 200


def test_the_check_of_a_container_fails_where_no_server_listens() -> None:
    assert healthcheck.main(port=1) == 1


@pytest.mark.django_db(transaction=True)
def test_the_check_of_a_container_passes_where_the_server_answers(live_server: Any) -> None:
    assert healthcheck.main(port=live_server.thread.port) == 0


# ---- what it needs


@pytest.mark.django_db
def test_readyz_is_well_without_any_worker() -> None:
    status, told = ready()
    assert status == 200
    assert told == {
        "status": "ready",
        "parts": {"database": "ok", "migrations": "ok", "broker": "ok"},
        "workers": {"gpu": "absent", "cpu": "absent", "llm": "absent"},
    }


@pytest.mark.django_db
@override_settings(CELERY_BROKER_URL=NOWHERE)
def test_without_the_broker_it_is_not_ready_and_strangers_are_not_told_why() -> None:
    status, told = ready()
    assert status == 503
    assert told == {
        "status": "not ready",
        "parts": {"database": "ok", "migrations": "ok", "broker": "failed"},
        "workers": {},
    }
    assert "ConnectionError" in detailed()[1]["problems"]["broker"]


@pytest.mark.django_db(transaction=True)
def test_without_the_database_it_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    name = connection.settings_dict["NAME"]
    try:
        connection.settings_dict["NAME"] = "no_such_database"
        (status, told), (_again, more) = ready(), detailed()
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
    assert status == 503
    assert told["parts"] == {"database": "failed", "migrations": "failed", "broker": "ok"}
    assert "no_such_database" not in str(told)
    assert "no_such_database" in more["problems"]["database"]


@pytest.mark.django_db
def test_a_migration_that_is_not_applied_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_migrated", False)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'evaluation'")
    status, told = detailed()
    assert status == 503
    assert told["parts"]["migrations"] == "failed"
    assert "manage.py migrate" in told["problems"]["migrations"]


@pytest.mark.django_db
def test_a_wrong_token_sees_no_more_than_a_stranger() -> None:
    with override_settings(METRICS_TOKEN=TOKEN):
        assert "each_worker" not in ready(authorization="Bearer wrong")[1]
    with override_settings(METRICS_TOKEN=""):
        assert "each_worker" not in ready(authorization="Bearer ")[1]


@pytest.mark.django_db
def test_staff_see_the_details(client: Client) -> None:
    client.force_login(User.objects.create_user("anna", is_staff=True))
    assert client.get("/readyz").json()["each_worker"] == []


# ---- workers


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Whoever reads the table waits, for the length of the block."""
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


@contextmanager
def worker(role: str) -> Iterator[Any]:
    assert settings.EMBEDDED is not None
    database = settings.EMBEDDED.database_url.rpartition("/")[0] + "/" + connection.settings_dict["NAME"]
    environment = {"DATABASE_URL": database, "CELERY_BROKER_URL": settings.CELERY_BROKER_URL}
    with running_worker(role, environment) as process:
        yield process


def state_of(role: str) -> str:
    state: str = ready()[1]["workers"][role]
    return state


# cpu forks and gpu has threads: both keep answering while a task is under way.
TASKS = {
    "cpu": ("embeddings.build_indexes", [], "embeddings_encoder"),
    "gpu": ("embeddings.encode_query", ["5f0c1b1e-0000-4000-8000-000000000000"], "embeddings_queryencoding"),
}


@pytest.mark.fault
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("role", sorted(TASKS))
def test_an_idle_a_busy_and_a_dead_worker_are_told_apart(role: str) -> None:
    task, arguments, table = TASKS[role]
    with worker(role) as process:
        wait_until(lambda: state_of(role) == "idle")
        with locked(table):
            app.send_task(task, args=arguments, queue={"cpu": "cpu", "gpu": "gpu.query"}[role])
            wait_until(lambda: state_of(role) == "busy")
            assert worker_answers(role, timeout=3)  # a ping alone does not say that it is busy
            assert healthcheck.worker(role) == 0
            (one,) = detailed()[1]["each_worker"]
            assert one["name"] == worker_name(role)
            assert one["tasks"] == 1
            # It goes on giving signs of life: one that was about to run out is renewed.
            broker().pexpire(BEAT_KEY + one["name"], 6000)
            wait_until(lambda: broker().pttl(BEAT_KEY + one["name"]) > 20_000)
            assert state_of(role) == "busy"
        wait_until(lambda: state_of(role) == "idle")

        process.kill()
        process.wait()
        broker().pexpire(BEAT_KEY + one["name"], 1)  # as if the time had passed
        wait_until(lambda: state_of(role) == "dead")
        assert healthcheck.worker(role) == 1
        assert ready()[0] == 200


@pytest.mark.fault
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_stops_is_told_as_stopping_until_its_task_ends_and_is_not_missed_then() -> None:
    task, arguments, table = TASKS["gpu"]
    with worker("gpu") as process:
        with locked(table):
            app.send_task(task, args=arguments, queue="gpu.query")
            wait_until(lambda: state_of("gpu") == "busy")
            process.terminate()
            wait_until(lambda: state_of("gpu") == "stopping")
        process.wait(30)
    assert workers() == []
    assert state_of("gpu") == "absent"


def test_of_several_workers_of_a_role_the_best_counts(embedded_services: object) -> None:
    for name, figures in {"gpu@one": {"tasks": 1}, "gpu@two": {"tasks": 0}, "gpu@three": {"tasks": 0}}.items():
        heartbeats.beat(name, figures)
    broker().delete(BEAT_KEY + "gpu@three")
    states = {each.name: each.state for each in workers()}
    assert states == {"gpu@one": WorkerState.BUSY, "gpu@two": WorkerState.IDLE, "gpu@three": WorkerState.DEAD}
    assert heartbeats.role_state("gpu", workers()) is WorkerState.IDLE
    for name in states:
        heartbeats.forget(name)


def test_a_worker_that_vanished_is_missed_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    heartbeats.beat("gpu@gone", {})
    broker().delete(BEAT_KEY + "gpu@gone")
    assert [each.state for each in workers()] == [WorkerState.DEAD]
    monkeypatch.setattr(heartbeats, "REMEMBERED_SECONDS", -1)
    assert workers() == []
    assert broker().hgetall(KNOWN_KEY) == {}


def test_signs_of_life_of_another_thread_do_not_mix() -> None:
    threads = [threading.Thread(target=heartbeats.beat, args=(f"cpu@{n}", {"tasks": n})) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.figures["tasks"] for each in workers()] == list(range(8))
    for each in workers():
        heartbeats.forget(each.name)
