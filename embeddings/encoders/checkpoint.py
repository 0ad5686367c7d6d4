"""What encoders share that load one checkpoint: completing the definition, finding files, loading."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

from django.utils.translation import gettext as _

from embeddings.encoders.base import EncoderBackend, EncoderSpec
from embeddings.encoders.errors import EncoderError
from embeddings.encoders.loading import load_checkpoint, with_native_precision
from embeddings.encoders.precision import LoadPlan
from embeddings.encoders.weights import ModelFiles, locate


class CheckpointBackend(EncoderBackend):
    """A model whose files `weights.locate` finds; subclasses say how to read and run them."""

    # Cost of a micro-batch by device: on a CPU a query that waits for one should not wait long.
    budgets: ClassVar[Mapping[str, int]] = {"cpu": 256, "cuda": 16_384}
    token_budget = 256
    takes_nf4: ClassVar[bool] = False

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__(spec)
        if spec.precision == "nf4" and not self.takes_nf4:
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
        return with_native_precision(spec)

    @classmethod
    @abstractmethod
    def dimensions_in(cls, files: ModelFiles) -> int:
        """Dimensions of the vectors, by the model's config files. Raises ModelUnavailable where they do not say."""

    @abstractmethod
    def read_model(self, files: ModelFiles, plan: LoadPlan) -> int:
        """Loads the model onto the plan's device; returns the dimensions its vectors have."""

    def load_model(self) -> int:
        dimensions, device = load_checkpoint(self.spec, self.read_model, takes_nf4=self.takes_nf4)
        self.token_budget = self.budgets[device]
        return dimensions

    @cached_property
    def files(self) -> ModelFiles:
        """Where the model is, for preprocessing. Raises ModelUnavailable; found once: it may mean to read all files."""
        return locate(self.spec.model_id, self.spec.revision)
