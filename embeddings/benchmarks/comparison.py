"""The pipeline and a plain loop over the same items, block by block and in turns."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from django.conf import settings
from django.core.management.base import CommandError

from embeddings import job_services
from embeddings.benchmarks.measuring import (
    MeteredSlot,
    Pass,
    held_bytes,
    idle_share,
    lowest_cosine,
    padding_waste,
    peak_bytes,
    reset_peak,
)
from embeddings.benchmarks.reference import Reference, create_reference
from embeddings.encoders.base import EncoderBackend, Modality, Vectors
from embeddings.gpu import Model
from embeddings.models import Embedding, EmbeddingJob, Encoder, JobItem
from embeddings.pipeline.batches import cut
from embeddings.pipeline.inputs import Content, estimated_cost, read_contents, read_works
from embeddings.pipeline.leases import Claim
from embeddings.pipeline.run import WINDOW, Run
from embeddings.selectors import items_for
from itembank.models import Item

SAME_VECTOR = 0.999  # cosine; different padding alone moves a 16-bit model by less
BLOCK_ITEMS = WINDOW  # smaller jobs would have smaller windows than real ones
WARM_UP_ITEMS = 32
LONGEST_JOB_SECONDS = 24 * 3600.0


@dataclass
class Group:
    """Items of one kind, and what they took: seconds of both sides, and the pipeline's forward passes job by job."""

    name: str
    ids: list[int]
    has_images: bool
    pipeline: float = 0.0
    reference: float = 0.0
    runs: list[tuple[Pass, ...]] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return self.reference / self.pipeline


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares are from 0 to 1. `waste` is of the passes made, `mixed_waste` of windows in which all items are mixed, as
    a job meets them; both None where the backend does not pad. `reference` is None where there was none.
    """

    groups: tuple[Group, ...]
    waste: float | None
    mixed_waste: float | None
    idle: float
    peak_bytes: int
    encoder: Encoder
    reference: Reference | None
    cosine: float


class Comparison:
    """Measures one encoder on the items of this process's bank."""

    def __init__(self, encoder: Encoder, *, seed: int = 1, with_reference: bool = True) -> None:
        self._encoder = encoder
        self._seed = seed
        self._with_reference = with_reference
        self._slot = MeteredSlot(settings.HOME_DIR / "run")
        self._model: Model[EncoderBackend] = self._slot.model(encoder)
        self._reference: Reference | None = None
        self._reference_bytes = 0
        self._peak = 0

    def measure(self) -> Figures:
        """Raises CommandError where the bank is empty, the job fails or the reference gives other vectors."""
        groups = self._groups()
        if not groups:
            raise CommandError("No item suits the encoder. Use more --items.")
        cosine = self._warm_up([pk for group in groups for pk in group.ids[: WARM_UP_ITEMS // len(groups)]])
        for group in groups:
            self._in_turns(group)
        runs = [passes for group in groups for passes in group.runs]
        return Figures(
            groups=groups,
            waste=self._if_padded(lambda: padding_waste(each.costs for passes in runs for each in passes)),
            mixed_waste=self._if_padded(lambda: self._mixed_waste([pk for group in groups for pk in group.ids])),
            idle=idle_share(runs),
            peak_bytes=self._peak,
            encoder=self._encoder,
            reference=self._reference,
            cosine=cosine,
        )

    def _groups(self) -> tuple[Group, ...]:
        """A text encoder sees no images, so all its items are of one kind."""
        has_images = set(Item.objects.filter(images__isnull=False).values_list("pk", flat=True))
        seen = has_images if self._encoder.modality != Modality.TEXT else set()
        ids = self._shuffled(list(items_for(self._encoder).order_by("pk").values_list("pk", flat=True)))
        texts, pictures = [pk for pk in ids if pk not in seen], [pk for pk in ids if pk in seen]
        found = (Group("text", texts, has_images=False), Group("images", pictures, has_images=True))
        return tuple(group for group in found if group.ids)

    def _shuffled(self, ids: list[int]) -> list[int]:
        random.Random(self._seed).shuffle(ids)  # noqa: S311 - not for secrets
        return ids

    def _warm_up(self, ids: Sequence[int]) -> float:
        """Load and try both; the lowest cosine of their vectors."""
        self._pipeline_seconds(ids)
        self._slot.taken()
        if not self._with_reference:
            return 1.0
        before = held_bytes()
        self._reference = create_reference(self._model.backend)
        self._reference_bytes = held_bytes() - before
        cosine = lowest_cosine(_stored(self._encoder, ids), self._reference.encode(_contents(ids)))
        if not cosine > SAME_VECTOR:  # NaN, too
            raise CommandError(
                f"The pipeline's vectors are not those of {self._reference.name}: the lowest cosine of {len(ids)} "
                f"items is {cosine:.5f}, it must be above {SAME_VECTOR}. A ratio of different work would mean nothing."
            )
        return cosine

    def _in_turns(self, group: Group) -> None:
        """Who begins changes from block to block."""
        for number, start in enumerate(range(0, len(group.ids), BLOCK_ITEMS)):
            block = group.ids[start : start + BLOCK_ITEMS]
            turns = [partial(self._pipeline_turn, group, block), partial(self._reference_turn, group, block)]
            for turn in reversed(turns) if number % 2 else turns:
                turn()

    def _pipeline_turn(self, group: Group, ids: Sequence[int]) -> None:
        reset_peak()
        group.pipeline += self._pipeline_seconds(ids)
        self._peak = max(self._peak, peak_bytes() - self._reference_bytes)
        group.runs.append(self._slot.taken())

    def _pipeline_seconds(self, ids: Sequence[int]) -> float:
        """From the request for a job to its end, as a worker does it."""
        began = time.perf_counter()
        job = job_services.start_job(encoder=self._encoder, scope=EmbeddingJob.Scope.SELECTION, item_ids=ids)
        Run(job, self._slot, time.monotonic() + LONGEST_JOB_SECONDS, threading.Event())()
        job_services.finish_job(job=job)
        seconds = time.perf_counter() - began
        job.refresh_from_db()
        if job.state != EmbeddingJob.State.COMPLETED:
            reason = job.items.exclude(reason="").values_list("reason", flat=True).first()
            raise CommandError(f"The job ended as {job.state}: {job.error or reason}")
        return seconds

    def _reference_turn(self, group: Group, ids: Sequence[int]) -> None:
        if self._reference is not None:
            contents = _contents(ids)  # at hand: what the database takes counts for the pipeline only
            began = time.perf_counter()
            self._reference.encode(contents)
            group.reference += time.perf_counter() - began

    def _if_padded(self, figure: Callable[[], float]) -> float | None:
        return figure() if self._model.backend.pads else None

    def _mixed_waste(self, ids: list[int]) -> float:
        """Of the micro-batches that the pipeline would cut; a backend that pads knows exact costs beforehand."""
        ids = self._shuffled(ids)
        windows = (ids[start : start + WINDOW] for start in range(0, len(ids), WINDOW))
        batches = [batch for window in windows for batch in cut(self._model, read_works(_claims(window)))]
        return padding_waste([estimated_cost(self._model.backend, work) for work in batch.works] for batch in batches)


def _claims(ids: Sequence[int]) -> list[Claim]:
    return [Claim(id=pk, item_id=pk, batch_limit=JobItem.LARGEST_BATCH, failures_alone=0) for pk in ids]


def _contents(ids: Sequence[int]) -> list[Content]:
    found = read_contents(ids)
    return [found[pk] for pk in ids]


def _stored(encoder: Encoder, ids: Sequence[int]) -> Vectors:
    """(n, dimensions) in the order of the ids."""
    rows = dict(Embedding.objects.filter(encoder=encoder, item__in=ids).values_list("item_id", "embedding"))
    return np.array([rows[pk] for pk in ids], np.float32)
