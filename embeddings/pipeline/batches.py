"""Micro-batches: how a window of claims is cut, and what the model makes of each."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from embeddings.encoders.base import EncoderBackend, Features
from embeddings.encoders.errors import EncoderError, ItemError, ItemInputError, OutOfMemory
from embeddings.encoders.packing import pack
from embeddings.gpu import GpuSlot, Model
from embeddings.pipeline.inputs import Failure, Prepared, Work, describe, estimated_cost
from embeddings.pipeline.results import Results

logger = logging.getLogger(__name__)

LARGEST_PADDING = 0.05


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Works that go through the model together. One that goes alone has the whole pipeline to itself, too."""

    works: tuple[Work, ...]

    @property
    def alone(self) -> bool:
        return any(work.claim.alone for work in self.works)

    @property
    def ids(self) -> list[int]:
        return [work.claim.id for work in self.works]


def cut(model: Model[EncoderBackend], works: Sequence[Work]) -> list[MicroBatch]:
    """The works in batches of like cost within the model's budget and their own limits; those alone come last."""
    ordered = sorted(works, key=lambda work: -work.claim.batch_limit)
    groups = groupby(ordered, key=lambda work: work.claim.batch_limit)
    return [batch for limit, group in groups for batch in _cut_group(model, list(group), limit)]


def _cut_group(model: Model[EncoderBackend], works: list[Work], limit: int) -> list[MicroBatch]:
    costs = [estimated_cost(model.backend, work) for work in works]
    packed = pack(costs, budget=model.token_budget, padded=model.backend.pads)
    if model.backend.pads:
        packed = [piece for batch in packed for piece in split_by_padding(batch, costs)]
    pieces = [batch[start : start + limit] for batch in packed for start in range(0, len(batch), limit)]
    return [MicroBatch(tuple(works[index] for index in piece)) for piece in pieces]


def split_by_padding(batch: Sequence[int], costs: Sequence[int]) -> list[list[int]]:
    """A batch, longest first, in pieces of which at most LARGEST_PADDING is padding.

    A GPU's budget takes a third of a window at once: short texts with long ones, and a third of the work for nothing.
    """
    pieces: list[list[int]] = []
    longest = total = 0
    for index in batch:
        total += costs[index]
        if pieces and total >= (1 - LARGEST_PADDING) * longest * (len(pieces[-1]) + 1):
            pieces[-1].append(index)
        else:
            pieces.append([index])
            longest = total = costs[index]
    return pieces


def embed(slot: GpuSlot, model: Model[EncoderBackend], prepared: Prepared) -> Results:
    """The forward pass with everything that may go wrong in it. Raises EncoderError where no item is at fault."""
    failures = list(prepared.failures)
    results = Results(failures=failures, last_reason=failures[-1].reason if failures else "")
    if prepared.works:
        results += _forward(slot, model, prepared.works, prepared.features)
    return results


def _forward(slot: GpuSlot, model: Model[EncoderBackend], works: tuple[Work, ...], features: Features) -> Results:
    try:
        vectors = slot.forward(model, features)
    except ItemError as error:
        return _without(slot, model, works, features, error)
    except (OutOfMemory, MemoryError) as error:
        return _halved(slot, model, works, features, error)
    except EncoderError:
        raise
    except Exception as error:  # a backend may raise anything; a smaller batch tells which item it was
        return _failed(works, error)
    return Results(embedded=list(zip(works, vectors, strict=True)))


def _without(
    slot: GpuSlot, model: Model[EncoderBackend], works: tuple[Work, ...], features: Features, error: ItemError
) -> Results:
    """The named item fails, the others try again."""
    failure = Failure(works[error.index], error.reason, final=isinstance(error, ItemInputError))
    rest = [index for index in range(len(works)) if index != error.index]
    results = Results(failures=[failure], last_reason=error.reason)
    if rest:
        results += _forward(slot, model, tuple(works[index] for index in rest), features.take(rest))
    return results


def _halved(
    slot: GpuSlot, model: Model[EncoderBackend], works: tuple[Work, ...], features: Features, error: Exception
) -> Results:
    """Both halves one after the other. An item too large to go alone fails; trying it for ever would help nobody."""
    if len(works) == 1:
        return _failed(works, error)
    model.shrink()
    middle = len(works) // 2
    results = _forward(slot, model, works[:middle], features.take(range(middle)))
    results += _forward(slot, model, works[middle:], features.take(range(middle, len(works))))
    return results


def _failed(works: tuple[Work, ...], error: Exception) -> Results:
    reason = describe(error)
    if len(works) == 1:
        return Results(failures=[Failure(works[0], reason, final=False)], last_reason=reason)
    logger.warning("A micro-batch of %d items failed and is split", len(works), exc_info=error)
    return Results(to_split=list(works), last_reason=reason)
