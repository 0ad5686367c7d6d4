"""Tiny checkpoints under the names of the real models: the presets themselves run, in milliseconds.

The Qwen3-VL one (tests/data/parity/checkpoint) has reference outputs of the authors' own code beside it.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from embeddings.benchmarks.checkpoints import write_checkpoint

PARITY = Path(__file__).parent / "data" / "parity"

Writer = Callable[[Path], None]


def link_parity(folder: Path) -> None:
    folder.mkdir(parents=True)
    for file in (PARITY / "checkpoint").iterdir():
        (folder / file.name).symlink_to(file)


WRITERS: dict[str, Writer] = {
    "Qwen/Qwen3-VL-Embedding-2B": link_parity,
    "Qwen/Qwen3-VL-Embedding-8B": link_parity,
    "Qwen/Qwen3-VL-Reranker-2B": link_parity,
    "Qwen/Qwen3-VL-Reranker-8B": link_parity,
    **{
        model_id: partial(write_checkpoint, model_id, size="tiny", seed=1)
        for model_id in ("nlpai-lab/KURE-v1", "google/siglip-so400m-patch14-384", "google/siglip-base-patch16-256-i18n")
    },
}


def write_tiny_models(folder: Path) -> None:
    """A folder as ITEMBANK_MODELS_DIR names it, with every model of the presets."""
    for model_id, write in WRITERS.items():
        write(folder / model_id)
