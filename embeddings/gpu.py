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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from django.conf import settings
from django.utils.translation import gettext as _

from embeddings.device_model import DeviceModel
from embeddings.encoders.base import EncoderBackend, Features, Vectors
from embeddings.encoders.errors import EncoderError
from embeddings.encoders.registry import create_backend
from embeddings.models import Encoder
from embeddings.rerankers.base import RerankerBackend, RerankerSpec, Scores
from embeddings.rerankers.registry import create_reranker

Backend = TypeVar("Backend", bound=DeviceModel)
Result = TypeVar("Result")

logger = logging.getLogger(__name__)

IDLE_SECONDS = 900


class SlotTakenError(Exception):
    """Another process of this machine owns the GPU; the message says which, and what to do."""


URGENT_IN_A_ROW = 3
"""Turns of those who are urgent while others wait: then one of these has its turn, or a job would stand still for as
long as people search without a pause."""


class PriorityLock:
    """A lock that goes to whoever is urgent before those who are not, who have a turn now and then. Not reentrant."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._held = False
        self._waiting = {True: 0, False: 0}  # by urgency
        self._in_a_row = 0

    @contextmanager
    def held(self, *, urgent: bool) -> Iterator[None]:
        with self._condition:
            self._waiting[urgent] += 1
            self._condition.wait_for(lambda: not self._held and self._has_turn(urgent))
            self._waiting[urgent] -= 1
            self._in_a_row = self._in_a_row + 1 if urgent and self._waiting[False] else 0
            self._held = True
        try:
            yield
        finally:
            with self._condition:
                self._held = False
                self._condition.notify_all()

    def _has_turn(self, urgent: bool) -> bool:
        if not self._waiting[not urgent]:
            return True
        return urgent == (self._in_a_row < URGENT_IN_A_ROW)


@dataclass(eq=False)
class Model(Generic[Backend]):
    """A backend in this process, with the micro-batch cost that its device has room for."""

    fingerprint: str
    backend: Backend
    halvings: int = 0
    used_at: float = field(default_factory=time.monotonic)

    @property
    def token_budget(self) -> int:
        """The cost of a micro-batch; the backend may name another once it is loaded and knows its device."""
        return max(1, self.backend.token_budget >> self.halvings)

    def shrink(self) -> None:
        """After OutOfMemory: half the cost from now on."""
        self.halvings += 1
        logger.warning("%s ran out of memory; micro-batches shrink to %d", self.backend.name, self.token_budget)


class GpuSlot:
    """The device of this process and the models on it."""

    def __init__(self, run_dir: Path, device: str, *, loaded_models: int) -> None:
        self.owner = f"{socket.gethostname()}:{device}"
        self._path = run_dir / f"gpu-{device}.lock"
        self._loaded_models = loaded_models
        self._file: IO[str] | None = None
        self._lock = PriorityLock()
        self._mutex = threading.Lock()
        self._models: OrderedDict[str, Model[Any]] = OrderedDict()  # by fingerprint, the last used last

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

    @contextmanager
    def owned_if_free(self) -> Iterator[bool]:
        """Own the device for the block; False where another process does, which then has to do the work."""
        try:
            self.acquire()
        except SlotTakenError:
            yield False
            return
        try:
            yield True
        finally:
            self.release()

    def is_free(self) -> bool:
        """Whether no process of this machine owns the device."""
        try:
            self._locked_file().close()
        except SlotTakenError:
            return False
        return True

    def holder(self) -> int | None:
        """The id of the process that owned the device last, this one or another; None where none ever did."""
        written = self._path.read_text(encoding="ascii") if self._path.exists() else ""
        return int(written) if written.isdigit() else None

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

    def loaded(self) -> list[str]:
        """The names of the models that are loaded in this process."""
        return [model.backend.name for model in self._present() if model.backend.loaded]

    def model(self, encoder: Encoder) -> Model[EncoderBackend]:
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
        return self._known(encoder.fingerprint, lambda: create_backend(spec))

    def reranker(self, spec: RerankerSpec) -> Model[RerankerBackend]:
        """The reranker's model, perhaps not loaded yet."""
        return self._known(spec.fingerprint(), lambda: create_reranker(spec))

    def load(self, model: Model[Any]) -> None:
        """Load the model now, in its turn. Raises ModelUnavailable, EncoderError."""
        with self._lock.held(urgent=False):
            self._make_room(model)
            model.backend.load()
            model.used_at = time.monotonic()  # or one that was idle long before is unloaded ahead of its first batch

    def forward(self, model: Model[EncoderBackend], features: Features, *, urgent: bool = False) -> Vectors:
        """One forward pass in its turn. Raises what the backend raises."""
        return self._in_turn(model, lambda: model.backend.forward(features), urgent=urgent)

    def score(self, model: Model[RerankerBackend], features: Features, *, urgent: bool = False) -> Scores:
        """One forward pass over pairs, (n,), in its turn. Raises what the backend raises."""
        return self._in_turn(model, lambda: model.backend.forward(features), urgent=urgent)

    def _in_turn(self, model: Model[Any], work: Callable[[], Result], *, urgent: bool) -> Result:
        with self._lock.held(urgent=urgent):
            self._make_room(model)
            try:
                return work()
            finally:
                model.used_at = time.monotonic()

    def _known(self, fingerprint: str, create: Callable[[], Backend]) -> Model[Backend]:
        with self._mutex:
            if fingerprint not in self._models:
                self._models[fingerprint] = Model(fingerprint, create())
            return self._models[fingerprint]

    def unload_idle(self, *, seconds: float = IDLE_SECONDS) -> None:
        """Free the models that nobody used for so long."""
        with self._lock.held(urgent=False):
            for model in self._present():
                if model.backend.loaded and time.monotonic() - model.used_at > seconds:
                    logger.info("%s is unloaded after %d s without work", model.backend.name, seconds)
                    model.backend.unload()

    def _make_room(self, model: Model[Any]) -> None:
        """Unload what was used longest ago, so that with this model no more than allowed are loaded."""
        with self._mutex:
            self._models.move_to_end(model.fingerprint)
        others = [other for other in self._present() if other.backend.loaded and other is not model]
        for other in others[: max(0, len(others) + 1 - self._loaded_models)]:
            other.backend.unload()

    def _present(self) -> list[Model[Any]]:
        with self._mutex:
            return list(self._models.values())


def device_name() -> str:
    """The first device that CUDA shows this process; "0" where nothing is said."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"


SLOT = GpuSlot(settings.HOME_DIR / "run", device_name(), loaded_models=settings.LOADED_MODELS)
