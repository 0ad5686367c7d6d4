"""The client in docs/examples, which knows nothing but the document, drives the bank over HTTP."""

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from pytest_django.live_server_helper import LiveServer

from embeddings.models import EmbeddingJob, Encoder
from embeddings.services import activate_encoder
from itembank.api.scopes import Scope
from itembank.tokens import make_token
from tests.api import encode_here
from tests.embeddings.spaces import clustered, fill, make_items, make_space


@pytest.fixture
def example() -> Any:
    path = settings.BASE_DIR / "docs" / "examples" / "api_client.py"
    spec = importlib.util.spec_from_file_location("api_client", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def encoder(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """The active one, over five of six items."""
    encode_here(monkeypatch)
    space, items = make_space(64), make_items(6)
    fill(space, items, clustered(6, 64))
    activate_encoder(encoder=space)
    make_items(1)
    return space


def test_search_similar_items_a_job_and_its_end(
    example: Any, encoder: Encoder, live_server: LiveServer, work: Callable[[EmbeddingJob], EmbeddingJob]
) -> None:
    api = example.Api(live_server.url, make_token(client="example", scopes=list(Scope))[1], language="en")
    hits = api.call("search_items", {"text": "기울기", "k": 3})["hits"]
    assert len(hits) == 3
    assert len(api.call("similar_items", code=hits[0]["code"])["hits"]) == 5
    job = api.call("start_job", {"encoder": encoder.slug, "scope": "missing"})
    assert (job["state"], job["progress"]["total"]) == ("running", 1)
    work(EmbeddingJob.objects.get(pk=job["id"]))
    assert api.call("read_job", job_id=job["id"])["state"] == "completed"
    assert len(list(api.pages("list_items", limit=2))) == 7


def test_an_error_is_told_by_its_code(example: Any, encoder: Encoder, live_server: LiveServer) -> None:
    api = example.Api(live_server.url, make_token(client="example", scopes=["search"])[1])
    with pytest.raises(example.ApiError) as refused:
        api.call("list_items")
    assert refused.value.code == "scope-missing"
