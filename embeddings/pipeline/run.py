"""One run over a job: three stages at once, each on its own thread.

This thread owns the database: it claims, reads and writes results. A few threads preprocess the next micro-batches, and
one does the forward passes back to back.
"""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from embeddings.encoders.base import EncoderBackend
from embeddings.encoders.errors import EncoderError
from embeddings.gpu import GpuSlot, Model
from embeddings.models import EmbeddingJob, JobItem
from embeddings.pipeline.batches import MicroBatch, cut, embed
from embeddings.pipeline.inputs import Prepared, needless, prepare, read_works
from embeddings.pipeline.leases import LEASE, Claim, Lease
from embeddings.pipeline.results import Results, drop, skip, write
from itembank.threads import ThreadPool

logger = logging.getLogger(__name__)

# Rows claimed at once, and sorted by length among themselves. Of 256, too few are of like length to fill a GPU: 14
# short texts a batch, against 45 of 1,024.
WINDOW = 4 * JobItem.LARGEST_BATCH
AHEAD = 4  # micro-batches between preprocessing and writing
PREPARERS = 2
# So many failures in a row without one success: not the items are broken but the device, or the media folder is away.
HOPELESS = 50
# What was asked for is embedded again even where a current vector is there.
RENEWING = (EmbeddingJob.Scope.ALL, EmbeddingJob.Scope.SELECTION)


class JobStuckError(Exception):
    """The job cannot go on, whatever the item; the message says why."""


@dataclass
class JobRun(ABC):
    """What every kind of run over a job needs: its lease, and when to leave off."""

    job: EmbeddingJob
    slot: GpuSlot
    until: float  # in time.monotonic()
    stop: threading.Event
    _lease: Lease = field(init=False)
    _kept_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._lease = Lease(self.slot.owner)

    @abstractmethod
    def __call__(self) -> None:
        """Work on the job. Raises JobStuckError."""

    def _may_go_on(self) -> bool:
        if self.stop.is_set() or time.monotonic() >= self.until:
            return False
        return EmbeddingJob.objects.filter(pk=self.job.pk, state=EmbeddingJob.State.RUNNING).exists()

    def _claim(self, count: int) -> list[Claim] | None:
        """Those of the next waiting rows that need a vector; None where no row waits."""
        claims = self._lease.claim(self.job.pk, count)
        if not claims:
            return None
        encoder, renew = self.job.encoder, self.job.scope in RENEWING
        unsuited, current = needless(encoder, claims, renew=renew)
        drop(encoder, self._lease, unsuited)
        skip(self._lease, current)
        idle = {claim.id for claim in (*unsuited, *current)}
        return [claim for claim in claims if claim.id not in idle]

    def _keep_lease(self) -> None:
        if time.monotonic() - self._kept_at > LEASE.total_seconds() / 3:
            self._lease.keep()
            self._kept_at = time.monotonic()


@dataclass
class Run(JobRun):
    """Embeds rows of one job until none waits, the job is no longer running, the time is over or `stop` is set.

    Raises JobStuckError. Whatever it raises, no row is lost: what it held waits again, or will once the lease ends.
    """

    _model: Model[EncoderBackend] = field(init=False)
    _preparers: ThreadPool = field(init=False)
    _forwarder: ThreadPool = field(init=False)
    _planned: deque[MicroBatch] = field(default_factory=deque, init=False)
    _flying: deque[tuple[MicroBatch, "Future[Results]"]] = field(default_factory=deque, init=False)
    _failed_in_a_row: int = field(default=0, init=False)

    def __call__(self) -> None:
        try:
            self._model = self.slot.model(self.job.encoder)
            self.slot.load(self._model)  # before any row is claimed: what happens here is no item's fault
            self._work()
        except EncoderError as error:
            raise JobStuckError(str(error)) from error
        finally:
            self._lease.give_back_all()

    def _work(self) -> None:
        with ExitStack() as stack:
            self._preparers = stack.enter_context(ThreadPool(PREPARERS, "preprocess"))
            self._forwarder = stack.enter_context(ThreadPool(1, "forward"))
            stack.callback(self._drop_what_has_not_begun)
            while self._fill():
                _batch, future = self._flying.popleft()
                if not (self.stop.is_set() and future.cancel()):
                    self._settle(future.result())

    def _fill(self) -> bool:
        """Send micro-batches on their way as long as there is room; returns whether any is."""
        while self._may_go_on() and self._plan() and self._has_room_for(self._planned[0]):
            self._send(self._planned.popleft())
        return bool(self._flying)

    def _plan(self) -> bool:
        """Claim the next window where the last is used up; returns whether anything is planned."""
        while not self._planned:
            claims = self._claim(WINDOW)
            if claims is None:
                return False
            self._planned.extend(cut(self._model, read_works(claims)))
        return True

    def _has_room_for(self, batch: MicroBatch) -> bool:
        # One that goes alone is alone in the pipeline: if the worker dies, there is no doubt which item did it.
        if batch.alone or any(flying.alone for flying, _future in self._flying):
            return not self._flying
        return len(self._flying) < AHEAD

    def _send(self, batch: MicroBatch) -> None:
        ours = self._lease.hand_over(batch.ids)
        batch = MicroBatch(tuple(work for work in batch.works if work.claim.id in ours))
        prepared = self._preparers.submit(prepare, self._model.backend, batch.works)
        self._flying.append((batch, self._forwarder.submit(self._embed, prepared)))

    def _embed(self, prepared: "Future[Prepared]") -> Results:
        return embed(self.slot, self._model, prepared.result())

    def _settle(self, results: Results) -> None:
        write(self.job.encoder, self._lease, results)
        self._keep_lease()
        self._look_for_hope(results)

    def _look_for_hope(self, results: Results) -> None:
        self._failed_in_a_row = 0 if results.embedded else self._failed_in_a_row + results.first_failures
        if self._failed_in_a_row >= HOPELESS:
            raise JobStuckError(
                _("%(count)d failures in a row, the last one: %(reason)s")
                % {"count": self._failed_in_a_row, "reason": results.last_reason}
            )

    def _drop_what_has_not_begun(self) -> None:
        for _batch, future in self._flying:
            future.cancel()
