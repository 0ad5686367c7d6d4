"""Number formats of a model's weights: which one this device takes, and whether the model fits in it."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from embeddings.encoders.errors import EncoderError, ModelUnavailable, missing_package
from embeddings.encoders.weights import ModelFiles, Tensor

AUTO = "auto"
PRECISIONS = (AUTO, "fp32", "fp16", "bf16", "nf4")
# What NF4 leaves in the compute type: the vision tower, whose layers are not all multiples of 64 wide, and the head.
NF4_SKIPPED = ("visual", "lm_head")
_BYTES = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0}
# Half a byte, a scale of a byte for 64 weights, and for 256 scales a scale of theirs in 4 bytes.
_NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
_WORKING_BYTES = 256e6  # beside the weights, so that at least the smallest batch has room


def device_name() -> str:
    """ "cuda" or "cpu": the first GPU that CUDA shows this process, else the processor."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def native_precision() -> str:
    """What "auto" means here: bf16 where the GPU computes in it, else fp16; fp32 on a CPU. Raises ModelUnavailable
    where torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ModelUnavailable(missing_package("torch", "-r requirements/gpu.txt")) from error
    if device_name() == "cpu":
        return "fp32"
    return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp16"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """How to load: arguments of `from_pretrained`, which puts the model on `device`."""

    device: str
    arguments: dict[str, Any]


def load_plan(precision: str, files: ModelFiles, *, takes_nf4: bool = True) -> LoadPlan:
    """How to load these weights in this precision on this device.

    Raises EncoderError for "auto" (settle it first) or an unknown one, ModelUnavailable where the device cannot compute
    in it or has no room; nothing falls back silently, since the precision is part of the vector space.
    """
    compute = _compute_type(precision)
    device = device_name()
    check_room(precision, files, device, takes_nf4=takes_nf4)
    # Straight onto the device: a model need not fit the machine's memory as well.
    arguments: dict[str, Any] = {"dtype": compute, "device_map": {"": device}}
    arguments |= {"use_safetensors": True, "local_files_only": True}
    if precision == "nf4":
        arguments["quantization_config"] = _nf4(compute)
    return LoadPlan(device, arguments)


def check_room(precision: str, files: ModelFiles, device: str, *, takes_nf4: bool = True) -> None:
    """Raises ModelUnavailable where the weights do not fit the device's free memory; it names nf4 if that can help."""
    needed, free = weight_bytes(files, precision), _free_bytes(device)
    if needed + _WORKING_BYTES <= free:
        return
    figures = {
        "needed": f"{needed / 1e9:.1f}",
        "precision": precision,
        "device": device,
        "free": f"{free / 1e9:.1f}",
    }
    if precision == "nf4" or not takes_nf4:
        raise ModelUnavailable(
            _("the weights need %(needed)s GB in %(precision)s, and %(device)s has %(free)s GB free") % figures
        )
    raise ModelUnavailable(
        _(
            "the weights need %(needed)s GB in %(precision)s, and %(device)s has %(free)s GB free; "
            "make an encoder with the precision nf4, which needs %(nf4)s GB"
        )
        % (figures | {"nf4": f"{weight_bytes(files, 'nf4') / 1e9:.1f}"})
    )


def weight_bytes(files: ModelFiles, precision: str) -> float:
    """Bytes that the weights take once loaded; a head for words (lm_head) is left out, as encoders do not load it."""
    tensors = [tensor for tensor in files.tensors() if "lm_head" not in tensor.name]
    if precision == "nf4":
        other = _BYTES[native_precision()]
        return sum(tensor.size * (_NF4_BYTES if _is_quantised(tensor) else other) for tensor in tensors)
    return sum(tensor.size for tensor in tensors) * _BYTES[precision]


def _is_quantised(tensor: Tensor) -> bool:
    """Whether NF4 takes it: the matrix of a linear layer outside of what is skipped."""
    skipped = (*NF4_SKIPPED, "embed")
    return len(tensor.shape) == 2 and not any(part in tensor.name for part in skipped)


def _free_bytes(device: str) -> int:
    if device == "cuda":
        import torch

        # What torch keeps for reuse after a model was unloaded is free for the next one.
        return int(torch.cuda.mem_get_info()[0]) + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    import psutil

    return int(psutil.virtual_memory().available)


def _compute_type(precision: str) -> Any:
    """The torch type to compute in; that of nf4 is the device's own."""
    import torch

    native = native_precision()
    if precision == "bf16" and native == "fp16":
        raise ModelUnavailable(_("this GPU does not compute in bf16; make an encoder with the precision fp16"))
    types = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
    types["nf4"] = types[native]
    if precision not in types:
        raise EncoderError(
            _("“%(precision)s” is no precision to load in; use one of %(known)s")
            % {"precision": precision, "known": ", ".join(types)}
        )
    return types[precision]


def _nf4(compute_type: Any) -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_type,
        llm_int8_skip_modules=list(NF4_SKIPPED),
    )
