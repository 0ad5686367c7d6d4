"""The single GPU slot: one process a device, one model call at a time, a waiting person first.

A slot is a lock on a file, which the kernel drops with the process that holds it: whoever takes the slot knows that its
previous holder is dead. A machine without a GPU has one slot too, for its cores are no less shared.
"""

import fcntl
import logging
import os
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from embeddings.encoders.base import EncoderBackend, Features, Vectors
from embeddings.encoders.errors import EncoderError
from embeddings.encoders.registry import create_backend
from embeddings.models import Encoder

logger = logging.getLogger(__name__)

IDLE_SECONDS = 900


class SlotTakenError(Exception):
    """Another process of this machine owns the GPU; the message says which, and what to do."""


class PriorityLock:
    """A lock that goes to whoever is urgent before anyone who is not. Not reentrant."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._held = False
        self._urgent = 0

    @contextmanager
    def held(self, *, urgent: bool) -> Iterator[None]:
        with self._condition:
            self._urgent += urgent
            self._condition.wait_for(lambda: not self._held and (urgent or not self._urgent))
            self._urgent -= urgent
            self._held = True
        try:
            yield
        finally:
            with self._condition:
                self._held = False
                self._condition.notify_all()


@dataclass(eq=False)
class Model:
    """A backend in this process, with the micro-batch cost that its device has room for."""

    fingerprint: str
    backend: EncoderBackend
    token_budget: int
    used_at: float = field(default_factory=time.monotonic)

    def shrink(self) -> None:
        """After OutOfMemory: half the cost from now on."""
        self.token_budget = max(1, self.token_budget // 2)
        logger.warning(
            "%s ran out of memory; micro-batches shrink to %d", self.backend.spec.model_id, self.token_budget
        )


class GpuSlot:
    """The device of this process and the models on it."""

    def __init__(self, run_dir: Path, device: str, *, loaded_models: int) -> None:
        self.owner = f"{socket.gethostname()}:{device}"
        self._path = run_dir / f"gpu-{device}.lock"
        self._loaded_models = loaded_models
        self._file: IO[str] | None = None
        self._lock = PriorityLock()
        self._mutex = threading.Lock()
        self._models: OrderedDict[str, Model] = OrderedDict()  # by fingerprint, the last used last

    # ---- one process

    def acquire(self) -> None:
        """Own the device until this process ends. Raises SlotTakenError."""
        file = self._locked_file()
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    @property
    def held(self) -> bool:
        """Whether this process owns the device."""
        return self._file is not None

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def is_free(self) -> bool:
        """Whether no process of this machine owns the device."""
        try:
            self._locked_file().close()
        except SlotTakenError:
            return False
        return True

    def _locked_file(self) -> IO[str]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read() or "?"
            file.close()
            raise SlotTakenError(
                f"The GPU slot {self.owner} belongs to process {holder}: one worker owns a GPU. Stop that worker "
                "first, or give this one another GPU with CUDA_VISIBLE_DEVICES."
            ) from None
        return file

    # ---- its models

    def model(self, encoder: Encoder) -> Model:
        """The encoder's model, perhaps not loaded yet. Raises EncoderError where code has changed since."""
        spec = encoder.spec()
        if spec.fingerprint() != encoder.fingerprint:
            raise EncoderError(
                _(
                    "the backend of the encoder %(slug)s was updated, and its vectors would not match new ones; make a "
                    "new encoder and activate it once it is filled"
                )
                % {"slug": encoder.slug}
            )
        with self._mutex:
            if encoder.fingerprint not in self._models:
                backend = create_backend(spec)
                self._models[encoder.fingerprint] = Model(encoder.fingerprint, backend, backend.token_budget)
            return self._models[encoder.fingerprint]

    def load(self, model: Model) -> None:
        """Load the model now, in its turn. Raises ModelUnavailable, EncoderError."""
        with self._lock.held(urgent=False):
            self._make_room(model)
            model.backend.load()

    def forward(self, model: Model, features: Features, *, urgent: bool = False) -> Vectors:
        """One forward pass in its turn. Raises what the backend raises."""
        with self._lock.held(urgent=urgent):
            self._make_room(model)
            try:
                return model.backend.forward(features)
            finally:
                model.used_at = time.monotonic()

    def unload_idle(self, *, seconds: float = IDLE_SECONDS) -> None:
        """Free the models that nobody used for so long."""
        with self._lock.held(urgent=False):
            for model in self._present():
                if model.backend.loaded and time.monotonic() - model.used_at > seconds:
                    logger.info("%s is unloaded after %d s without work", model.backend.spec.model_id, seconds)
                    model.backend.unload()

    def _make_room(self, model: Model) -> None:
        """Unload what was used longest ago, so that with this model no more than allowed are loaded."""
        with self._mutex:
            self._models.move_to_end(model.fingerprint)
        others = [other for other in self._present() if other.backend.loaded and other is not model]
        for other in others[: max(0, len(others) + 1 - self._loaded_models)]:
            other.backend.unload()

    def _present(self) -> list[Model]:
        with self._mutex:
            return list(self._models.values())


def device_name() -> str:
    """The first device that CUDA shows this process; "0" where nothing is said."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"


SLOT = GpuSlot(settings.HOME_DIR / "run", device_name(), loaded_models=settings.LOADED_MODELS)
