"""What all models on the device have in common, encoders and rerankers alike: loaded once, freed on request."""

import os
import threading
from abc import ABC, abstractmethod

from embeddings.encoders.errors import EncoderError


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

        Raises ModelUnavailable, or EncoderError when the model is not what the specification says, or when it was
        loaded before a fork.
        """
        with self._load_lock:
            if self._loaded_in is None:
                self.load_checked()
                self._loaded_in = os.getpid()
            self._check_process()

    def unload(self) -> None:
        """Frees the model after the running batch; the next `load` loads it again."""
        with self._device_lock, self._load_lock:
            if self._loaded_in is not None:
                self.release_model()
                self._loaded_in = None

    def _check_process(self) -> None:
        if self._loaded_in != os.getpid():
            raise EncoderError(
                f"{self.name} was loaded in process {self._loaded_in}, before process {os.getpid()} "
                "was forked from it, and would hang here; load models inside the worker process only"
            )
