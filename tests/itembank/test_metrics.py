"""What Prometheus reads: of the whole bank, whichever web process it asks."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from embeddings.models import EmbeddingJob, Encoder, JobItem
from embeddings.search import SearchError, SearchRequest, search
from groundtruth.models import LedgerEntry, SpendDay
from itembank import heartbeats
from itembank.broker import broker, client_url
from itembank.celery import app
from itembank.monitoring import counts, registry
from itembank.processes import running_worker
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.groundtruth.factories import make_judge_job, make_query, make_truth_set
from tests.waiting import wait_until

TOKEN = "metrics-token-of-this-test"
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _nothing_counted(embedded_services: object) -> Iterator[None]:
    counts.flush()
    broker().delete(counts.KEY, heartbeats.KNOWN_KEY, "llm", "llm\x06\x169")
    with override_settings(METRICS_TOKEN=TOKEN):
        yield


def ask(**headers: str) -> Any:
    return Client(headers=headers).get("/metrics")


def scrape() -> dict[str, Metric]:
    response = ask(authorization=f"Bearer {TOKEN}")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(response.content.decode())}


def value(families: dict[str, Metric], sample: str, **labels: str) -> float:
    family = next(each for name, each in families.items() if sample.startswith(name))
    (found,) = [each.value for each in family.samples if each.name == sample and labels.items() <= each.labels.items()]
    return float(found)


# ---- who may see them


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer ключ"])
def test_strangers_see_nothing(header: str | None) -> None:
    response = ask(**({"authorization": header} if header else {}))
    assert response.status_code == 401
    assert b"itembank_" not in response.content
    assert response["WWW-Authenticate"].startswith("Bearer")


@override_settings(METRICS_TOKEN="")
def test_an_empty_token_lets_nobody_in() -> None:
    assert ask(authorization="Bearer ").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(("staff", "status"), [(True, 200), (False, 401)])
def test_staff_see_them_in_a_browser_and_others_do_not(client: Client, staff: bool, status: int) -> None:
    client.force_login(User.objects.create_user("anna", is_staff=staff))
    assert client.get("/metrics").status_code == status


@pytest.mark.django_db
@override_settings(ALLOWED_HOSTS=["bank.example.org"], SECURE_SSL_REDIRECT=True)
def test_a_scraper_asks_by_address_and_without_tls() -> None:
    response = Client(headers={"authorization": f"Bearer {TOKEN}"}).get("/metrics", HTTP_HOST="10.1.2.3:8000")
    assert response.status_code == 200


# ---- all of them


@pytest.mark.django_db
def test_all_can_be_told_of_an_empty_bank_in_a_few_queries(django_assert_max_num_queries: Any) -> None:
    scrape()
    with django_assert_max_num_queries(40):
        families = scrape()
    up = {each.labels["collector"]: each.value for each in families["itembank_collector_up"].samples}
    assert set(up.values()) == {1.0}
    assert set(up) >= {"queues", "workers", "items", "searches", "jobs", "indexes", "truth", "spend", "evaluation"}


@pytest.mark.django_db
def test_each_is_explained_to_whoever_runs_the_bank() -> None:
    heartbeats.beat("gpu@one", {"tasks": 1})
    explained = (settings.BASE_DIR / "docs" / "operations.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(itembank_\w+)`", explained))
    heartbeats.forget("gpu@one")
    assert set(scrape()) - {re.sub(r"_total$", "", name) for name in named} == set()


@pytest.mark.django_db
def test_one_that_fails_is_named_and_the_others_are_there(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> list[Metric]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        return []

    registry.register_queries("broken", broken)
    try:
        families = scrape()
    finally:
        del registry._collectors["broken"]
    assert value(families, "itembank_collector_up", collector="broken") == 0
    assert value(families, "itembank_collector_up", collector="evaluation") == 1
    assert "division by zero" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_without_the_database_messages_and_searches_are_still_told() -> None:
    connection.close()
    name = connection.settings_dict["NAME"]
    try:
        connection.settings_dict["NAME"] = "no_such_database"
        families = scrape()
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
    assert value(families, "itembank_collector_up", collector="items") == 0
    assert value(families, "itembank_queue_messages", queue="llm") == 0


@pytest.mark.django_db(transaction=True)
def test_a_query_that_takes_too_long_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "DATABASE_MILLISECONDS", 100)
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("LOCK TABLE evaluation_evaluationrun IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        families = scrape()
    assert time.monotonic() - began < 5
    assert value(families, "itembank_collector_up", collector="evaluation") == 0


# ---- searches


@pytest.fixture
def space(db: None) -> Encoder:
    space = make_space(64)
    fill(space, make_items(10), clustered(10, 64))
    return space


def test_each_stage_of_a_search_is_timed(space: Encoder) -> None:
    code = make_items(1)[0].code
    item = JobItem._meta.get_field("item").related_model.objects.exclude(code=code).first()  # type: ignore[union-attr]
    response = search(SearchRequest(item_code=item.code, encoder=space.slug))
    families = scrape()
    for stage, milliseconds in response.timings_ms.items():
        labels = {"method": response.method, "stage": stage}
        assert value(families, "itembank_search_seconds_count", **labels) == 1
        assert value(families, "itembank_search_seconds_sum", **labels) == pytest.approx(milliseconds / 1000)
        assert value(families, "itembank_search_seconds_bucket", le="+Inf", **labels) == 1


def test_a_search_that_fails_is_counted_by_its_code_and_not_by_what_was_asked(space: Encoder) -> None:
    for code in ("A-1", "B-2"):
        with pytest.raises(SearchError):
            search(SearchRequest(item_code=code, encoder=space.slug))
    families = scrape()
    assert value(families, "itembank_search_errors_total", code="unknown-item") == 2
    assert not any("A-1" in str(each.labels) for each in families["itembank_search_errors"].samples)


@pytest.mark.django_db
def test_buckets_add_up() -> None:
    for seconds in (0.001, 0.002, 0.003, 0.2, 99.0):
        counts.observe("itembank_search_seconds", "dense", "search", seconds=seconds)
    families = scrape()
    bounds = {"0.002": 2, "0.005": 3, "0.1": 3, "0.25": 4, "20.0": 4, "+Inf": 5}
    for bound, expected in bounds.items():
        assert value(families, "itembank_search_seconds_bucket", le=bound) == expected


COUNTING = """
import os, django
django.setup()
from itembank.monitoring import counts
counts.count("itembank_search_errors", "of-many")
if os.fork() == 0:
    counts.count("itembank_search_errors", "of-many")
    counts.flush()
    os._exit(0)
os.wait()
"""


@pytest.mark.django_db
def test_processes_and_their_forks_count_together_each_once() -> None:
    environment = {
        "DJANGO_SETTINGS_MODULE": "itembank.settings",
        "ITEMBANK_HOME": str(settings.HOME_DIR),
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
    }
    for _ in range(2):
        subprocess.run([sys.executable, "-c", COUNTING], cwd=settings.BASE_DIR, env=environment, check=True, timeout=60)
    assert value(scrape(), "itembank_search_errors_total", code="of-many") == 4


@pytest.mark.django_db
def test_what_is_counted_while_the_broker_is_away_is_told_later_and_once() -> None:
    with override_settings(CELERY_BROKER_URL=NOWHERE):
        began = time.monotonic()
        counts.count("itembank_search_errors", "waited")
        assert time.monotonic() - began < 0.1
        counts.flush()
    counts.flush()
    counts.flush()
    assert value(scrape(), "itembank_search_errors_total", code="waited") == 1


@pytest.mark.django_db
def test_counts_go_out_by_themselves() -> None:
    counts.count("itembank_search_errors", "alone")
    deadline = time.monotonic() + 10
    while not broker().hlen(counts.KEY):
        assert time.monotonic() < deadline
        time.sleep(0.05)


# ---- messages, jobs, money


@pytest.mark.django_db
def test_messages_of_all_priorities_are_counted() -> None:
    for priority in (0, 9):
        app.send_task("groundtruth.run_judge_job", args=[1], queue="llm", priority=priority)
    families = scrape()
    broker().delete("llm", "llm\x06\x169")
    assert value(families, "itembank_queue_messages", queue="llm") == 2


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis+socket:///run/b.sock?virtual_host=3", "unix:///run/b.sock?db=3"),
        ("redis+socket:///run/b.sock", "unix:///run/b.sock?db=0"),
        ("redis://:password@broker:6379/2", "redis://:password@broker:6379/2"),
    ],
)
def test_the_brokers_address_is_that_of_celery(url: str, shown: str) -> None:
    assert client_url(url) == shown


def make_row(job: EmbeddingJob, state: str, *, seconds_ago: float = 0, **fields: Any) -> None:
    row = JobItem.objects.create(job=job, item=make_items(1)[0], state=state, **fields)
    JobItem.objects.filter(pk=row.pk).update(updated_at=timezone.now() - timedelta(seconds=seconds_ago))


def test_rows_of_jobs_are_told_by_state_age_and_rate(space: Encoder) -> None:
    running = EmbeddingJob.objects.create(encoder=space)
    done = EmbeddingJob.objects.create(encoder=space, state="failures", finished_at=timezone.now())
    cancelled = EmbeddingJob.objects.create(encoder=space, state="cancelled", finished_at=timezone.now())
    make_row(running, "pending", seconds_ago=500)
    make_row(running, "pending", seconds_ago=20)
    make_row(cancelled, "pending", seconds_ago=9_000)
    make_row(running, "done", seconds_ago=30)
    make_row(running, "done", seconds_ago=90)
    for _ in range(2):
        make_row(done, "done", seconds_ago=10)
    make_row(done, "quarantined", reason="broken")
    make_row(cancelled, "quarantined", reason="broken")
    families = scrape()
    assert value(families, "itembank_job_rows", state="pending") == 2
    assert value(families, "itembank_job_rows", state="done") == 2
    assert value(families, "itembank_quarantined_rows") == 1
    assert value(families, "itembank_oldest_pending_row_seconds") == pytest.approx(500, abs=5)
    assert value(families, "itembank_embeddings_per_second") == pytest.approx(3 / 60)
    assert value(families, "itembank_jobs", state="running") == 1


def test_the_index_of_each_encoder_has_one_state(space: Encoder) -> None:
    families = scrape()
    states = {each.labels["state"]: each.value for each in families["itembank_index_state"].samples}
    assert states == {"none": 1, "building": 0, "invalid": 0, "ready": 0}
    assert value(families, "itembank_encoder_active", encoder=space.slug) == 0


@pytest.mark.django_db
@override_settings(LLM_DAILY_CAP_USD=Decimal("12.5"))
def test_money_is_told_by_day_and_by_state_of_the_ledger() -> None:
    job = make_judge_job(make_truth_set(), cap_usd=Decimal(10))
    query = make_query(job.truth_set)
    question = job.questions.create(position=1, query=query, pairs=[], question_hash="0" * 64)
    entry = {"job": job, "question": question, "model": "m", "day": timezone.now().date()}
    for number, (state, reserved, charged) in enumerate(
        [("sent", "0.5", "0"), ("settled", "0.5", "0.2"), ("settled", "0.5", "0.1"), ("unknown", "0.5", "0.5")]
    ):
        fields = {"state": state, "reserved_usd": Decimal(reserved), "charged_usd": Decimal(charged)}
        LedgerEntry.objects.create(question_hash=str(number) * 64, **entry, **fields)
    SpendDay.objects.create(day=timezone.now().date(), held_usd=Decimal("1.3"))
    families = scrape()
    assert value(families, "itembank_spend_cap_usd") == 12.5
    assert value(families, "itembank_spend_today_usd") == pytest.approx(1.3)
    assert value(families, "itembank_ledger_usd", state="sent") == 0.5
    assert value(families, "itembank_ledger_usd", state="settled") == pytest.approx(0.3)
    assert value(families, "itembank_ledger_usd", state="unknown") == 0.5
    assert value(families, "itembank_ledger_entries", state="settled") == 2
    assert value(families, "itembank_ledger_usd", state="released") == 0


@pytest.mark.django_db
def test_what_a_worker_holds_is_told_by_worker() -> None:
    figures = {"tasks": 2, "task_seconds": 7.5, "resident_bytes": 1000, "models": ["e5"], "device_total_bytes": 8000}
    heartbeats.beat("gpu@one", figures)
    heartbeats.beat("gpu@two", {"tasks": 0})
    broker().delete(heartbeats.BEAT_KEY + "gpu@two")
    families = scrape()
    for name in ("gpu@one", "gpu@two"):
        heartbeats.forget(name)
    assert value(families, "itembank_worker_tasks", worker="gpu@one") == 2
    assert value(families, "itembank_worker_task_seconds", worker="gpu@one", role="gpu") == 7.5
    assert value(families, "itembank_worker_device_total_bytes", worker="gpu@one") == 8000
    assert value(families, "itembank_worker_model_loaded", worker="gpu@one", model="e5") == 1
    assert value(families, "itembank_worker_up", worker="gpu@one") == 1
    assert value(families, "itembank_worker_up", worker="gpu@two") == 0
    assert value(families, "itembank_role_state", role="gpu", state="busy") == 1
    assert value(families, "itembank_role_state", role="cpu", state="absent") == 1


@pytest.mark.django_db(transaction=True)
def test_a_gpu_worker_tells_the_model_that_it_has_loaded() -> None:
    space = make_space(64)
    fill(space, make_items(10), clustered(10, 64))
    assert settings.EMBEDDED is not None
    database = settings.EMBEDDED.database_url.rpartition("/")[0] + "/" + connection.settings_dict["NAME"]
    with running_worker("gpu", {"DATABASE_URL": database}):
        search(SearchRequest(text="기울기", encoder=space.slug))
        wait_until(lambda: scrape()["itembank_worker_model_loaded"].samples)
        families = scrape()
    (model,) = families["itembank_worker_model_loaded"].samples
    assert (model.labels["role"], model.value) == ("gpu", 1)
    assert value(families, "itembank_worker_resident_bytes", role="gpu") > 10_000_000
    assert value(families, "itembank_search_seconds_count", stage="encode") == 1
