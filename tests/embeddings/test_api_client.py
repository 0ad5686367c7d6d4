"""The client in docs/examples, which knows nothing but the document, drives the bank over HTTP with a real token."""

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from pytest_django.live_server_helper import LiveServer

from embeddings.models import EmbeddingJob
from itembank.api.scopes import Scope
from itembank.tokens import make_token
from tests.api import Bank, encode_here, make_bank
from tests.embeddings.spaces import make_items

Connect = Callable[..., Any]


@pytest.fixture(scope="module")
def example() -> Any:
    path = settings.BASE_DIR / "docs" / "examples" / "itembank_client.py"
    spec = importlib.util.spec_from_file_location("itembank_client", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bank(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Bank:
    encode_here(monkeypatch)
    return make_bank()


@pytest.fixture
def connect(example: Any, bank: Bank, live_server: LiveServer) -> Connect:
    def connect(*scopes: str, **options: Any) -> Any:
        token = make_token(client="example", scopes=scopes or list(Scope))[1]
        return example.Itembank(live_server.url, token, **options)

    return connect


def test_its_walk_through_meets_no_problem_but_what_the_encoder_cannot_read(
    example: Any, connect: Connect, bank: Bank
) -> None:
    lines = list(example.walk_through(connect(), bank.items[0].text))
    kinds = [line.split(":")[0].split(" ")[0] for line in lines]
    assert kinds == ["health", "words", "text", "formula", "image", "item", "similar", "items", "encoder", "truth",
                     "run", "job", "job", "job"]  # fmt: skip
    assert [line for line in lines if "422" in line or "409" in line] == [lines[4]]
    assert "encoder-needs-text" in lines[4]


def test_a_job_is_followed_to_its_end(
    connect: Connect, bank: Bank, work: Callable[[EmbeddingJob], EmbeddingJob]
) -> None:
    make_items(1)
    api = connect()
    job = api.start_job(bank.encoder.slug)
    assert (job["state"], job["progress"]["total"]) == ("running", 1)
    work(EmbeddingJob.objects.get(pk=job["id"]))
    assert api.wait_for(job["id"], every=0)["state"] == "completed"


def test_a_list_is_read_to_its_end_page_by_page(connect: Connect) -> None:
    assert len({item["code"] for item in connect().items(limit=5)}) == 12


def test_a_problem_is_told_by_its_code_and_names_the_scope(example: Any, connect: Connect) -> None:
    with pytest.raises(example.ProblemError) as refused:
        list(connect("search").items())
    assert (refused.value.status, refused.value.code, refused.value.scope) == (403, "scope-missing", "items:read")


def test_above_the_rate_it_waits_as_long_as_it_is_told(
    example: Any, connect: Connect, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_CALLS_PER_MINUTE = 1
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        settings.API_CALLS_PER_MINUTE = 100

    monkeypatch.setattr(example.time, "sleep", wait)
    api = connect()
    codes = [encoder["slug"] for _ in range(2) for encoder in api.encoders()]
    assert len(codes) == 2
    assert len(waits) == 1
    assert 1 <= waits[0] <= 60


def test_it_tells_at_once_what_would_take_longer_than_its_patience(
    example: Any, connect: Connect, settings: Any
) -> None:
    settings.API_CALLS_PER_MINUTE = 0
    with pytest.raises(example.ProblemError) as refused:
        connect(patience=0).encoder("any")
    assert refused.value.code == "too-many-calls"
    assert refused.value.retry_after >= 1
