"""An encoder backend that fails on request, in this process or in a worker: named "faulty" by ENCODER_BACKENDS."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from embeddings import job_services
from embeddings.encoders.base import EncoderBackend, EncoderInput, Role
from embeddings.encoders.errors import OutOfMemory
from embeddings.encoders.hashing import HashingBackend
from embeddings.encoders.presets import PRESETS
from embeddings.models import Embedding, Encoder
from embeddings.partitions import create_partition
from embeddings.pipeline import results

NAME, PLACE = "faulty", "tests.embeddings.faulty_backend:FaultyBackend"
RAISES, KILLS = "이 문항은 오류를 낸다", "이 문항은 작업자를 죽인다"
ROOM = 100_000  # of the device, in characters a batch
SECONDS_AN_ITEM = float(os.environ.get("ITEMBANK_TEST_SECONDS_AN_ITEM", "0"))

if os.environ.get("ITEMBANK_TEST_UNGUARDED"):  # for the control: stored without a look at the item as it is by now
    results.unchanged = lambda works: {work.claim.id for work in works}
    job_services._requeue_outdated = lambda job: 0


class FaultyBackend(HashingBackend):
    """Hashing that fails on certain words; `during_embed` is called with the texts of each forward pass."""

    token_budget = 500
    during_embed: ClassVar[Callable[[list[str]], None] | None] = None

    def prepare(self, item: EncoderInput, role: Role) -> tuple[int, Any]:
        cost, grams = super().prepare(item, role)
        return cost, (item.text, grams)

    def embed(self, payload: Sequence[Any]) -> NDArray[np.float64]:
        texts = [text for text, _ in payload]
        if sum(map(len, texts)) > ROOM:
            raise OutOfMemory("the device is full")
        for text in texts:
            if KILLS in text:
                os.kill(os.getpid(), signal.SIGKILL)
            if RAISES in text:
                raise RuntimeError("the model stumbled")
        time.sleep(SECONDS_AN_ITEM * len(texts))
        if FaultyBackend.during_embed is not None:
            FaultyBackend.during_embed(texts)
        return super().embed([grams for _, grams in payload])


def make_faulty_encoder() -> Encoder:
    spec = replace(PRESETS["hashing"].spec(), backend=NAME)
    fields = {name: getattr(spec, name) for name in Encoder.SPEC_FIELDS} | {"options": {}}
    encoder = Encoder.objects.create(slug=NAME, name=NAME, fingerprint=spec.fingerprint(), **fields)
    create_partition(encoder)
    return encoder


def stale_vectors(encoder: Encoder) -> set[str]:
    """Codes of the items whose vector is not that of their present text, whatever its hash says."""
    backend: EncoderBackend = HashingBackend(replace(encoder.spec(), backend="hashing"))
    rows = list(Embedding.objects.filter(encoder=encoder).select_related("item"))
    fresh = backend.encode([EncoderInput(row.item.text) for row in rows], Role.DOCUMENT)
    return {row.item.code for row, vector in zip(rows, fresh, strict=True) if vector @ np.array(row.embedding) < 0.999}
