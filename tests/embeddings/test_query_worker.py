import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone, translation

from embeddings import worker
from embeddings.encoders.base import EncoderInput, Role
from embeddings.encoders.errors import ModelUnavailable
from embeddings.encoders.hashing import HashingBackend
from embeddings.models import Encoder, QueryEncoding, QueryReranking
from embeddings.reranker_services import get_or_create_reranker
from embeddings.search import Rerank, SearchError, SearchRequest, search
from itembank.models import Item
from itembank.processes import running_worker
from tests.embeddings.spaces import clustered, fill, make_items, make_space

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def space() -> Encoder:
    space = make_space(64)
    fill(space, make_items(10), clustered(10, 64))
    return space


@contextmanager
def gpu_worker() -> Iterator[None]:
    """A worker process on the test's database."""
    assert settings.EMBEDDED is not None
    database = settings.EMBEDDED.database_url.removesuffix("itembank") + connection.settings_dict["NAME"]
    with running_worker("gpu", {"DATABASE_URL": database}):
        yield


def test_a_worker_process_encodes_the_query_of_another_process(space: Encoder) -> None:
    with gpu_worker():
        response = search(SearchRequest(text="기울기와 y절편", encoder=space.slug, k=3))
    assert len(response.hits) == 3
    assert QueryEncoding.objects.get().embedding is not None


@pytest.mark.fault
def test_without_a_broker_the_searcher_is_told_and_the_next_search_after_its_return_succeeds(
    space: Encoder, embedded_services: Any
) -> None:
    embedded_services.stop_broker()
    with pytest.raises(SearchError) as refused:
        search(SearchRequest(text="기울기", encoder=space.slug))
    assert refused.value.code == "broker-silent"

    embedded_services.start_broker()
    with gpu_worker():
        assert search(SearchRequest(text="기울기", encoder=space.slug)).hits


def test_without_a_worker_the_searcher_is_told_in_time_how_to_start_one(space: Encoder, settings: Any) -> None:
    settings.QUERY_TIMEOUT_SECONDS = 1
    began = time.monotonic()
    with pytest.raises(SearchError) as refused:
        search(SearchRequest(text="기울기", encoder=space.slug))
    assert refused.value.code == "worker-silent"
    assert "manage.py worker gpu" in refused.value.message
    assert time.monotonic() - began < 5


def test_a_worker_process_reranks_the_hits_of_another_process(space: Encoder, models_dir: Path) -> None:
    Item.objects.filter(pk=Item.objects.earliest("pk").pk).update(text="")
    reranker = get_or_create_reranker(preset="qwen3-vl-reranker-2b")
    asked = SearchRequest(item_code=Item.objects.latest("pk").code, encoder=space.slug, rerank=Rerank(reranker.slug))
    with gpu_worker(), translation.override("en"):
        hits = search(asked).hits
    scores = [hit.reranked.score for hit in hits if hit.reranked and hit.reranked.score is not None]
    assert len(hits) == 9
    assert len(scores) == 8
    assert scores == sorted(scores, reverse=True)
    assert hits[-1].reranked
    assert "neither text nor a picture" in hits[-1].reranked.problem
    assert not QueryReranking.objects.exists()


def test_the_command_reranks_through_the_worker_that_has_the_gpu(space: Encoder, models_dir: Path) -> None:
    item, out = Item.objects.latest("pk"), StringIO()
    with gpu_worker():
        call_command(
            "search", "--item", item.code, "--encoder", space.slug, "--rerank", "qwen3-vl-reranker-2b", "--json",
            stdout=out,
        )  # fmt: skip
    hits = json.loads(out.getvalue())["hits"]
    assert [hit["rank"] for hit in hits] == list(range(1, 10))
    assert sorted(hit["dense_rank"] for hit in hits) == list(range(1, 10))
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)


def test_texts_that_wait_together_are_encoded_together_and_each_gets_its_own_vector(space: Encoder) -> None:
    asked = [QueryEncoding.objects.create(encoder=space, digest=str(n), text=f"질문 {n}") for n in range(4)]
    worker.encode_query(str(asked[2].pk))
    together = {row.pk: list(row.embedding) for row in QueryEncoding.objects.all()}
    QueryEncoding.objects.update(embedding=None)
    for row in asked:
        QueryEncoding.objects.exclude(pk=row.pk).update(error="not now")
        QueryEncoding.objects.filter(pk=row.pk).update(error="")
        worker.encode_query(str(row.pk))
    alone = {row.pk: list(row.embedding) for row in QueryEncoding.objects.all()}
    assert together == alone
    assert len({tuple(vector) for vector in together.values()}) == 4


def test_a_text_that_cannot_be_encoded_spoils_no_other(space: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = (QueryEncoding.objects.create(encoder=space, digest=text, text=text) for text in ("bad", "good"))
    prepare = HashingBackend.prepare

    def refuse(self: HashingBackend, item: EncoderInput, role: Role) -> Any:
        if item.text == "bad":
            raise ValueError("a text like no other")
        return prepare(self, item, role)

    monkeypatch.setattr(HashingBackend, "prepare", refuse)
    worker.encode_query(str(good.pk))
    good.refresh_from_db()
    bad.refresh_from_db()
    assert good.embedding is not None
    assert bad.embedding is None
    assert "a text like no other" in bad.error


def test_a_model_that_is_away_is_asked_for_once_for_all_who_wait(
    space: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [QueryEncoding.objects.create(encoder=space, digest=str(n), text=f"질문 {n}") for n in range(3)]
    attempts = []

    def away(*_: Any) -> Any:
        attempts.append(1)
        raise ModelUnavailable("no server")

    monkeypatch.setattr(HashingBackend, "forward", away)
    for row in asked:
        worker.encode_query(str(row.pk))
    assert {row.error for row in QueryEncoding.objects.all()} == {"no server"}
    assert len(attempts) == 1


def test_no_transaction_is_open_while_a_query_is_encoded(space: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    row = QueryEncoding.objects.create(encoder=space, digest="a", text="a")
    prepare, inside = HashingBackend.prepare, []

    def look(self: HashingBackend, item: EncoderInput, role: Role) -> Any:
        inside.append(connection.in_atomic_block)
        return prepare(self, item, role)

    monkeypatch.setattr(HashingBackend, "prepare", look)
    worker.encode_query(str(row.pk))
    assert inside
    assert not any(inside)


def test_a_query_at_which_another_worker_is_is_left_to_it_until_people_wait_no_longer(
    space: Encoder, settings: Any
) -> None:
    row = QueryEncoding.objects.create(encoder=space, digest="a", text="a")
    assert [each.pk for each in worker._claimed(str(row.pk))] == [row.pk]
    worker.encode_query(str(row.pk))
    assert QueryEncoding.objects.get().embedding is None

    QueryEncoding.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    worker.encode_query(str(row.pk))
    answered = QueryEncoding.objects.get()
    assert answered.embedding is not None
    assert answered.claimed_until is None


def test_a_query_that_its_searcher_gave_up_is_not_encoded_with_others(space: Encoder, settings: Any) -> None:
    given_up, waiting = (QueryEncoding.objects.create(encoder=space, digest=text, text=text) for text in ("a", "b"))
    long_ago = timezone.now() - timedelta(seconds=settings.QUERY_TIMEOUT_SECONDS + 1)
    QueryEncoding.objects.filter(pk=given_up.pk).update(created_at=long_ago)
    worker.encode_query(str(waiting.pk))
    given_up.refresh_from_db()
    assert given_up.embedding is None


def test_a_bell_during_an_encoding_is_left_to_whoever_encodes(space: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (QueryEncoding.objects.create(encoder=space, digest=text, text=text) for text in ("a", "b"))
    began, go_on = threading.Event(), threading.Event()
    answer = worker._answer

    def slowly(query_id: str) -> None:
        began.set()
        assert go_on.wait(30)
        answer(query_id)

    monkeypatch.setattr(worker, "_answer", slowly)
    monkeypatch.setattr(worker, "_with_it", lambda query, _waiting: [query])  # or the bell is not needed
    thread = threading.Thread(target=_in_a_thread, args=[str(first.pk)])
    thread.start()
    assert began.wait(30)
    worker.encode_query(str(second.pk))  # returns at once
    assert not QueryEncoding.objects.exclude(embedding=None).exists()
    go_on.set()
    thread.join()
    assert QueryEncoding.objects.exclude(embedding=None).count() == 2


def _in_a_thread(query_id: str) -> None:
    try:
        worker.encode_query(query_id)
    finally:
        connection.close()
