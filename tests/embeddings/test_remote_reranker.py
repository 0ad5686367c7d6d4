"""Rerankers behind a server: the scores of the same model here, at both endpoints."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embeddings.encoders.base import EncoderInput
from embeddings.encoders.errors import EncoderError, ItemInputError, ItemOutputError, ModelUnavailable
from embeddings.model_servers import ModelServer, Patience
from embeddings.rerankers.base import RerankerBackend
from embeddings.rerankers.presets import RERANKER_PRESETS
from embeddings.rerankers.registry import create_reranker, reranker_class
from tests.embeddings.model_server import TinyModelServer, changes, ends_in_the_middle, fails, hangs, says
from tests.tiny_models import PARITY

PRESET = RERANKER_PRESETS["qwen3-vl-reranker-2b"]
QUERY = EncoderInput("이차함수의 꼭짓점을 구하시오.")
TEXTS = [EncoderInput(f"{number}번: $y=x^2+{number}x$의 그래프") for number in range(20)]
ENDPOINTS = ("score", "rerank")


@pytest.fixture
def server(settings: Any, models_dir: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyModelServer]:
    patience = Patience(attempts=3, connect=1, answer=20, first_pause=0.01, longest_pause=0.1)
    monkeypatch.setattr(ModelServer, "patience", patience)
    with TinyModelServer(reranker=local()) as running:
        settings.MODEL_SERVERS = {"lab": running.url}
        yield running


@pytest.fixture
def remote(server: TinyModelServer) -> Iterator[RerankerBackend]:
    backend = create_reranker(PRESET.spec(server="lab"))
    backend.load()
    server.requests.clear()
    yield backend
    backend.unload()


@cache
def local() -> RerankerBackend:
    spec = PRESET.spec()
    return create_reranker(reranker_class(spec.backend).settled(spec))


def pictured() -> list[EncoderInput]:
    images = [Image.open(PARITY / name).convert("RGB") for name in ("large.png", "square.png", "tiny.png")]
    return [EncoderInput("그림", tuple(images[:2])), *(EncoderInput("", (each,)) for each in images), TEXTS[0]]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("query", [QUERY, *pictured()[:2]], ids=["text", "text and images", "image"])
def test_a_server_gives_the_scores_of_the_same_model_here(
    endpoint: str, query: EncoderInput, server: TinyModelServer
) -> None:
    backend = create_reranker(PRESET.spec(server="lab", options=(("endpoint", endpoint),)))
    documents = [*TEXTS[:3], *pictured()]
    difference = backend.score(query, documents) - local().score(query, documents)
    backend.unload()
    assert np.abs(difference).max() < 1e-5
    assert server.count(f"/v1/{endpoint}") == len(server.requests) - 1  # and one look at the list of models


def test_texts_share_requests_and_pairs_with_an_image_go_alone(
    remote: RerankerBackend, server: TinyModelServer
) -> None:
    remote.score(QUERY, [*TEXTS, *pictured()[:2]])
    sizes = [len(body["text_2"]) for _path, body in server.requests if isinstance(body["text_2"], list)]
    alone = [body for _path, body in server.requests if isinstance(body["text_2"], dict)]
    assert (sum(sizes), max(sizes), len(alone)) == (20, 16, 2)


def test_the_instruction_is_sent(server: TinyModelServer) -> None:
    backend = create_reranker(PRESET.spec(server="lab", instruction="Find items of the same concept."))
    with pytest.raises(ItemInputError, match="another instruction"):
        backend.score(QUERY, TEXTS[:1])
    backend.unload()
    sent = server.requests[-1][1]
    assert sent["instruction"] == sent["instruct"] == "Find items of the same concept."


@pytest.mark.parametrize("fault", [fails(503), fails(429, Retry_After="0"), ends_in_the_middle])
def test_what_passes_is_tried_again(fault: Any, remote: RerankerBackend, server: TinyModelServer) -> None:
    server.faults.extend([fault, fault])
    assert remote.score(QUERY, TEXTS[:2]).shape == (2,)
    assert server.count("/v1/score") == 3


def test_a_server_that_hangs_is_given_up(server: TinyModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelServer, "patience", Patience(attempts=2, connect=1, answer=0.1, first_pause=0.01))
    server.always = hangs
    backend = create_reranker(PRESET.spec(server="lab"))
    with pytest.raises(ModelUnavailable, match="does not answer"):
        backend.load()
    assert len(server.requests) == 2


def test_a_pair_that_the_server_rejects_is_alone_at_fault(remote: RerankerBackend, server: TinyModelServer) -> None:
    server.refused_text = TEXTS[4].text
    with pytest.raises(ItemInputError, match="too long for the model") as failure:
        remote.forward(remote.preprocess(QUERY, TEXTS[:6]))
    assert failure.value.index == 4


@pytest.mark.parametrize("score", [1.5, -0.1, None])
def test_a_score_that_is_no_probability_fails_its_pair(
    score: Any, remote: RerankerBackend, server: TinyModelServer
) -> None:
    server.faults.append(changes(lambda answer: {"data": [answer["data"][0], {"index": 1, "score": score}]}))
    with pytest.raises(ItemOutputError, match="no number from 0 to 1") as failure:
        remote.forward(remote.preprocess(QUERY, TEXTS[:2]))
    assert failure.value.index == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (says(b"[0.5, 0.5]"), "no JSON object"),
        (changes(lambda answer: {"data": answer["data"][:1]}), "2 inputs, answers to 0"),
        (changes(lambda answer: {"data": [{**each, "score": "high"} for each in answer["data"]]}), "that is no number"),
    ],
)
def test_an_answer_that_is_none_is_refused(
    fault: Any, words: str, remote: RerankerBackend, server: TinyModelServer
) -> None:
    server.faults.append(fault)
    with pytest.raises(EncoderError, match=words):
        remote.score(QUERY, TEXTS[:2])


def test_a_server_of_another_model_is_refused(server: TinyModelServer) -> None:
    server.model = "bge-reranker"
    with pytest.raises(ModelUnavailable, match="does not serve Qwen/Qwen3-VL-Reranker-2B but bge-reranker"):
        create_reranker(PRESET.spec(server="lab")).load()


def test_an_endpoint_that_there_is_not_is_refused(server: TinyModelServer) -> None:
    with pytest.raises(EncoderError, match="one of score, rerank, not “judge”"):
        create_reranker(PRESET.spec(server="lab", options=(("endpoint", "judge"),)))
