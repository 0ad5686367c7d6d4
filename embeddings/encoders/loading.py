"""Loading one checkpoint onto this process's device, for encoders and rerankers alike."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from django.utils.translation import gettext as _

from embeddings.encoders.errors import ModelUnavailable, missing_package
from embeddings.encoders.precision import AUTO, LoadPlan, load_plan, native_precision
from embeddings.encoders.threads import cpu_threads
from embeddings.encoders.torch_models import reporting_out_of_memory
from embeddings.encoders.weights import ModelFiles, locate

if TYPE_CHECKING:
    from embeddings.encoders.base import EncoderSpec
    from embeddings.rerankers.base import RerankerSpec

Spec = TypeVar("Spec", "EncoderSpec", "RerankerSpec")
Model = TypeVar("Model")


def with_native_precision(spec: Spec) -> Spec:
    """The spec with the precision "auto" replaced by what this process's device computes in."""
    return replace(spec, precision=native_precision()) if spec.precision == AUTO else spec


def load_checkpoint(
    spec: "EncoderSpec | RerankerSpec", read: Callable[[ModelFiles, LoadPlan], Model], *, takes_nf4: bool
) -> tuple[Model, str]:
    """What `read` makes of the spec's files, and the device ("cuda" or "cpu") that it loaded onto.

    Raises ModelUnavailable where files or packages are missing or do not load, OutOfMemory.
    """
    # Looked at again: the folder may hold another revision than when its tokeniser was read.
    files = locate(spec.model_id, spec.revision)
    try:
        from huggingface_hub.errors import StrictDataclassError
        from safetensors import SafetensorError

        plan = load_plan(spec.precision, files, takes_nf4=takes_nf4)
        _prepare_torch(plan)
        with reporting_out_of_memory():
            return read(files, plan), plan.device
    except ImportError as error:
        # Of the package that 4 bits need transformers tells the name in its message only.
        raise ModelUnavailable(missing_package(error.name or "bitsandbytes", "-r requirements/gpu.txt")) from error
    except (OSError, ValueError, KeyError, SafetensorError, StrictDataclassError) as error:
        raise ModelUnavailable(
            _("%(folder)s does not load (%(error)s); download the model again") % {"folder": files.path, "error": error}
        ) from error


def _prepare_torch(plan: LoadPlan) -> None:
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if plan.device == "cpu":
        torch.set_num_threads(cpu_threads())


def check_complete(name: str, report: Mapping[str, Any]) -> None:
    """Raises ModelUnavailable where transformers would fill weights that the files lack with random numbers."""
    lacking = sorted([*report["missing_keys"], *(str(each) for each in report["mismatched_keys"])])
    if lacking:
        raise ModelUnavailable(
            _("the files of %(model)s lack %(count)d of its weights, such as %(first)s; download the model again")
            % {"model": name, "count": len(lacking), "first": lacking[0]}
        )
