"""Checkpoints with random weights: whole, the same every time, and in shards where they are large."""

from pathlib import Path
from typing import Any

import pytest

from embeddings.benchmarks import checkpoints
from embeddings.benchmarks.checkpoints import known_models, write_checkpoint
from embeddings.encoders.presets import PRESETS

KURE = "nlpai-lab/KURE-v1"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def loaded(folder: Path, kind: str) -> Any:
    import transformers

    return getattr(transformers, kind).from_pretrained(folder, output_loading_info=True, local_files_only=True)


def test_there_is_one_for_every_preset_with_weights() -> None:
    drafts = [preset.draft for preset in PRESETS.values() if preset.draft.precision == "auto"]
    assert {draft.model_id for draft in drafts} <= set(known_models())


@pytest.mark.parametrize("model_id", known_models())
def test_the_same_seed_gives_the_same_bytes(model_id: str, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        write_checkpoint(model_id, tmp_path / name, size="tiny", seed=seed)
    assert contents(tmp_path / "one") == contents(tmp_path / "again")
    assert contents(tmp_path / "one")["model.safetensors"] != contents(tmp_path / "other")["model.safetensors"]


@pytest.mark.parametrize(
    ("model_id", "kind"),
    [
        ("Qwen/Qwen3-VL-Embedding-2B", "Qwen3VLForConditionalGeneration"),
        ("google/siglip-base-patch16-256-i18n", "SiglipModel"),
        (KURE, "XLMRobertaModel"),
    ],
)
def test_every_weight_of_the_model_is_there_and_no_other(model_id: str, kind: str, tmp_path: Path) -> None:
    write_checkpoint(model_id, tmp_path / "tiny", size="tiny", seed=1)
    _model, report = loaded(tmp_path / "tiny", kind)
    assert not any(report[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))


def test_a_large_checkpoint_is_written_in_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(KURE, tmp_path / "whole", size="tiny", seed=1)
    monkeypatch.setattr(checkpoints, "SHARD_BYTES", 50_000)
    write_checkpoint(KURE, tmp_path / "shards", size="tiny", seed=1)
    assert len(list((tmp_path / "shards").glob("model-*.safetensors"))) > 1
    (whole, _), (sharded, report) = (loaded(tmp_path / name, "XLMRobertaModel") for name in ("whole", "shards"))
    assert not report["missing_keys"]
    assert all((sharded.state_dict()[name] == each).all() for name, each in whole.state_dict().items())
