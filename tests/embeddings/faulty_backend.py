"""Encoder backends that fail on request, in this process or in a worker: named by ENCODER_BACKENDS.

One is made of hashing, which costs microseconds, one of the tiny Qwen3-VL.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from embeddings import job_services
from embeddings.encoders.base import EncoderBackend, EncoderInput, Role
from embeddings.encoders.errors import OutOfMemory
from embeddings.encoders.hashing import HashingBackend
from embeddings.encoders.presets import PRESETS
from embeddings.encoders.qwen3_vl import Qwen3VLBackend
from embeddings.encoders.registry import create_backend
from embeddings.models import Embedding, Encoder
from embeddings.partitions import create_partition
from embeddings.pipeline import results

BACKENDS = {
    "faulty-hashing": "tests.embeddings.faulty_backend:FaultyHashing",
    "faulty-qwen3-vl": "tests.embeddings.faulty_backend:FaultyQwen3VL",
}
PRESET_OF = {"faulty-hashing": "hashing", "faulty-qwen3-vl": "qwen3-vl-2b-mm-mean"}
RAISES, KILLS = "이 문항은 오류를 낸다", "이 문항은 작업자를 죽인다"
ROOM = 100_000  # of the device, in characters a batch
SECONDS_AN_ITEM = float(os.environ.get("ITEMBANK_TEST_SECONDS_AN_ITEM", "0"))

if os.environ.get("ITEMBANK_TEST_UNGUARDED"):  # for the control: stored without a look at the item as it is by now
    results.unchanged = lambda works: {work.claim.id for work in works}
    job_services._requeue_outdated = lambda job: 0


class FaultyBackend(EncoderBackend):
    """Fails on certain words; `during_embed` is called with the texts of each forward pass."""

    token_budget = 500
    during_embed: ClassVar[Callable[[list[str]], None] | None] = None

    def prepare(self, item: EncoderInput, role: Role) -> tuple[int, Any]:
        cost, payload = super().prepare(item, role)  # type: ignore[safe-super]
        return cost, (item.text, payload)

    def embed(self, payload: Sequence[Any]) -> Any:
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
        return super().embed([entry for _, entry in payload])  # type: ignore[safe-super]


class FaultyHashing(FaultyBackend, HashingBackend):
    pass


class FaultyQwen3VL(FaultyBackend, Qwen3VLBackend):
    pass


def make_faulty_encoder(name: str = "faulty-hashing") -> Encoder:
    spec = replace(PRESETS[PRESET_OF[name]].spec(), backend=name)
    if spec.precision == "auto":
        spec = replace(spec, precision="fp32")
    fields = {field: getattr(spec, field) for field in Encoder.SPEC_FIELDS} | {"options": {}}
    encoder = Encoder.objects.create(slug=name, name=name, fingerprint=spec.fingerprint(), **fields)
    create_partition(encoder)
    return encoder


def stale_vectors(encoder: Encoder) -> set[str]:
    """Codes of the items whose vector is not that of their present text, whatever its hash says."""
    backend = create_backend(replace(encoder.spec(), backend=encoder.backend.removeprefix("faulty-")))
    rows = list(Embedding.objects.filter(encoder=encoder).select_related("item"))
    fresh = backend.encode([EncoderInput(row.item.text) for row in rows], Role.DOCUMENT)
    return {row.item.code for row, vector in zip(rows, fresh, strict=True) if vector @ np.array(row.embedding) < 0.999}
