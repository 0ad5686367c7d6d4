"""What a benchmark sees of the device: its forward passes, the padding in them, the time between them, its memory."""

import resource
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embeddings.encoders.base import EncoderBackend, Features, Vectors
from embeddings.encoders.precision import device_name
from embeddings.gpu import GpuSlot, Model
from embeddings.gpu import device_name as slot_name


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward pass: seconds of a clock, and the exact costs of its items; none where it failed."""

    began: float
    ended: float
    costs: tuple[int, ...]


class MeteredSlot(GpuSlot):
    """A slot that keeps a record of its forward passes."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__(run_dir, slot_name(), loaded_models=1)
        self._passes: list[Pass] = []

    def forward(self, model: Model[EncoderBackend], features: Features, *, urgent: bool = False) -> Vectors:
        began = time.perf_counter()
        costs: tuple[int, ...] = ()
        try:
            vectors = super().forward(model, features, urgent=urgent)
            costs = features.costs
        finally:
            self._passes.append(Pass(began, time.perf_counter(), costs))
        return vectors

    def taken(self) -> tuple[Pass, ...]:
        """The passes since the last call."""
        passes, self._passes = tuple(self._passes), []
        return passes


def padding_waste(batches: Iterable[Sequence[int]]) -> float:
    """1 - sum(costs) / sum(longest x size): the padding in what the device computes. 0 without batches."""
    filled = [batch for batch in batches if batch]
    padded = sum(max(batch) * len(batch) for batch in filled)
    return 1 - sum(map(sum, filled)) / padded if padded else 0.0


def busy_seconds(runs: Iterable[Sequence[Pass]]) -> float:
    """Within forward passes."""
    return sum(each.ended - each.began for passes in runs for each in passes)


def idle_share(runs: Sequence[Sequence[Pass]]) -> float:
    """1 - busy / elapsed, where elapsed is each run's time from its first forward pass to the end of its last."""
    elapsed = sum(passes[-1].ended - passes[0].began for passes in runs if passes)
    return 1 - busy_seconds(runs) / elapsed if elapsed else 0.0


def lowest_cosine(ours: Vectors, theirs: Vectors) -> float:
    """Of rows with the same number; both (n, d), norms need not be 1."""
    products = np.einsum("nd,nd->n", ours.astype(np.float64), theirs.astype(np.float64))
    return float((products / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)).min())


# ---- memory


def on_gpu() -> bool:
    """Whether models of this process are on a GPU; a process without torch has none there."""
    return "torch" in sys.modules and device_name() == "cuda"


def held_bytes() -> int:
    """What tensors hold on the GPU now; 0 without one."""
    if not on_gpu():
        return 0
    import torch

    return torch.cuda.memory_allocated()


def reset_peak() -> None:
    if on_gpu():
        import torch

        torch.cuda.reset_peak_memory_stats()


def peak_bytes() -> int:
    """The most that tensors held on the GPU since `reset_peak`; without a GPU, the most that this process ever held."""
    if not on_gpu():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # the kernel counts in KiB
    import torch

    return torch.cuda.max_memory_allocated()
