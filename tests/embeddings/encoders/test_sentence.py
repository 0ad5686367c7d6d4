"""KURE and its like: the vectors of sentence-transformers' own encode, from a tiny checkpoint of the same classes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embeddings.encoders.base import EncoderBackend, EncoderInput, EncoderSpec, Role, Vectors
from embeddings.encoders.errors import EncoderError, ModelUnavailable, OutOfMemory
from embeddings.encoders.presets import PRESETS
from embeddings.encoders.registry import create_backend
from tests.embeddings.encoders.conftest import TEXTS, preset_backend

KURE = "nlpai-lab/KURE-v1"


@pytest.fixture
def kure() -> EncoderBackend:
    return preset_backend("kure-v1")


def kure_spec(**changes: Any) -> EncoderSpec:
    return replace(PRESETS["kure-v1"].spec(), **{"precision": "fp32", **changes})


def encode(backend: EncoderBackend, *texts: str, role: Role = Role.DOCUMENT) -> Vectors:
    return backend.encode([EncoderInput(text) for text in texts], role)


def own_encode(folder: Path, texts: tuple[str, ...], prompt: str | None = None) -> Vectors:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder / KURE), device="cpu", local_files_only=True)
    # Alone, so that its padding plays no part.
    rows = [model.encode([text], prompt=prompt, show_progress_bar=False)[0] for text in texts]
    vectors: Vectors = np.stack(rows)
    return vectors


@pytest.fixture
def copied(models_dir: Path, tmp_path: Path, settings: Any) -> Path:
    """A copy of the tiny model that a test may break."""
    settings.MODELS_DIR = tmp_path
    folder = tmp_path / KURE
    shutil.copytree(models_dir / KURE, folder)
    return folder


def test_vectors_equal_the_librarys_own(kure: EncoderBackend, models_dir: Path) -> None:
    texts = (*TEXTS, "각의 크기 " * 400, "</end>", "  앞뒤 공백  ", "🧮")
    np.testing.assert_allclose(encode(kure, *texts), own_encode(models_dir, texts), atol=1e-5)


def test_the_instruction_comes_before_the_text_on_its_side(models_dir: Path) -> None:
    backend = create_backend(kure_spec(query_instruction="질문: "))
    asked = encode(backend, *TEXTS, role=Role.QUERY)
    np.testing.assert_allclose(asked, own_encode(models_dir, TEXTS, "질문: "), atol=1e-5)
    np.testing.assert_allclose(encode(backend, *TEXTS), own_encode(models_dir, TEXTS), atol=1e-5)


def test_the_definition_is_completed_from_the_files(models_dir: Path) -> None:
    config = json.loads((models_dir / KURE / "config.json").read_text())
    spec = PRESETS["kure-v1"].spec()
    assert spec.dimensions == config["hidden_size"] == 32
    assert spec.revision.startswith("sha256:")


def test_a_text_is_cut_at_max_length_tokens() -> None:
    backend = create_backend(kure_spec(max_length=16))
    long, short = backend.preprocess([EncoderInput(TEXTS[0] * 20), EncoderInput("광합성")], Role.DOCUMENT).costs
    assert long == 16
    assert 3 <= short < 16


def test_the_cost_is_the_exact_number_of_tokens(kure: EncoderBackend) -> None:
    items = [EncoderInput(text) for text in (*TEXTS, TEXTS[0] * 100)]
    assert [kure.cost(item) for item in items] == list(kure.preprocess(items, Role.DOCUMENT).costs)


def test_a_text_that_names_a_file_is_a_text(kure: EncoderBackend, tmp_path: Path) -> None:
    path = tmp_path / "문항.txt"
    before = encode(kure, str(path))
    path.write_text("광합성")
    np.testing.assert_array_equal(encode(kure, str(path)), before)


def test_names_of_special_tokens_stay_text(kure: EncoderBackend) -> None:
    written, begin = kure.preprocess([EncoderInput("a</s><pad>"), EncoderInput("a")], Role.DOCUMENT).payload
    assert list(written[:1]) + list(written[-1:]) == [0, 2]
    assert not {0, 1, 2} & set(written[1:-1])
    assert len(begin) < len(written)


def test_no_weights_are_a_clear_error(settings: Any, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path
    (tmp_path / KURE).mkdir(parents=True)
    with pytest.raises(ModelUnavailable, match="hf download nlpai-lab/KURE-v1"):
        PRESETS["kure-v1"].spec()


def test_pickled_weights_alone_are_not_loaded(copied: Path) -> None:
    spec = kure_spec()
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="no safetensors weights"):
        create_backend(spec).load()


def test_another_revision_than_the_encoders_is_refused(copied: Path) -> None:
    with pytest.raises(ModelUnavailable, match="with 0123abc"):
        create_backend(kure_spec(revision="0123abc", dimensions=32)).load()


def test_a_damaged_config_is_refused(copied: Path) -> None:
    (copied / "1_Pooling/config.json").write_text("{")
    with pytest.raises(ModelUnavailable, match="does not load"):
        create_backend(kure_spec()).load()


def test_another_models_config_is_named_and_refused(copied: Path) -> None:
    (copied / "config.json").write_text('{"text_config": {"hidden_size": 64}}')
    with pytest.raises(ModelUnavailable, match=r"config\.json cannot be read .*hidden_size"):
        PRESETS["kure-v1"].spec()


def test_a_list_of_modules_that_is_none_is_named_and_refused(copied: Path) -> None:
    (copied / "modules.json").write_text('[{"path": "1_Pooling"}]')
    with pytest.raises(ModelUnavailable, match=r"modules\.json cannot be read .*type"):
        PRESETS["kure-v1"].spec()


def test_a_folder_that_was_replaced_since_its_tokeniser_was_read_is_not_loaded(copied: Path) -> None:
    backend = create_backend(kure_spec())
    backend.preprocess([EncoderInput("광합성")], Role.DOCUMENT)
    (copied / "config_sentence_transformers.json").write_text('{"replaced": true}')
    with pytest.raises(ModelUnavailable, match="is not that one"):
        backend.load()


def test_a_missing_weight_is_not_made_up(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelUnavailable, match=r"lack 1 .*encoder\.layer\.1\.output\.dense\.weight"):
        create_backend(kure_spec()).load()


def test_code_beside_the_weights_is_not_run(copied: Path) -> None:
    modules = json.loads((copied / "modules.json").read_text())
    modules[1]["type"] = "pooling.Own"
    (copied / "modules.json").write_text(json.dumps(modules))
    (copied / "pooling.py").write_text("raise SystemExit('ran')\n")
    with pytest.raises(EncoderError, match=r"code of its own \(pooling\.Own\)"):
        create_backend(kure_spec()).load()


def test_four_bits_are_refused_before_anything_loads() -> None:
    with pytest.raises(EncoderError, match="nf4"):
        create_backend(kure_spec(precision="nf4"))


def test_a_batch_that_does_not_fit_blames_no_item(kure: EncoderBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    kure.load()

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(kure._model, "forward", full)  # type: ignore[attr-defined]
    with pytest.raises(OutOfMemory):
        encode(kure, "광합성")
