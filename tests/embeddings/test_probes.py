"""A server is believed only where its answers to fixed inputs are those on file."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from embeddings.encoders import probes
from embeddings.encoders.base import EncoderBackend, Modality, Role
from embeddings.encoders.errors import EncoderError, ModelUnavailable
from embeddings.encoders.presets import PRESETS
from embeddings.encoders.registry import backend_class, create_backend
from embeddings.encoders.remote import served
from embeddings.model_servers import ModelServer, Patience
from embeddings.services import create_encoder
from tests.embeddings.model_server import TinyModelServer

QWEN = "qwen3-vl-2b-mm-mean"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelServer, "patience", Patience(attempts=1, connect=1, answer=30))


@pytest.fixture
def own_models(settings: Any, tmp_path: Path, models_dir: Path) -> Path:
    """The tiny models, in a folder where each test has probes of its own."""
    (tmp_path / "models").mkdir()
    for each in models_dir.iterdir():
        (tmp_path / "models" / each.name).symlink_to(each)
    settings.MODELS_DIR = tmp_path / "models"
    return tmp_path / "models"


@pytest.fixture
def server(settings: Any, own_models: Path) -> Iterator[TinyModelServer]:
    with TinyModelServer(local(QWEN)) as running:
        settings.MODEL_SERVERS = {"lab": running.url}
        yield running


@cache
def local(slug: str) -> EncoderBackend:
    spec = PRESETS[slug].spec()
    return create_backend(backend_class(spec.backend).settled(spec))


def remote() -> EncoderBackend:
    return create_backend(PRESETS[QWEN].spec(server="lab"))


def load(backend: EncoderBackend) -> None:
    try:
        backend.load()
    finally:
        backend.unload()


@pytest.mark.django_db
def test_a_server_with_the_recorded_vectors_is_taken(server: TinyModelServer, capsys: Any) -> None:
    call_command("record_probe", encoder=QWEN)
    load(remote())
    assert "holds the vectors of 8 test inputs" in capsys.readouterr().out


@pytest.mark.django_db
def test_a_server_that_pools_differently_is_refused_with_its_lowest_cosine(server: TinyModelServer) -> None:
    call_command("record_probe", encoder=QWEN)
    server.encoder = local("qwen3-vl-2b-mm-last")
    with pytest.raises(EncoderError, match=r"lowest cosine with .*npz is -?0\.\d{3} .*It pools differently"):
        load(remote())


@pytest.mark.django_db
def test_a_server_that_leaves_out_the_instruction_is_refused(
    server: TinyModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_command("record_probe", encoder=QWEN)
    answer = server.answer
    monkeypatch.setattr(server, "answer", lambda path, body: answer(path, without_instruction(body)))
    with pytest.raises(EncoderError, match=r"leaves out the instruction"):
        load(remote())


def without_instruction(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "messages": [{"role": "system", "content": [{"type": "text", "text": ""}]}, body["messages"][1]]}


@pytest.mark.django_db
def test_a_server_that_cannot_see_images_is_refused(server: TinyModelServer) -> None:
    call_command("record_probe", encoder=QWEN)
    server.refused_text = "image_url"
    with pytest.raises(ModelUnavailable, match="does not encode our test inputs: this text is too long"):
        load(remote())


def test_without_a_file_the_message_names_the_command_and_the_place(server: TinyModelServer) -> None:
    spec = PRESETS[QWEN].spec(server="lab")
    server.requests.clear()
    with pytest.raises(ModelUnavailable, match=r"manage\.py record_probe --encoder SLUG") as failure:
        load(create_backend(spec))
    assert str(probes.place(spec)) in str(failure.value)
    assert not server.requests


def test_the_file_is_the_same_whoever_runs_the_model(server: TinyModelServer) -> None:
    spec = PRESETS[QWEN].spec()
    others = (PRESETS[QWEN].spec(server="lab"), replace(spec, precision="nf4", revision="1"))
    assert {probes.place(other) for other in others} == {probes.place(spec)}


@pytest.mark.parametrize(
    "change",
    [
        {"model_id": "other"},
        {"modality": Modality.TEXT},
        {"dimensions": 1},
        {"pooling": "last"},
        {"document_instruction": "Find."},
        {"query_instruction": "Find."},
        {"max_length": 7},
        {"min_pixels": 1},
        {"max_pixels": 1},
    ],
)
def test_another_space_has_another_file(change: dict[str, Any]) -> None:
    spec = PRESETS[QWEN].draft
    assert probes.place(replace(spec, **change)) != probes.place(spec)


def test_text_queries_of_an_image_space_are_checked_too() -> None:
    draft = PRESETS["siglip-base-i18n"].draft
    roles = [role for _item, role in probes.inputs(served(draft, "lab"))]
    assert roles == [Role.DOCUMENT] * 2 + [Role.QUERY] * 3
    without = served(PRESETS["siglip-so400m"].draft, "lab")
    assert all(item.images for item, _role in probes.inputs(without))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b"PK\x03\x04 cut short"),
        lambda path: np.savez(path, vectors=np.ones((8, 64))),
        lambda path: np.savez(path, vectors=np.array([{}]), inputs="x"),
        lambda path: np.savez(path, vectors=np.ones((8, 64)), inputs="of other inputs"),
    ],
)
def test_a_file_that_cannot_serve_is_to_be_recorded_again(write: Any, own_models: Path) -> None:
    spec = PRESETS[QWEN].spec()
    probes.place(spec).parent.mkdir()
    write(probes.place(spec))
    with pytest.raises(ModelUnavailable, match="record it again"):
        probes.read(spec)


@pytest.mark.django_db
def test_recording_from_a_server_needs_trust(server: TinyModelServer) -> None:
    create_encoder(preset=QWEN, slug="lab-qwen", server="lab")
    with pytest.raises(CommandError, match="would be compared with itself"):
        call_command("record_probe", encoder="lab-qwen")
    assert not list(probes.place(PRESETS[QWEN].draft).parent.glob("*"))


@pytest.mark.django_db
def test_a_trusted_server_is_held_to_what_it_said(server: TinyModelServer) -> None:
    create_encoder(preset=QWEN, slug="lab-qwen", server="lab")
    call_command("record_probe", encoder="lab-qwen", trust_server=True)
    load(remote())
    server.encoder = local("qwen3-vl-2b-mm-last")
    with pytest.raises(EncoderError, match="does not make the vectors of this encoder"):
        load(remote())


@pytest.mark.django_db
def test_a_recording_can_go_to_another_place(own_models: Path, tmp_path: Path) -> None:
    call_command("record_probe", encoder="hashing", output=tmp_path / "copied.npz")
    spec = PRESETS["hashing"].spec()
    assert not probes.place(spec).exists()
    probes.place(spec).parent.mkdir()
    (tmp_path / "copied.npz").rename(probes.place(spec))
    assert probes.read(spec).vectors.shape == (4, 256)


@pytest.mark.django_db
def test_recording_an_unknown_encoder_is_an_error(own_models: Path) -> None:
    with pytest.raises(CommandError, match="no encoder or preset “nonsense”"):
        call_command("record_probe", encoder="nonsense")
