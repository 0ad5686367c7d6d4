"""Checkpoints with random weights, written without a download: the presets' models in full size, or tiny.

Full size shows speed and memory on any machine; tiny ones are what tests run. The files are those of the real
checkpoints: config, safetensors, tokeniser. Vectors of random weights mean nothing.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import prod, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

from embeddings.benchmarks.tokenizers import write_qwen, write_siglip, write_xlm_roberta

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PretrainedConfig, PreTrainedModel

Size = Literal["full", "tiny"]

SHARD_BYTES = 2_000_000_000  # what is held in memory at once, but for a larger single tensor
_NORMS = ("norm", "layernorm", "layer_norm")


def write_checkpoint(model_id: str, folder: Path, *, size: Size, seed: int) -> None:
    """The files of `model_id` in `folder`, which is made; the same bytes for the same arguments.

    "full" has the architecture of the real model in bf16, "tiny" the same classes in fp32, under 1 MB. The tokenisers
    are trained on sample items and small: the rest of a full vocabulary is never used. Raises KeyError for a model
    that is in no preset.
    """
    write = _WRITERS[model_id]
    folder.mkdir(parents=True)
    write(folder, size, seed)


def known_models() -> tuple[str, ...]:
    """The models that `write_checkpoint` knows."""
    return tuple(_WRITERS)


# ---- architectures


@dataclass(frozen=True, slots=True)
class QwenSizes:
    """What differs between the models of the family; the vision tower's feed-forward width is `vision[2]`."""

    text: tuple[int, int, int, int, int, int]  # hidden, layers, heads, key-value heads, a head's width, feed-forward
    vision: tuple[int, int, int, int]  # hidden, depth, heads, feed-forward
    deepstack: tuple[int, ...]
    tied: bool
    mrope: tuple[int, int, int] = (24, 20, 20)
    vocabulary: int = 151_936
    positions: int = 2304  # of the vision tower


QWEN = {
    "2B": QwenSizes((2048, 28, 16, 8, 128, 6144), (1024, 24, 16, 4096), (5, 11, 17), tied=True),
    "8B": QwenSizes((4096, 36, 32, 8, 128, 12288), (1152, 27, 16, 4304), (8, 16, 24), tied=False),
    "tiny": QwenSizes(
        (64, 3, 4, 2, 16, 128), (64, 3, 4, 128), (0, 1), tied=True, mrope=(4, 2, 2), vocabulary=0, positions=256
    ),
}

# hidden, layers, heads, feed-forward, vocabulary (0: the tokeniser's), positions
KURE = {"full": (1024, 24, 16, 4096, 250_002, 8194), "tiny": (32, 2, 4, 64, 0, 514)}

# hidden, layers, heads, feed-forward: of both towers; image side, patch side, vocabulary
SIGLIP = {
    "siglip-so400m-patch14-384": (1152, 27, 16, 4304, 384, 14, 32_000),
    "siglip-base-patch16-256-i18n": (768, 12, 12, 3072, 256, 16, 250_000),
    "tiny": (32, 2, 4, 64, 32, 16, 0),
}


def _qwen(size_name: str, folder: Path, size: Size, seed: int) -> None:
    from transformers import Qwen3VLForConditionalGeneration

    ids = write_qwen(folder, pieces=600 if size == "tiny" else 4000)
    sizes = QWEN["tiny" if size == "tiny" else size_name]
    _write_json(folder / "preprocessor_config.json", _QWEN_IMAGES)
    _write_model(Qwen3VLForConditionalGeneration, _qwen_config(sizes, ids), folder, size, seed)


def _qwen_config(sizes: QwenSizes, ids: Mapping[str, int]) -> "PretrainedConfig":
    from transformers import Qwen3VLConfig

    return Qwen3VLConfig(
        text_config=_qwen_text(sizes, max(ids.values()) + 1),
        vision_config=_qwen_vision(sizes),
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=sizes.tied,
    )


def _qwen_text(sizes: QwenSizes, vocabulary: int) -> dict[str, Any]:
    hidden, layers, heads, key_value_heads, head, feed_forward = sizes.text
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_value_heads,
        "head_dim": head,
        "intermediate_size": feed_forward,
        "vocab_size": sizes.vocabulary or vocabulary,
        "max_position_embeddings": 262_144,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5_000_000.0,
            "mrope_section": list(sizes.mrope),
            "mrope_interleaved": True,
        },
        "tie_word_embeddings": sizes.tied,
    }


def _qwen_vision(sizes: QwenSizes) -> dict[str, Any]:
    hidden, depth, heads, feed_forward = sizes.vision
    return {
        "hidden_size": hidden,
        "depth": depth,
        "num_heads": heads,
        "intermediate_size": feed_forward,
        "out_hidden_size": sizes.text[0],
        "deepstack_visual_indexes": list(sizes.deepstack),
        "patch_size": 16,
        "num_position_embeddings": sizes.positions,
    }


_QWEN_IMAGES = {
    "image_processor_type": "Qwen2VLImageProcessorFast",
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "size": {"shortest_edge": 65_536, "longest_edge": 16_777_216},
    "processor_class": "Qwen3VLProcessor",
}


def _kure(folder: Path, size: Size, seed: int) -> None:
    from transformers import XLMRobertaConfig, XLMRobertaModel

    hidden, layers, heads, feed_forward, vocabulary, positions = KURE[size]
    pieces = write_xlm_roberta(folder, pieces=1000 if size == "tiny" else 4000, max_length=positions - 2)
    config = XLMRobertaConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=feed_forward,
        vocab_size=vocabulary or pieces,
        max_position_embeddings=positions,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    for name, content in _kure_modules(hidden, positions - 2).items():
        _write_json(folder / name, content)
    _write_model(XLMRobertaModel, config, folder, size, seed)


def _kure_modules(hidden: int, max_length: int) -> dict[str, Any]:
    kinds = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    return {
        "modules.json": [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for index, (path, kind) in enumerate(kinds)
        ],
        "sentence_bert_config.json": {"max_seq_length": max_length, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": hidden, "pooling_mode_cls_token": True},
        "2_Normalize/config.json": {},
    }


def _siglip(name: str, folder: Path, size: Size, seed: int) -> None:
    from transformers import SiglipConfig, SiglipModel

    hidden, layers, heads, feed_forward, side, patch, vocabulary = SIGLIP["tiny" if size == "tiny" else name]
    pieces = write_siglip(folder, pieces=1000 if size == "tiny" else 4000)
    tower = {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": feed_forward,
    }
    config = SiglipConfig(
        text_config={**tower, "vocab_size": vocabulary or pieces, "bos_token_id": None, "eos_token_id": 1},
        vision_config={**tower, "image_size": side, "patch_size": patch},
    )
    _write_json(folder / "preprocessor_config.json", _siglip_images(side))
    _write_model(SiglipModel, config, folder, size, seed)


def _siglip_images(side: int) -> dict[str, Any]:
    return {
        "image_processor_type": "SiglipImageProcessor",
        "processor_class": "SiglipProcessor",
        "do_resize": True,
        "size": {"height": side, "width": side},
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }


def _writers() -> Iterator[tuple[str, Callable[[Path, Size, int], None]]]:
    from functools import partial

    for kind in ("Embedding", "Reranker"):
        for size_name in ("2B", "8B"):
            yield f"Qwen/Qwen3-VL-{kind}-{size_name}", partial(_qwen, size_name)
    for name in ("siglip-so400m-patch14-384", "siglip-base-patch16-256-i18n"):
        yield f"google/{name}", partial(_siglip, name)
    yield "nlpai-lab/KURE-v1", _kure


_WRITERS = dict(_writers())


# ---- weights


def _write_model(
    kind: "type[PreTrainedModel]", config: "PretrainedConfig", folder: Path, size: Size, seed: int
) -> None:
    """Config and weights: the model is only outlined, its tensors are made and written a shard at a time."""
    import torch

    config.architectures = [kind.__name__]
    config.dtype = "float32" if size == "tiny" else "bfloat16"
    config.save_pretrained(folder)
    with torch.device("meta"):
        outline = kind(config).state_dict()
    if getattr(config, "tie_word_embeddings", False):
        outline.pop("lm_head.weight", None)
    # Twice as wide where there are few layers: else all items would get nearly the same vector.
    make = _Maker(getattr(torch, config.dtype) if isinstance(config.dtype, str) else config.dtype, seed)
    make.gain = 2.0 if size == "tiny" else 1.0
    _write_shards(outline, folder, make)


@dataclass(slots=True)
class _Maker:
    dtype: Any
    seed: int
    gain: float = 1.0

    def tensor(self, name: str, shape: tuple[int, ...]) -> "Tensor":
        """Normal values whose width keeps activations in range through the layers; norms are one."""
        import torch

        layer = name.removesuffix(".weight").rsplit(".", 1)[-1].lower()
        if len(shape) == 1 and name.endswith(".weight") and "norm" in layer:
            return torch.ones(shape, dtype=self.dtype)
        generator = torch.Generator().manual_seed(crc32(f"{self.seed} {name}".encode()))  # reads 32 bits only
        width = 0.02 if len(shape) < 2 else self.gain / sqrt(prod(shape[1:]))
        return torch.empty(shape, dtype=self.dtype).normal_(0, width, generator=generator)


def _write_shards(outline: "Mapping[str, Tensor]", folder: Path, make: _Maker) -> None:
    from safetensors.torch import save_file

    shards = _shards({name: each.numel() * make.dtype.itemsize for name, each in outline.items()})
    files: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors" if len(shards) > 1 else "model.safetensors"
        save_file(
            {name: make.tensor(name, tuple(outline[name].shape)) for name in names}, folder / file, {"format": "pt"}
        )
        files |= dict.fromkeys(names, file)
    if len(shards) > 1:
        _write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": files})


def _shards(sizes: Mapping[str, int]) -> list[list[str]]:
    """The names in order, so many together as SHARD_BYTES hold."""
    ends, total = {}, 0
    for name, size in sizes.items():
        total += size
        ends[name] = total
    return [list(names) for _number, names in groupby(sizes, key=lambda name: (ends[name] - 1) // SHARD_BYTES)]


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
