"""What encoders share that load one checkpoint in 32 or 16 bit: completing the definition, finding files, loading."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

from django.utils.translation import gettext as _

from embeddings.encoders.base import EncoderBackend, EncoderSpec
from embeddings.encoders.errors import EncoderError, ModelUnavailable, missing_package
from embeddings.encoders.precision import LoadPlan, load_plan, native_precision
from embeddings.encoders.threads import cpu_threads
from embeddings.encoders.torch_models import reporting_out_of_memory
from embeddings.encoders.weights import ModelFiles, locate


class CheckpointBackend(EncoderBackend):
    """A model whose files `weights.locate` finds; subclasses say how to read and run them."""

    # Cost of a micro-batch by device: on a CPU a query that waits for one should not wait long.
    budgets: ClassVar[Mapping[str, int]] = {"cpu": 256, "cuda": 16_384}
    token_budget = 256

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__(spec)
        if spec.precision == "nf4":
            raise EncoderError(
                _("%(model)s is too small a model to gain from nf4; use auto, fp32, fp16 or bf16")
                % {"model": spec.model_id}
            )

    @classmethod
    def completed(cls, spec: EncoderSpec) -> EncoderSpec:
        if spec.revision and spec.dimensions:
            return spec
        files = locate(spec.model_id, spec.revision, weights=False)
        return replace(spec, revision=files.revision, dimensions=spec.dimensions or cls.dimensions_in(files))

    @classmethod
    def settled(cls, spec: EncoderSpec) -> EncoderSpec:
        return replace(spec, precision=native_precision()) if spec.precision == "auto" else spec

    @classmethod
    @abstractmethod
    def dimensions_in(cls, files: ModelFiles) -> int:
        """Dimensions of the vectors, by the model's config files."""

    @abstractmethod
    def read_model(self, files: ModelFiles, plan: LoadPlan) -> int:
        """Loads the model onto the plan's device; returns the dimensions its vectors have."""

    def load_model(self) -> int:
        try:
            plan = load_plan(self.spec.precision, self.files)
        except ImportError as error:
            raise ModelUnavailable(missing_package(str(error.name), "-r requirements/gpu.txt")) from error
        _prepare_torch(plan)
        with reporting_out_of_memory():
            dimensions = self._read(plan)
        self.token_budget = self.budgets[plan.device]
        return dimensions

    def _read(self, plan: LoadPlan) -> int:
        from safetensors import SafetensorError

        try:
            return self.read_model(self.files, plan)
        except ImportError as error:
            raise ModelUnavailable(missing_package(str(error.name), "-r requirements/gpu.txt")) from error
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ModelUnavailable(
                _("%(folder)s does not load (%(error)s); download the model again")
                % {"folder": self.files.path, "error": error}
            ) from error

    @cached_property
    def files(self) -> ModelFiles:
        """Where the model is. Raises ModelUnavailable; found once: pinning may mean to read all weights."""
        return locate(self.spec.model_id, self.spec.revision)


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
