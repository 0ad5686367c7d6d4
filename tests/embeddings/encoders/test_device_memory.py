"""What a model takes of the device, it gives back: after a pass that failed, and when it is unloaded."""

import gc
import shutil
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embeddings.encoders.base import EncoderBackend
from embeddings.encoders.errors import ModelUnavailable, OutOfMemory
from embeddings.encoders.hashing import HashingBackend
from embeddings.encoders.presets import PRESETS
from embeddings.encoders.qwen3_vl.network import Network
from embeddings.encoders.qwen3_vl.prompt import TokenSequence
from embeddings.encoders.registry import backend_class, create_backend
from embeddings.encoders.torch_models import inference


def test_a_pass_without_room_leaves_no_tensor_while_the_smaller_batch_runs() -> None:
    import torch

    held: list[weakref.ref[torch.Tensor]] = []

    def layer() -> None:
        activations = torch.zeros(8)
        held.append(weakref.ref(activations))
        raise torch.OutOfMemoryError("CUDA out of memory")

    @inference
    def forward() -> None:
        layer()

    with pytest.raises(OutOfMemory) as raised:
        forward()
    assert raised.value.__cause__  # the error lives on, as it does while the batch is halved
    assert held[0]() is None


@pytest.mark.parametrize(
    "message",
    ["CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"],
)
def test_a_library_without_room_is_out_of_memory_too(message: str) -> None:
    @inference
    def forward() -> None:
        raise RuntimeError(message)

    with pytest.raises(OutOfMemory):
        forward()


@pytest.mark.parametrize("slug", ["qwen3-vl-2b-mm-mean", "siglip-base-i18n", "kure-v1"])
def test_an_unloaded_model_is_gone(slug: str) -> None:
    draft = PRESETS[slug].spec()
    backend = create_backend(backend_class(draft.backend).settled(draft))
    gc.collect()
    before = _parameters()
    backend.load()
    assert _parameters() > before
    gc.disable()
    try:
        backend.unload()
        assert _parameters() == before
    finally:
        gc.enable()


def _parameters() -> int:
    import torch

    return sum(type(each) is torch.nn.Parameter for each in gc.get_objects())


class _TooLarge(HashingBackend):
    def load_model(self) -> int:
        return int(np.empty(2**50).nbytes)  # MemoryError


def test_no_room_for_the_model_itself_is_no_matter_of_batches() -> None:
    backend: EncoderBackend = _TooLarge(PRESETS["hashing"].spec())
    with pytest.raises(ModelUnavailable, match="allocate"):
        backend.load()
    assert not backend.loaded


def test_another_revision_that_came_into_the_folder_is_not_loaded(tmp_path: Path, settings: Any) -> None:
    shutil.copytree(settings.MODELS_DIR, tmp_path / "models")
    settings.MODELS_DIR = tmp_path / "models"
    spec = replace(PRESETS["qwen3-vl-2b-mm-mean"].spec(), precision="fp32")
    backend = create_backend(spec)
    backend.load()
    backend.unload()
    config = tmp_path / "models" / spec.model_id / "config.json"
    config.write_text(config.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(ModelUnavailable):
        backend.load()


class _Overflowing(Network):
    """A network whose padding came out as NaN."""

    def __init__(self) -> None:
        """Loads nothing."""

    def _states(self, sequences: Sequence[TokenSequence]) -> Any:
        import torch

        return torch.tensor([[[1.0], [3.0]], [[5.0], [float("nan")]]]), torch.tensor([2, 1])


def test_a_mean_takes_nothing_from_the_padding() -> None:
    assert _Overflowing().pooled([], "mean").tolist() == [[2.0], [5.0]]
