"""What tests of the API share: a client that calls as a program does, and a bank with one of everything."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from embeddings import worker
from embeddings.models import EmbeddingJob, Encoder
from embeddings.services import activate_encoder
from evaluation.models import EvaluationRun
from groundtruth.models import TruthSet
from itembank.api.document import CODES
from itembank.api.scopes import Scope
from itembank.celery import app
from itembank.models import Item, ItemImage
from itembank.tokens import make_token
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.factories import make_image
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

PREFIX = "/api/v1"


class Api:
    """Calls with a token of these scopes, all of them where none is named; `token=""` calls without one."""

    def __init__(self, *scopes: str, token: str | None = None, language: str = "en", client: str = "tester") -> None:
        self.secret = make_token(client=client, scopes=scopes or list(Scope))[1] if token is None else token
        headers = {"accept-language": language}
        if self.secret:
            headers["authorization"] = f"Bearer {self.secret}"
        self.client = Client(headers=headers, raise_request_exception=False)

    def get(self, path: str, /, **query: Any) -> Any:
        return self.client.get(PREFIX + path, query)

    def post(self, path: str, /, body: Any = None, **options: Any) -> Any:
        content = "" if body is None else body if isinstance(body, (str, bytes)) else json.dumps(body)
        return self.client.post(PREFIX + path, content, content_type=options.pop("kind", "application/json"), **options)


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem that the response is, after a look at its form."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["code"] == code, body
    assert code in CODES[status].split()
    assert body["type"] == f"urn:itembank:problem:{code}"
    assert body["detail"]
    return body


@dataclass
class Bank:
    """Twelve items with vectors in the active space; one image, a paused job, a truth set and a completed run."""

    items: list[Item]
    image: ItemImage
    encoder: Encoder
    job: EmbeddingJob
    truth: TruthSet
    run: EvaluationRun


def make_bank() -> Bank:
    from evaluation.engine.run import work_on
    from evaluation.run_services import create_run
    from evaluation.run_settings import RunSettings

    items = make_items(12)
    image = make_image(items[0])
    space = make_space(64)
    fill(space, [Item.objects.get(pk=item.pk) for item in items], clustered(12, 64))
    encoder = activate_encoder(encoder=space)
    truth = make_truth_set(name="truth")
    query = make_query(truth, items[0])
    make_pair(query, items[1], relevance=3, score=0.5)
    make_pair(query, items[2], relevance=0)
    run = create_run(truth_set=truth, settings=RunSettings(encoders=(encoder.slug,), depth=5))
    work_on(run.pk)
    run.refresh_from_db()
    job = EmbeddingJob.objects.create(encoder=encoder, state="paused")
    job.items.create(item=items[0])
    return Bank(items, image, encoder, job, truth, run)


def encode_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries are encoded at once, in this process, by what a worker would run; other messages are sent."""
    send = app.send_task

    def send_task(name: str, args: Any = None, *rest: Any, **options: Any) -> Any:
        return worker.encode_query(*args) if name == "embeddings.encode_query" else send(name, args, *rest, **options)

    monkeypatch.setattr(app, "send_task", send_task)
