"""The id of a request: in its answer, in what is logged for it, and in the log of the worker that it rings."""

import json
import logging
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from itembank import request_ids
from itembank.broker import broker
from itembank.celery import app
from itembank.logs import logging_config
from itembank.processes import ChildProcess, worker_answers, worker_process
from itembank.threads import ThreadPool, start_thread
from itembank.worker_signals import ID_HEADER
from tests.api import Api, problem
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.waiting import wait_until

GIVEN = "ticket-4711.retry_2"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """What the bank's loggers write as JSON."""
    config = logging_config(level="DEBUG", style="json")
    written = StringIO()
    configurator = logging.config.DictConfigurator(config)
    handler = logging.StreamHandler(written)
    handler.setFormatter(configurator.configure_formatter(config["formatters"]["json"]))
    handler.addFilter(configurator.configure_filter(config["filters"]["request_id"]))
    root = logging.getLogger()
    monkeypatch.setattr(logging.getLogger("itembank"), "level", logging.DEBUG)
    root.addHandler(handler)
    yield written
    root.removeHandler(handler)


def entries(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_a_sane_id_of_the_caller_is_kept() -> None:
    assert Client().get("/healthz", headers={"X-Request-ID": GIVEN})["X-Request-ID"] == GIVEN


@pytest.mark.parametrize(
    "bad", ["", "short", "x" * 65, "two words!", "line\nbreak-line", "한글아이디입니다", "{json: 1}"]
)
def test_any_other_is_replaced(bad: str) -> None:
    answered = Client().get("/healthz", HTTP_X_REQUEST_ID=bad)["X-Request-ID"]
    assert answered != bad
    assert request_ids.sane(answered) == answered


def test_each_request_gets_an_id_of_its_own() -> None:
    assert len({Client().get("/healthz")["X-Request-ID"] for _ in range(5)}) == 5


def test_nothing_is_left_of_it_after_the_request() -> None:
    Client().get("/healthz", headers={"X-Request-ID": GIVEN})
    assert request_ids.current() == ""


@pytest.mark.django_db
def test_a_request_is_one_line_of_json_without_what_was_searched_for(log: StringIO) -> None:
    Client().get("/admin/login/?q=secret-question", headers={"X-Request-ID": GIVEN})
    (entry,) = [each for each in entries(log.getvalue()) if each["logger"] == "itembank.requests"]
    assert (entry["request_id"], entry["method"], entry["path"], entry["status"]) == (
        GIVEN,
        "GET",
        "/admin/login/",
        200,
    )
    assert entry["ms"] >= 0
    assert "secret-question" not in log.getvalue()


@pytest.mark.django_db
def test_a_line_break_in_an_address_forges_no_line() -> None:
    style = logging_config(level="INFO", style="line")["formatters"]["line"]
    record = logging.makeLogRecord({"msg": "%s %r", "args": ("GET", "/a\nb"), "request_id": GIVEN, "name": "x"})
    assert "\n" not in logging.Formatter(style["format"], style="{").format(record)


def test_an_exception_stays_on_its_line_of_json(log: StringIO) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("itembank.test").exception("it failed")
    (entry,) = entries(log.getvalue())
    assert entry["message"] == "it failed"
    assert "ValueError: two\nlines" in entry["exception"]


@pytest.mark.django_db
def test_a_problem_of_the_api_names_the_id() -> None:
    response = Api(token="").client.get("/api/v1/items", headers={"X-Request-ID": GIVEN})
    assert problem(response, 401, "not-signed-in")["request_id"] == GIVEN


# ---- threads


def test_a_thread_logs_the_id_of_whoever_asked_for_its_work(log: StringIO) -> None:
    write = logging.getLogger("itembank.test").warning
    with ThreadPool(2) as pool:
        for request_id in ("request-one", "request-two"):
            with request_ids.working_for(request_id):
                list(pool.map(write, [request_id] * 3))
                pool.submit(write, request_id).result()
        pool.submit(write, "-").result()
    found = [(each["message"], each["request_id"]) for each in entries(log.getvalue())]
    assert found == [("request-one",) * 2] * 4 + [("request-two",) * 2] * 4 + [("-", "-")]


def test_a_single_thread_logs_it_too(log: StringIO) -> None:
    with request_ids.working_for(GIVEN):
        thread = start_thread(lambda: logging.getLogger("itembank.test").warning("here"), name="test")
    thread.join()
    assert [each["request_id"] for each in entries(log.getvalue())] == [GIVEN]


@pytest.mark.django_db
def test_a_thread_has_a_database_connection_of_its_own() -> None:
    def connected() -> int:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                return int(cursor.fetchone()[0])
        finally:
            if threading.current_thread() is not threading.main_thread():
                connection.close()

    with ThreadPool(1) as pool:
        assert pool.submit(connected).result() != connected()


# ---- messages


@pytest.fixture
def no_messages(embedded_services: object) -> Iterator[None]:
    broker().delete("cpu")
    yield
    broker().delete("cpu")


def sent_ids() -> list[str]:
    messages: list[str] = broker().lrange("cpu", 0, -1)  # type: ignore[assignment]
    return [json.loads(each)["headers"][ID_HEADER] for each in reversed(messages)]


@pytest.mark.usefixtures("no_messages")
def test_a_message_carries_the_id_of_the_request_that_sent_it() -> None:
    with request_ids.working_for(GIVEN):
        app.send_task("embeddings.build_indexes")
    assert sent_ids() == [GIVEN]


@pytest.mark.usefixtures("no_messages")
def test_messages_of_nobodys_request_have_ids_of_their_own() -> None:
    for _ in range(2):
        app.send_task("embeddings.sweep")
    first, second = sent_ids()
    assert first != second
    assert request_ids.sane(first) == first


def start_worker(role: str, folder: Path, services: Any) -> ChildProcess:
    worker = worker_process(role, role, folder)
    database = f"{services.database_url.rpartition('/')[0]}/{connection.settings_dict['NAME']}"
    worker.environment = {
        "DATABASE_URL": database,
        "CELERY_BROKER_URL": services.broker_url,
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "INFO",
    }
    worker.start()
    wait_until(lambda: worker_answers(role))
    return worker


@pytest.mark.django_db(transaction=True)
def test_the_log_of_the_worker_that_encodes_a_query_has_the_id_of_the_request(
    tmp_path: Path, embedded_services: Any
) -> None:
    space = make_space(64)
    fill(space, make_items(10), clustered(10, 64))
    worker = start_worker("gpu", tmp_path, embedded_services)
    try:
        response = Api().client.post(
            "/api/v1/search",
            json.dumps({"text": "비밀스러운 질문", "encoder": space.slug}),
            content_type="application/json",
            headers={"X-Request-ID": GIVEN, "Authorization": f"Bearer {Api().secret}"},
        )
        assert response.status_code == 200, response.content
        log = tmp_path / "gpu.log"
        wait_until(lambda: GIVEN in log.read_text())
    finally:
        worker.stop()
    found = [each for each in entries(log.read_text()) if each["request_id"] == GIVEN]
    assert any("embeddings.encode_query" in each["message"] and "succeeded" in each["message"] for each in found)
    assert "비밀스러운" not in log.read_text()


@pytest.mark.django_db(transaction=True)
def test_a_prefork_worker_logs_it_too_and_writes_nothing_but_json(tmp_path: Path, embedded_services: Any) -> None:
    worker = start_worker("cpu", tmp_path, embedded_services)
    try:
        with request_ids.working_for(GIVEN):
            app.send_task("itembank.sweep_uploads")
        app.send_task("itembank.sweep_uploads")
        log = tmp_path / "cpu.log"
        wait_until(lambda: log.read_text().count("succeeded") >= 2)
    finally:
        worker.stop()
    ids = [each["request_id"] for each in entries(log.read_text()) if "succeeded" in each["message"]]
    assert ids[0] == GIVEN
    assert ids[1] not in {GIVEN, "-"}
    greeting, _first, rest = log.read_text().partition("{")
    assert "[tasks]" not in greeting
    # Celery takes its leave with a word of its own.
    lines = [line for line in ("{" + rest).splitlines() if line and not line.startswith("worker: ")]
    assert [line for line in lines if not line.startswith("{")] == []
    assert settings.SECRET_KEY not in log.read_text()
