"""Encoders behind a server: the same vectors as here, patience with a bad one, and clear words when it does not end."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embeddings.encoders import probes
from embeddings.encoders.base import EncoderBackend, EncoderInput, Role
from embeddings.encoders.errors import EncoderError, ItemInputError, ItemOutputError, ModelUnavailable
from embeddings.encoders.presets import PRESETS
from embeddings.encoders.qwen3_vl.images import Geometry, fitted_size
from embeddings.encoders.registry import backend_class, create_backend
from embeddings.encoders.remote import RemoteBackend, served
from embeddings.encoders.remote_content import fitted
from embeddings.encoders.weights import locate
from embeddings.gpu import SLOT
from embeddings.job_services import hold_stuck_job, resume_job, start_job
from embeddings.model_servers import ModelServer, Patience
from embeddings.models import Embedding, EmbeddingJob, Encoder
from embeddings.pipeline.run import JobStuckError
from embeddings.selectors import progress
from embeddings.services import create_encoder
from tests.embeddings.conftest import Work
from tests.embeddings.model_server import (
    Json,
    TinyModelServer,
    changes,
    ends_in_the_middle,
    fails,
    hangs,
    says,
    waits_for_company,
)
from tests.embeddings.spaces import make_items
from tests.factories import make_encoder
from tests.tiny_models import PARITY

KEY = "sk-very-secret-0123456789"
CASES = json.loads((PARITY / "cases.json").read_text(encoding="utf-8"))
TEXTS = [EncoderInput(text) for text in CASES["texts"].values()]
QUICK = Patience(attempts=3, connect=1, answer=0.3, first_pause=0.01, longest_pause=0.4)

Serve = Callable[..., TinyModelServer]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelServer, "patience", QUICK)


@pytest.fixture
def hashing(settings: Any, tmp_path: Any) -> EncoderBackend:
    """A local model, its probe on file where remote encoders of its space look."""
    settings.MODELS_DIR = tmp_path
    backend = create_backend(PRESETS["hashing"].spec())
    record(backend)
    return backend


@pytest.fixture
def server(settings: Any, hashing: EncoderBackend) -> Iterator[TinyModelServer]:
    with TinyModelServer(hashing) as running:
        settings.MODEL_SERVERS = {"lab": running.url}
        yield running


@pytest.fixture
def remote(server: TinyModelServer) -> Iterator[EncoderBackend]:
    """Loaded: probed once, with no request on record."""
    backend = create_backend(PRESETS["hashing"].spec(server="lab"))
    backend.load()
    server.requests.clear()
    yield backend
    backend.unload()


def record(backend: EncoderBackend) -> None:
    inputs = probes.inputs(backend.spec)
    probes.write(backend.spec, np.concatenate([backend.encode([item], role) for item, role in inputs]).astype(float))


def encode(backend: EncoderBackend, *texts: str) -> Any:
    return backend.encode([EncoderInput(text) for text in texts], Role.DOCUMENT)


# ---- the right vectors


@cache
def local_model(slug: str) -> EncoderBackend:
    spec = PRESETS[slug].spec()
    return create_backend(backend_class(spec.backend).settled(spec))


def pictured() -> list[EncoderInput]:
    names = ("large.png", "square.png", "tiny.png", "wide.png")
    images = [Image.open(PARITY / name).convert("RGB") for name in names]
    return [
        EncoderInput("그림을 보고 답하시오.", (images[0], images[3])),
        *(EncoderInput("", (each,)) for each in images),
    ]


@pytest.mark.parametrize(
    "slug",
    [
        *("qwen3-vl-2b-mm-mean", "qwen3-vl-2b-mm-last", "qwen3-vl-2b-text-mean"),
        *("kure-v1", "siglip-base-i18n", "siglip-so400m", "efficientnet-lite0"),
    ],
)
def test_a_server_gives_the_vectors_of_the_same_model_here(
    slug: str, settings: Any, models_dir: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "place", lambda spec: tmp_path / "probe.npz")
    monkeypatch.setattr(ModelServer, "patience", replace(QUICK, answer=30))
    local = local_model(slug)
    record(local)
    with TinyModelServer(local) as running:
        settings.MODEL_SERVERS = {"lab": running.url}
        backend = create_backend(PRESETS[slug].spec(server="lab"))
        assert backend.spec.dimensions == local.spec.dimensions
        for role in Role:
            items = [item for item in (*TEXTS, *pictured()) if local.accepts(item, role)]
            difference = backend.encode(items, role) - local.encode(items, role)
            assert np.abs(difference).max() < 1e-5
        backend.unload()
    # A prompt is cut at its end, where a chat has the opening of the answer, and an image the rest of its tokens.
    cut = [
        body["messages"] for _path, body in running.requests if "messages" in body and "truncate_prompt_tokens" in body
    ]
    assert all(len(messages) == 1 and messages[0]["content"][0]["type"] == "text" for messages in cut)


def test_plain_texts_get_the_vectors_of_the_same_model_here(remote: EncoderBackend, hashing: EncoderBackend) -> None:
    texts = [EncoderInput(f"{number}번 문항의 지문") for number in range(50)]
    difference = remote.encode(texts, Role.QUERY) - hashing.encode(texts, Role.QUERY)
    assert np.abs(difference).max() < 1e-6


def test_plain_texts_share_requests_and_requests_share_connections(
    remote: RemoteBackend, server: TinyModelServer
) -> None:
    encode(remote, *(f"{number}번 문항" for number in range(40)))
    opened = server.connections
    for number in range(5):
        encode(remote, f"{number}번 문항을 다시")
    assert sorted(len(body["input"]) for _path, body in server.requests[:3]) == [8, 16, 16]
    assert server.connections == opened


def test_requests_of_a_batch_are_under_way_together(
    remote: EncoderBackend, server: TinyModelServer, hashing: EncoderBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelServer, "patience", Patience(attempts=1, connect=1, answer=5))
    remote.unload()
    remote.load()
    server.always = waits_for_company(ModelServer.concurrency)
    texts = [f"{number}번 문항" for number in range(ModelServer.concurrency * RemoteBackend.texts_a_request)]
    np.testing.assert_allclose(encode(remote, *texts), encode(hashing, *texts), atol=1e-6)


@pytest.mark.parametrize("size", [(310, 210), (900, 500), (20, 30), (4000, 40), (512, 512), (48, 16)])
def test_images_are_sent_in_the_size_that_the_model_sees(size: tuple[int, int], models_dir: Any) -> None:
    geometry = Geometry.of(locate("Qwen/Qwen3-VL-Embedding-2B"))
    assert fitted(size, 64 * 64, 512 * 512) == fitted_size(size, geometry, 64 * 64, 512 * 512)


def test_a_strip_that_is_too_narrow_is_an_error_of_its_item(settings: Any) -> None:
    spec = replace(served(PRESETS["qwen3-vl-2b-mm-mean"].draft, "lab"), dimensions=8)
    items = [EncoderInput("1", ()), EncoderInput("", (Image.new("RGB", (1, 4000)),))]
    with pytest.raises(ItemInputError, match="1 x 4000 pixels is too narrow") as failure:
        RemoteBackend(spec).preprocess(items, Role.DOCUMENT)
    assert failure.value.index == 1


def test_the_models_own_tokens_in_a_text_reach_the_server_as_plain_text(remote: Any, server: TinyModelServer) -> None:
    encode(remote, "끝 <|im_end|>\n<|im_start|>system")
    assert server.requests[0][1]["input"] == ["끝 < |im_end|>\n< |im_start|>system"]


def test_the_server_cuts_plain_texts_to_the_length_of_the_space(
    remote: EncoderBackend, server: TinyModelServer
) -> None:
    encode(remote, "가" * 9000)
    assert server.requests[0][1]["truncate_prompt_tokens"] == remote.spec.max_length < 9000
    assert server.requests[0][1]["input"] == ["가" * 9000]


def test_a_chat_is_cut_in_its_text_and_never_at_its_end() -> None:
    spec = replace(served(PRESETS["qwen3-vl-2b-mm-mean"].draft, "lab"), dimensions=8, max_length=20)
    features = RemoteBackend(spec).preprocess([EncoderInput("가" * 9000)], Role.DOCUMENT)
    (messages,) = features.payload[0]
    assert messages[1]["content"] == [{"type": "text", "text": "가" * 20}]


def test_what_is_open_is_asked_of_the_server(server: TinyModelServer) -> None:
    spec = PRESETS["hashing"].spec(server="lab", dimensions=0, revision="")
    assert (spec.dimensions, spec.revision, spec.backend, spec.precision) == (256, "served", "remote", "server")


def test_a_server_may_move_without_a_new_space(settings: Any, server: TinyModelServer) -> None:
    before = PRESETS["hashing"].spec(server="lab")
    settings.MODEL_SERVERS = {"lab": "http://elsewhere:8000/v1"}
    settings.MODEL_SERVER_KEYS = {"lab": KEY}
    assert PRESETS["hashing"].spec(server="lab").fingerprint() == before.fingerprint()


def test_vectors_are_cut_and_normalised_again_where_the_model_allows_it(
    settings: Any, models_dir: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "place", lambda spec: tmp_path / "probe.npz")
    monkeypatch.setattr(ModelServer, "patience", replace(QUICK, answer=30))
    local = local_model("qwen3-vl-2b-mm-mean")
    cut = create_backend(replace(local.spec, dimensions=16))
    record(cut)
    with TinyModelServer(local) as running:
        settings.MODEL_SERVERS = {"lab": running.url}
        backend = create_backend(PRESETS["qwen3-vl-2b-mm-mean"].spec(server="lab", dimensions=16))
        vectors = backend.encode(TEXTS[:3], Role.DOCUMENT)
        backend.unload()
    np.testing.assert_allclose(vectors, cut.encode(TEXTS[:3], Role.DOCUMENT), atol=1e-5)


# ---- patience


@pytest.mark.parametrize("fault", [fails(500), fails(503), fails(429), ends_in_the_middle, hangs])
def test_what_passes_is_tried_again(fault: Any, remote: EncoderBackend, server: TinyModelServer) -> None:
    server.faults.extend([fault, fault])
    assert encode(remote, "문항").shape == (1, 256)
    assert server.count("/v1/embeddings") == 3


def test_attempts_come_to_an_end(remote: EncoderBackend, server: TinyModelServer) -> None:
    server.always = fails(500, "CUDA error: device-side assert")
    with pytest.raises(ModelUnavailable, match=r"lab .*500, CUDA error: device-side assert"):
        encode(remote, "문항")
    assert server.count("/v1/embeddings") == QUICK.attempts


def test_a_server_that_hangs_is_given_up_in_bounded_time(remote: EncoderBackend, server: TinyModelServer) -> None:
    server.always = hangs
    started = time.monotonic()
    with pytest.raises(ModelUnavailable, match="does not answer"):
        encode(remote, "문항")
    assert time.monotonic() - started < QUICK.attempts * (QUICK.answer + QUICK.longest_pause) + 1
    assert server.count("/v1/embeddings") == QUICK.attempts


def test_a_server_that_asks_for_time_gets_it(remote: EncoderBackend, server: TinyModelServer) -> None:
    server.faults.append(fails(429, Retry_After="0.25"))
    started = time.monotonic()
    encode(remote, "문항")
    assert time.monotonic() - started >= 0.25


def test_no_server_gets_more_time_than_we_have() -> None:
    assert QUICK.pause(0, 3600) == QUICK.longest_pause
    assert QUICK.pause(50, None) <= QUICK.longest_pause


def test_nobody_waits_long_for_a_page_that_asks_a_server(server: TinyModelServer) -> None:
    server.always = hangs
    with pytest.raises(ModelUnavailable, match="does not answer"):
        PRESETS["hashing"].spec(server="lab", dimensions=0)
    assert len(server.requests) == 1


def test_a_server_that_comes_back_as_another_one_is_noticed(
    remote: EncoderBackend, server: TinyModelServer, hashing: EncoderBackend
) -> None:
    server.stop()
    with pytest.raises(ModelUnavailable):
        encode(remote, "문항")
    server.encoder = create_backend(replace(hashing.spec, max_length=5))
    server.start()
    with pytest.raises(EncoderError, match="does not make the vectors of this encoder"):
        encode(remote, "문항")


# ---- clear words


def test_an_unknown_server_is_named_with_the_variable_that_knows_servers(server: TinyModelServer) -> None:
    with pytest.raises(ModelUnavailable, match=r"ITEMBANK_MODEL_SERVERS names no server “other” \(known: lab"):
        PRESETS["hashing"].spec(server="other", dimensions=0)


def test_a_server_that_is_down_is_named_with_its_url(remote: EncoderBackend, server: TinyModelServer) -> None:
    server.stop()
    with pytest.raises(ModelUnavailable, match=rf"lab \({server.url}\) does not answer \(.*\); start it"):
        encode(remote, "문항")


def test_an_address_that_is_none_is_named_without_its_password(settings: Any, hashing: EncoderBackend) -> None:
    settings.MODEL_SERVERS = {"lab": f"htp://user:{KEY}@gpu1:8000/v1"}
    with pytest.raises(ModelUnavailable, match=r"lab \(htp://gpu1:8000/v1\) does not answer") as failure:
        PRESETS["hashing"].spec(server="lab", dimensions=0)
    assert KEY not in str(failure.value)


def test_a_server_of_another_model_is_refused(settings: Any, hashing: EncoderBackend) -> None:
    with TinyModelServer(hashing, model="KURE-v1") as other:
        settings.MODEL_SERVERS = {"lab": other.url}
        with pytest.raises(ModelUnavailable, match="does not serve hashed character 1- to 3-grams but KURE-v1"):
            create_backend(PRESETS["hashing"].spec(server="lab")).load()


def test_a_model_that_goes_away_is_said_to_be_missing(remote: EncoderBackend, server: TinyModelServer) -> None:
    server.model = "another"
    with pytest.raises(ModelUnavailable, match=r"has no /embeddings, or no model hashed .* should end in /v1"):
        encode(remote, "문항")


def test_the_name_a_model_is_served_under_may_differ(settings: Any, hashing: EncoderBackend) -> None:
    with TinyModelServer(hashing, model="grams") as other:
        settings.MODEL_SERVERS = {"lab": other.url}
        backend = create_backend(PRESETS["hashing"].spec(server="lab", options=(("model", "grams"),)))
        assert encode(backend, "문항").shape == (1, 256)
        backend.unload()


def test_wrong_dimensions_are_refused(settings: Any, hashing: EncoderBackend) -> None:
    small = create_backend(replace(hashing.spec, dimensions=64))
    with TinyModelServer(small) as other:
        settings.MODEL_SERVERS = {"lab": other.url}
        with pytest.raises(EncoderError, match="gives 64 dimensions, the encoder says 256"):
            create_backend(PRESETS["hashing"].spec(server="lab")).load()


def test_dimensions_that_change_later_are_refused(remote: EncoderBackend, server: TinyModelServer) -> None:
    server.faults.append(changes(shortened))
    with pytest.raises(EncoderError, match=r"shape \(1, 2\), expected \(1, 256\)"):
        encode(remote, "문항")


def shortened(answer: Json) -> Json:
    return {"data": [{**entry, "embedding": [1.0, 2.0]} for entry in answer["data"]]}


def test_an_item_that_the_server_rejects_is_alone_at_fault(remote: EncoderBackend, server: TinyModelServer) -> None:
    server.refused_text = "너무 긴"
    with pytest.raises(ItemInputError, match="this text is too long for the model") as failure:
        remote.forward(remote.preprocess([EncoderInput(t) for t in ("하나", "둘", "너무 긴 셋", "넷")], Role.DOCUMENT))
    assert failure.value.index == 2
    assert server.count("/v1/embeddings") == 4  # all, then one by one as far as the third


def test_nan_fails_the_item_that_has_it(remote: EncoderBackend, server: TinyModelServer) -> None:
    server.faults.append(changes(lambda answer: with_vector(answer, 1, [None] * 256)))
    with pytest.raises(ItemOutputError, match="NaN") as failure:
        remote.forward(remote.preprocess([EncoderInput("하나"), EncoderInput("둘")], Role.DOCUMENT))
    assert failure.value.index == 1


def with_vector(answer: Json, index: int, vector: Any) -> Json:
    answer["data"][index]["embedding"] = vector
    return answer


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (says(b'{"data": [{"index": 0, "embe'), "no JSON object"),
        (says(b"<html>Bad gateway</html>"), "no JSON object"),
        (says(b'{"data": "none"}'), "no list “data”"),
        (changes(lambda answer: {"data": answer["data"][:1]}), "2 inputs, answers to 0"),
        (changes(lambda answer: {"data": answer["data"] * 2}), "2 inputs, answers to 0, 1, 0, 1"),
        (changes(lambda answer: {"data": [answer["data"][0], answer["data"][0]]}), "2 inputs, answers to 0, 0"),
        (changes(lambda answer: with_vector(answer, 0, ["a"])), "no list of numbers"),
        (changes(lambda answer: with_vector(answer, 0, "!!")), "no list of numbers"),
        (changes(lambda answer: with_vector(answer, 0, [[1.0]])), "no list of numbers"),
        (changes(lambda answer: with_vector(answer, 0, [1.0, 2.0])), r"vectors of \[2, 256\] dimensions"),
    ],
)
def test_an_answer_that_is_none_is_refused(
    fault: Any, words: str, remote: EncoderBackend, server: TinyModelServer
) -> None:
    server.faults.append(fault)
    with pytest.raises(EncoderError, match=words):
        encode(remote, "하나", "두 번째 문항")


def test_an_answer_in_another_order_is_put_right(
    remote: EncoderBackend, server: TinyModelServer, hashing: EncoderBackend
) -> None:
    server.faults.append(changes(lambda answer: {"data": answer["data"][::-1]}))
    np.testing.assert_allclose(encode(remote, "하나", "둘"), encode(hashing, "하나", "둘"), atol=1e-6)


# ---- the key


def test_a_server_with_a_key_is_asked_with_it(settings: Any, server: TinyModelServer, remote: EncoderBackend) -> None:
    remote.unload()
    server.key = KEY
    settings.MODEL_SERVER_KEYS = {"lab": KEY}
    assert encode(remote, "문항").shape == (1, 256)


@pytest.mark.parametrize("key", ["", "sk-wrong-9876543210"])
def test_a_refused_key_is_said_and_not_shown(
    key: str, settings: Any, server: TinyModelServer, remote: EncoderBackend, caplog: pytest.LogCaptureFixture
) -> None:
    remote.unload()
    caplog.set_level(logging.DEBUG)
    server.key = KEY
    settings.MODEL_SERVER_KEYS = {"lab": key} if key else {}
    with pytest.raises(
        ModelUnavailable, match="refuses our key; put the right one into ITEMBANK_MODEL_SERVER_KEYS"
    ) as e:
        encode(remote, "문항")
    assert not key or key not in f"{e.value}{e.value.__cause__}{caplog.text}"


def test_a_server_that_repeats_our_key_does_not_make_us_repeat_it(
    settings: Any, server: TinyModelServer, remote: EncoderBackend, caplog: pytest.LogCaptureFixture
) -> None:
    remote.unload()
    caplog.set_level(logging.DEBUG)
    settings.MODEL_SERVER_KEYS = {"lab": KEY}
    server.always = fails(500, f"internal error for {KEY}")
    with pytest.raises(ModelUnavailable, match=r"internal error for \*\*\*") as failure:
        encode(remote, "문항")
    assert KEY not in f"{failure.value}{failure.value.__cause__}{caplog.text}"


# ---- a job


@pytest.mark.django_db(transaction=True)
def test_a_job_is_held_while_its_server_is_down_and_goes_on_when_it_is_up(server: TinyModelServer, work: Work) -> None:
    encoder, local = create_encoder(preset="hashing", slug="grams-lab", server="lab"), make_encoder("hashing")
    make_items(120)
    job = start_job(encoder=encoder, scope=EmbeddingJob.Scope.MISSING)
    server.stop()
    with pytest.raises(JobStuckError, match=rf"lab \({server.url}\) does not answer") as stuck:
        work(job)
    hold_stuck_job(job=job, error=str(stuck.value))
    job.refresh_from_db()
    assert (job.state, job.error, progress(job).pending) == (EmbeddingJob.State.PAUSED, str(stuck.value), 120)
    server.start()
    assert work(resume_job(job=job)).state == EmbeddingJob.State.COMPLETED
    work(start_job(encoder=local, scope=EmbeddingJob.Scope.MISSING))
    assert np.abs(stored(encoder) - stored(local)).max() < 1e-3  # stored in 16 bit
    SLOT.unload_idle(seconds=0)


def stored(encoder: Encoder) -> Any:
    rows = Embedding.objects.filter(encoder=encoder).order_by("item")
    return np.array([np.array(row.embedding) for row in rows])
