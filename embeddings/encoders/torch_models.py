"""What every model on torch needs: no gradients, and its way of running out of memory told from other failures."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from embeddings.encoders.errors import OutOfMemory

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def reporting_out_of_memory() -> Iterator[None]:
    """Turns torch's errors about a full device, or a full machine, into OutOfMemory."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise OutOfMemory(str(error)) from error
    except RuntimeError as error:
        if "not enough memory" in str(error) or "can't allocate memory" in str(error):
            raise OutOfMemory(str(error)) from error
        raise


def inference(function: Callable[P, R]) -> Callable[P, R]:
    """A forward pass: without gradients, and raising OutOfMemory."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        import torch

        with torch.inference_mode(), reporting_out_of_memory():
            return function(*args, **kwargs)

    return run
