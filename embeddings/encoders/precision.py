"""Number formats of a model's weights: which one this device takes, and whether the model fits in it."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from embeddings.encoders.errors import EncoderError, ModelUnavailable
from embeddings.encoders.weights import ModelFiles

PRECISIONS = ("auto", "fp32", "fp16", "bf16", "nf4")
_BYTES = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0, "nf4": 0.7}  # a weight; nf4 with its scales and what is left in 16 bit


def device_name() -> str:
    """ "cuda" or "cpu": the first GPU that CUDA shows this process, else the processor."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def native_precision() -> str:
    """What "auto" means here: bf16 where the GPU computes in it, else fp16; fp32 on a CPU."""
    import torch

    if device_name() == "cpu":
        return "fp32"
    return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp16"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """How to load: arguments of `from_pretrained`, and where the model goes afterwards."""

    device: str
    arguments: dict[str, Any]


def load_plan(precision: str, files: ModelFiles) -> LoadPlan:
    """How to load these weights in this precision on this device.

    Raises EncoderError for "auto" (settle it first) or an unknown one, ModelUnavailable where the device cannot compute
    in it or has no room; nothing falls back silently, since the precision is part of the vector space.
    """
    import torch

    types = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "nf4": _nf4_compute_type()}
    if precision not in types:
        raise EncoderError(
            _("“%(precision)s” is no precision to load in; use one of %(known)s")
            % {"precision": precision, "known": ", ".join(types)}
        )
    device = device_name()
    if precision == "bf16" and device == "cuda" and native_precision() != "bf16":
        raise ModelUnavailable(_("this GPU does not compute in bf16; make an encoder with the precision fp16"))
    check_room(precision, files, device)
    arguments: dict[str, Any] = {"dtype": types[precision], "use_safetensors": True, "local_files_only": True}
    if precision == "nf4":
        arguments |= {"quantization_config": _nf4(types["nf4"]), "device_map": {"": device}}
    return LoadPlan(device, arguments)


def check_room(precision: str, files: ModelFiles, device: str) -> None:
    """Raises ModelUnavailable, naming a smaller precision, where the weights cannot fit the device's free memory."""
    needed, free = _weight_bytes(files, precision), _free_bytes(device)
    if needed <= free:
        return
    smaller = _("; make an encoder with the precision nf4, which needs about %(gb).1f GB") % {
        "gb": _weight_bytes(files, "nf4") / 1e9
    }
    raise ModelUnavailable(
        _("the weights need %(needed).1f GB in %(precision)s and %(device)s has %(free).1f GB free")
        % {"needed": needed / 1e9, "precision": precision, "device": device, "free": free / 1e9}
        + ("" if precision == "nf4" else smaller)
    )


def _weight_bytes(files: ModelFiles, precision: str) -> float:
    stored = 4 if files.config().get("dtype", files.config().get("torch_dtype")) == "float32" else 2
    return files.weight_bytes() / stored * _BYTES[precision]


def _free_bytes(device: str) -> int:
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    import psutil

    return int(psutil.virtual_memory().available)


def _nf4_compute_type() -> Any:
    import torch

    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[native_precision()]


def _nf4(compute_type: Any) -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_type,
        llm_int8_skip_modules=["visual", "lm_head"],
    )
