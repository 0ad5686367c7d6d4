"""Number formats: each loads and computes, none falls back to another, and what does not fit is said beforehand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen3VLModel

from embeddings.encoders import precision
from embeddings.encoders.errors import EncoderError, ModelUnavailable
from embeddings.encoders.precision import LoadPlan, check_room, load_plan, native_precision, weight_bytes
from embeddings.encoders.presets import PRESETS
from embeddings.encoders.registry import create_backend
from embeddings.encoders.weights import ModelFiles, locate

TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "nf4": torch.float32}
on_cpu = pytest.mark.skipif(torch.cuda.is_available(), reason="counts what a CPU computes in")


@pytest.fixture
def files(models_dir: Path) -> ModelFiles:
    return locate("Qwen/Qwen3-VL-Embedding-2B")


def loaded(files: ModelFiles, plan: LoadPlan) -> Any:
    return Qwen3VLModel.from_pretrained(files.path, **plan.arguments)


@on_cpu
@pytest.mark.parametrize("name", ["fp32", "fp16", "bf16", "nf4"])
def test_each_precision_loads_in_its_type_and_computes(files: ModelFiles, name: str) -> None:
    model = loaded(files, load_plan(name, files))
    with torch.inference_mode():
        states = model(input_ids=torch.arange(1, 40)[None]).last_hidden_state
    assert states.dtype == TYPES[name]
    assert bool(torch.isfinite(states).all())


@pytest.mark.parametrize("name", ["fp32", "fp16", "bf16", "nf4"])
def test_the_estimate_is_what_the_loaded_weights_take(files: ModelFiles, name: str) -> None:
    taken = loaded(files, load_plan(name, files)).get_memory_footprint()
    assert weight_bytes(files, name) == pytest.approx(taken, rel=0.01)


def test_nf4_leaves_the_vision_tower_as_it_is(files: ModelFiles) -> None:
    model = loaded(files, load_plan("nf4", files))
    quantised = {name for name, weights in model.named_parameters() if weights.dtype == torch.uint8}
    assert quantised
    assert not any("visual" in name for name in quantised)


def test_what_does_not_fit_is_said_with_nf4_as_the_way_out(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_free_bytes", lambda device: 1_000_000)
    with pytest.raises(ModelUnavailable, match=r"GB in fp16, and cuda has 0\.0 GB free; .* the precision nf4"):
        check_room("fp16", files, "cuda")


def test_where_nf4_does_not_fit_nothing_smaller_is_named(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_free_bytes", lambda device: 1_000_000)
    with pytest.raises(ModelUnavailable, match=r"GB in nf4, and cuda has 0\.0 GB free$"):
        check_room("nf4", files, "cuda")


@pytest.mark.parametrize(
    ("slug", "named"), [("qwen3-vl-2b-mm-mean", True), ("kure-v1", False), ("siglip-so400m", False)]
)
def test_nf4_is_the_way_out_only_for_models_that_take_it(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, slug: str, named: bool
) -> None:
    monkeypatch.setattr(precision, "_free_bytes", lambda device: 1_000_000)
    backend = create_backend(replace(PRESETS[slug].spec(), precision="fp16"))
    with pytest.raises(ModelUnavailable, match=r"GB in fp16, and .* has 0\.0 GB free") as refusal:
        backend.load()
    assert ("nf4" in str(refusal.value)) is named


def test_a_plan_is_refused_where_the_weights_do_not_fit(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_free_bytes", lambda device: 1_000_000)
    with pytest.raises(ModelUnavailable, match="make an encoder with the precision nf4"):
        load_plan("fp16", files)


def test_weights_that_just_fit_are_let_in(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_free_bytes", lambda device: int(weight_bytes(files, "fp16") + 256e6) + 1)
    check_room("fp16", files, "cuda")


@on_cpu
def test_a_cpu_computes_in_32_bit() -> None:
    assert native_precision() == "fp32"


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_bf16_is_native_from_ampere_on(
    capability: tuple[int, int], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_gpu(capability, monkeypatch)
    assert native_precision() == expected


def test_bf16_on_a_gpu_without_it_is_refused(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_gpu((7, 5), monkeypatch)
    with pytest.raises(ModelUnavailable, match="does not compute in bf16"):
        load_plan("bf16", files)


@pytest.mark.parametrize("name", ["auto", "int8"])
def test_what_is_no_precision_to_load_in_is_refused_with_the_list(files: ModelFiles, name: str) -> None:
    with pytest.raises(EncoderError, match="fp32, fp16, bf16, nf4"):
        load_plan(name, files)


def pretend_gpu(capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "device_name", lambda: "cuda")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
