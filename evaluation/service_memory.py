"""Memory of the process that encodes queries, this one or a worker's, and of its device."""

import shutil
import subprocess

import psutil

from embeddings.benchmarks.measuring import held_bytes, on_gpu, peak_bytes, reset_peak
from evaluation.environment import GIB

MIB = 2**20
# What memory is of: tensors on the GPU, all that a worker's process holds there, the whole GPU where it cannot be told
# whose is what, or the process's main memory where there is no GPU.
TENSORS, GPU_PROCESS, WHOLE_GPU, PROCESS = "gpu tensors", "gpu process", "whole gpu", "process"


class Memory:
    """The memory of process `pid`; its peak is of the samples that were taken where the process is not this one."""

    def __init__(self, pid: int | None, *, here: bool) -> None:
        self._process = psutil.Process(pid) if pid is not None and psutil.pid_exists(pid) else None
        self._here = here
        self._highest = 0
        self.of = PROCESS
        reset_peak()

    def sample(self) -> int | None:
        """Bytes of the device, or of the process where it has none; None where the process cannot be seen."""
        found = self._device()
        if found is None and self._process is not None:
            self.of, found = PROCESS, self.resident()
        self._highest = max(self._highest, found or 0)
        return found

    def resident(self) -> int | None:
        """Bytes of main memory that the process holds."""
        try:
            return None if self._process is None else int(self._process.memory_info().rss)
        except psutil.Error:  # it has ended, or belongs to someone else
            return None

    def peak(self) -> int | None:
        if self._here:
            return peak_bytes()
        self.sample()
        return self._highest or None

    def _device(self) -> int | None:
        if self._here:
            if not on_gpu():
                return None
            self.of = TENSORS
            return held_bytes()
        return None if self._process is None else self._of_worker(self._process.pid)

    def _of_worker(self, pid: int) -> int | None:
        apps = _nvidia_smi("--query-compute-apps=pid,used_memory")
        if held := [int(row[1]) for row in apps if row[0] == str(pid) and row[1].isdigit()]:
            self.of = GPU_PROCESS
            return sum(held) * MIB
        gpus = _nvidia_smi("--query-gpu=memory.used")
        if gpus and gpus[0][0].isdigit():
            self.of = WHOLE_GPU
            return int(gpus[0][0]) * MIB
        return None


def gib(size: int | None) -> float | None:
    return None if size is None else round(size / GIB, 3)


def _nvidia_smi(query: str) -> list[list[str]]:
    """Rows of the driver's own tool; none where it is missing or fails. It counts in MiB."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    ended = subprocess.run(
        [program, query, "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=10, check=False
    )
    return (
        [[cell.strip() for cell in row.split(",")] for row in ended.stdout.splitlines()] if not ended.returncode else []
    )
