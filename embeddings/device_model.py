"""What all models on the device have in common, encoders and rerankers alike: loaded once, freed on request."""

import gc
import os
import sys
import threading
from abc import ABC, abstractmethod

from embeddings.encoders.errors import EncoderError, ModelUnavailable, OutOfMemory


class DeviceModel(ABC):
    """A model that loads lazily, inside one process. Importing its module or making an instance loads nothing heavy."""

    # Cost of a good micro-batch on this backend; the pipeline halves it on OutOfMemory.
    token_budget: int = 4096
    # Whether a batch costs as much as its longest item times its size; packing counts accordingly.
    pads: bool = False

    def __init__(self, name: str) -> None:
        self.name = name
        self._load_lock = threading.RLock()
        self._device_lock = threading.RLock()
        self._loaded_in: int | None = None

    @abstractmethod
    def load_checked(self) -> None:
        """Loads the model and checks it against its specification. Raises ModelUnavailable, EncoderError."""

    @abstractmethod
    def release_model(self) -> None:
        """Frees what loading took."""

    @property
    def loaded(self) -> bool:
        return self._loaded_in is not None

    def load(self) -> None:
        """Loads the model once; safe to call from several threads and again.

        Raises ModelUnavailable, also where there is no room for it, or EncoderError when the model is not what the
        specification says, or when it was loaded before a fork.
        """
        with self._load_lock:
            if self._loaded_in is None:
                try:
                    self.load_checked()
                except (OutOfMemory, MemoryError) as error:  # no smaller batch would help
                    raise ModelUnavailable(f"{self.name}: {str(error) or 'no memory left on this machine'}") from error
                self._loaded_in = os.getpid()
            self._check_process()

    def unload(self) -> None:
        """Frees the model after the running batch; the next `load` loads it again."""
        with self._device_lock, self._load_lock:
            if self._loaded_in is not None:
                self.release_model()
                self._loaded_in = None
                give_memory_back()

    def _check_process(self) -> None:
        if self._loaded_in != os.getpid():
            raise EncoderError(
                f"{self.name} was loaded in process {self._loaded_in}, before process {os.getpid()} "
                "was forked from it, and would hang here; load models inside the worker process only"
            )


def give_memory_back() -> None:
    """What a released model took, to the device: torch keeps freed blocks, and a model that refers to itself lives on
    until the next collection.
    """
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None:
        torch.cuda.empty_cache()  # does nothing where CUDA was never used
