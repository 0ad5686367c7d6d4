"""What every model on torch needs: no gradients, and its way of running out of memory told from other failures."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from embeddings.encoders.errors import OutOfMemory

P = ParamSpec("P")
R = TypeVar("R")

# What else than torch's own error says that there is no room: the C allocator, and libraries that want a workspace.
_NO_ROOM = ("not enough memory", "can't allocate memory", "CUDA error: out of memory", "STATUS_ALLOC_FAILED")


@contextmanager
def reporting_out_of_memory() -> Iterator[None]:
    """Turns torch's errors about a full device, or a full machine, into OutOfMemory."""
    import torch

    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and not any(sign in str(error) for sign in _NO_ROOM):
            raise
        # The traceback would keep the tensors of the failed pass while the smaller batch that follows needs the room.
        traceback.clear_frames(error.__traceback__)
        torch.cuda.empty_cache()
        raise OutOfMemory(str(error)) from error


def inference(function: Callable[P, R]) -> Callable[P, R]:
    """A forward pass: without gradients, and raising OutOfMemory."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        import torch

        with torch.inference_mode(), reporting_out_of_memory():
            return function(*args, **kwargs)

    return run
