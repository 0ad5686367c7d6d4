"""Where models' files come from: folders of this machine and the hub, pinned, whole, safetensors only."""

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import save_file

from embeddings.encoders.errors import EncoderError, ModelUnavailable
from embeddings.encoders.weights import ModelFiles, Tensor, locate

MODEL = "someone/Model-1.5"
COMMIT, OTHER_COMMIT = "a" * 40, "b" * 40


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    """A whole model in the folder where `locate` looks for it."""
    settings.MODELS_DIR = tmp_path / "models"
    place: Path = settings.MODELS_DIR / MODEL
    write_model(place)
    return place


def write_model(place: Path) -> None:
    place.mkdir(parents=True)
    (place / "config.json").write_text('{"hidden_size": 8}')
    save_file({"layer.weight": np.ones((4, 8), np.float32)}, place / "model.safetensors")


def write_sharded_model(place: Path) -> None:
    place.mkdir(parents=True)
    names = {f"layer{number}.weight": f"model-0000{number}-of-00002.safetensors" for number in (1, 2)}
    for tensor, file in names.items():
        save_file({tensor: np.ones((4, 8), np.float16)}, place / file)
    (place / "config.json").write_text("{}")
    (place / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def note_download(place: Path, commit: str = COMMIT) -> None:
    """What `hf download --local-dir` leaves beside the files."""
    notes = place / ".cache/huggingface/download"
    notes.mkdir(parents=True, exist_ok=True)
    for file in filter(Path.is_file, place.glob("*.*")):
        etag = hashlib.sha256(file.read_bytes()).hexdigest()
        (notes / f"{file.name}.metadata").write_text(f"{commit}\n{etag}\n{time.time()}\n")


def make_newer(file: Path) -> None:
    """As a copy is that does not keep the time."""
    later = time.time() + 60
    os.utime(file, (later, later))


# ---- a folder


def test_a_model_is_found_in_the_models_folder(folder: Path) -> None:
    files = locate(MODEL)
    assert files.path == folder
    assert files.config() == {"hidden_size": 8}


def test_a_linked_folder_is_followed(folder: Path, tmp_path: Path) -> None:
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert locate(MODEL).revision.startswith("sha256:")


def test_the_headers_tell_the_tensors(folder: Path) -> None:
    assert list(locate(MODEL).tensors()) == [Tensor("layer.weight", (4, 8))]


def test_a_model_in_several_files_is_one(folder: Path) -> None:
    shutil.rmtree(folder)
    write_sharded_model(folder)
    assert [tensor.name for tensor in locate(MODEL).tensors()] == ["layer1.weight", "layer2.weight"]


def test_a_missing_part_of_the_weights_is_named(folder: Path) -> None:
    shutil.rmtree(folder)
    write_sharded_model(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match=r"model-00002-of-00002.safetensors missing .* hf download someone/"):
        locate(MODEL)


def test_a_download_that_stopped_before_its_first_weights_is_incomplete(folder: Path) -> None:
    shutil.rmtree(folder)
    write_sharded_model(folder)
    for file in folder.glob("*.safetensors"):
        file.unlink()
    with pytest.raises(ModelUnavailable, match=r"model-00001-of-00002.safetensors, model-00002-of-00002"):
        locate(MODEL)


@pytest.mark.parametrize("kept", [0, 5, 60, -1])
def test_weights_that_were_cut_off_are_refused(folder: Path, kept: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ModelUnavailable, match=r"model.safetensors missing or cut off"):
        locate(MODEL)


def test_pickled_weights_are_not_loaded(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match=f"no safetensors weights.*hf download {MODEL} --local-dir {folder}"):
        locate(MODEL)


def test_a_broken_configuration_is_named(folder: Path) -> None:
    (folder / "config.json").write_text('{"hidden')
    with pytest.raises(ModelUnavailable, match=r"config\.json cannot be read"):
        locate(MODEL).config()


@pytest.mark.parametrize("name", ["../secrets", "a/../../b", "/etc", "a/b/c", "model", "..", "a/..", "a\\b/c", "a/b\n"])
def test_a_name_cannot_lead_out_of_the_models_folder(folder: Path, name: str) -> None:
    with pytest.raises(EncoderError, match="organisation/model"):
        locate(name)


# ---- its revision


def test_the_commit_that_the_download_noted_is_the_revision(folder: Path) -> None:
    note_download(folder)
    assert locate(MODEL, COMMIT).revision == COMMIT


def test_a_copy_of_a_download_keeps_its_commit(folder: Path) -> None:
    note_download(folder)
    make_newer(folder / "model.safetensors")
    assert locate(MODEL).revision == COMMIT


def test_gits_hash_of_a_small_file_is_understood(folder: Path) -> None:
    note_download(folder)
    config = (folder / "config.json").read_bytes()
    etag = hashlib.sha1(b"blob %d\0%b" % (len(config), config), usedforsecurity=False).hexdigest()
    note = folder / ".cache/huggingface/download/config.json.metadata"
    note.write_text(f"{COMMIT}\n{etag}\n{time.time()}\n")
    make_newer(folder / "config.json")
    assert locate(MODEL).revision == COMMIT


def test_a_file_changed_since_its_download_loses_the_commit(folder: Path) -> None:
    note_download(folder)
    (folder / "config.json").write_text('{"hidden_size": 16}')
    make_newer(folder / "config.json")
    assert locate(MODEL).revision.startswith("sha256:")


def test_weights_of_two_downloads_have_no_commit(folder: Path) -> None:
    shutil.rmtree(folder)
    write_sharded_model(folder)
    note_download(folder)
    note = folder / ".cache/huggingface/download/model-00001-of-00002.safetensors.metadata"
    note.write_text(note.read_text().replace(COMMIT, OTHER_COMMIT))
    assert locate(MODEL).revision.startswith("sha256:")


def test_another_revision_is_refused_with_the_command_that_fetches_it(folder: Path) -> None:
    note_download(folder)
    command = f"hf download {MODEL} --revision {OTHER_COMMIT} --local-dir {folder}"
    with pytest.raises(ModelUnavailable, match=command):
        locate(MODEL, OTHER_COMMIT)


def test_contents_stand_for_a_revision_that_nobody_noted(folder: Path) -> None:
    before = locate(MODEL).revision
    assert locate(MODEL, before).path == folder
    save_file({"layer.weight": np.zeros((4, 8), np.float32)}, folder / "model.safetensors")
    with pytest.raises(ModelUnavailable, match="copy that folder there"):
        locate(MODEL, before)


def test_files_in_sub_folders_count_as_contents(folder: Path) -> None:
    before = locate(MODEL).revision
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text("{}")
    assert locate(MODEL).revision != before


def test_a_folder_that_nobody_noted_is_not_looked_for_on_the_hub(folder: Path) -> None:
    revision = locate(MODEL).revision
    shutil.rmtree(folder)
    with pytest.raises(ModelUnavailable, match="copy that folder there"):
        locate(MODEL, revision)


# ---- the hub


class Hub:
    """A server that speaks the hub's endpoints, with one model at one commit."""

    def __init__(self, folder: Path) -> None:
        self.contents = {file.name: file.read_bytes() for file in folder.glob("*.*") if file.is_file()}
        self.asked: list[str] = []
        self.status = 200
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        self.asked.append(path)
        model = f"/api/models/{MODEL}"
        if self.status != 200:
            return self.status, b"", {}
        if path in {model, f"{model}/revision/main", f"{model}/revision/{COMMIT}"}:
            return 200, json.dumps({"id": MODEL, "sha": COMMIT, "siblings": []}).encode(), {}
        if path.startswith(f"{model}/tree/{COMMIT}"):
            tree = [self._entry(name) for name in self.contents]
            return 200, json.dumps(tree).encode(), {}
        name = path.rpartition("/")[2]
        if path.startswith(f"/{MODEL}/resolve/{COMMIT}/") and name in self.contents:
            return 200, self.contents[name], {"ETag": f'"{self._hash(name)}"', "X-Repo-Commit": COMMIT}
        return 404, b"", {"X-Error-Code": "RevisionNotFound" if path.startswith(model) else "RepoNotFound"}

    def _entry(self, name: str) -> dict[str, Any]:
        return {"type": "file", "path": name, "size": len(self.contents[name]), "oid": self._hash(name)}

    def _hash(self, name: str) -> str:
        return hashlib.sha1(self.contents[name], usedforsecurity=False).hexdigest()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body, headers = hub.answer(self.path.partition("?")[0])
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815 - the name that http.server asks for

            def log_message(self, *args: Any) -> None:
                pass

        return Handler


@pytest.fixture
def hub(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    settings.MODELS_DIR = tmp_path / "models"
    write_sharded_model(tmp_path / "repository")
    (tmp_path / "repository/pytorch_model.bin").write_bytes(b"pickled")
    (tmp_path / "repository/modeling.py").write_text("raise SystemExit")
    (tmp_path / "repository/tokenizer.model").write_text("pieces")
    served = Hub(tmp_path / "repository")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    point_at(served.address, monkeypatch)
    yield served
    served.close()


def point_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")


def names(files: ModelFiles) -> set[str]:
    return {file.name for file in files.path.iterdir()}


def test_a_model_that_is_not_here_comes_from_the_hub_pinned_by_its_commit(hub: Hub) -> None:
    files = locate(MODEL)
    assert files.revision == COMMIT
    assert [tensor.name for tensor in files.tensors()] == ["layer1.weight", "layer2.weight"]


def test_neither_pickled_weights_nor_code_are_downloaded(hub: Hub) -> None:
    assert not names(locate(MODEL)) & {"pytorch_model.bin", "modeling.py"}
    assert "tokenizer.model" in names(locate(MODEL))


def test_without_weights_only_small_files_are_downloaded(hub: Hub) -> None:
    assert names(locate(MODEL, weights=False)) == {"config.json", "model.safetensors.index.json"}


def test_weights_follow_where_only_the_small_files_were_downloaded(hub: Hub) -> None:
    revision = locate(MODEL, weights=False).revision
    assert "model-00002-of-00002.safetensors" in names(locate(MODEL, revision))


def test_a_pinned_model_in_the_cache_needs_no_hub(hub: Hub) -> None:
    locate(MODEL)
    hub.asked.clear()
    assert locate(MODEL, COMMIT).revision == COMMIT
    assert not hub.asked


def test_a_revision_that_the_hub_does_not_have_is_refused(hub: Hub) -> None:
    with pytest.raises(ModelUnavailable, match=f"hf download {MODEL} --revision {OTHER_COMMIT}"):
        locate(MODEL, OTHER_COMMIT)


def test_a_model_that_the_hub_does_not_have_is_refused(hub: Hub) -> None:
    with pytest.raises(ModelUnavailable, match="hf download someone/other --local-dir"):
        locate("someone/other")


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_a_hub_that_fails_is_named_quickly(hub: Hub, status: int) -> None:
    hub.status = status
    started = time.monotonic()
    with pytest.raises(ModelUnavailable, match="the hub does not give it"):
        locate(MODEL)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("revision", ["", COMMIT])
def test_an_unreachable_hub_is_named_quickly_with_the_command(
    hub: Hub, revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at("http://127.0.0.1:9", monkeypatch)
    started = time.monotonic()
    with pytest.raises(ModelUnavailable, match=f"hf download {MODEL}"):
        locate(MODEL, revision)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("revision", ["", COMMIT])
def test_what_the_cache_holds_is_used_while_the_hub_is_away(
    hub: Hub, revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    locate(MODEL)
    point_at("http://127.0.0.1:9", monkeypatch)
    assert locate(MODEL, revision).revision == COMMIT


def test_offline_the_hub_is_not_asked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable, match="hf download"):
        locate(MODEL)
    assert not hub.asked


@pytest.mark.parametrize(
    "header", ["[1, 2]", '{"layer": {"shape": [1]}}', '{"layer": 3}', "{", '{"l": {"data_offsets": []}}']
)
def test_a_file_with_a_strange_header_is_named_and_refused(folder: Path, header: str) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header.encode())
    with pytest.raises(ModelUnavailable, match="download"):
        list(locate(MODEL).tensors())


def test_another_models_config_is_named_and_refused(folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"config\.json cannot be read"):
        locate(MODEL).width("text_config", "hidden_size")
