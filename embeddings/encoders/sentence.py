"""Text models in the format of sentence-transformers, such as KURE-v1.

The library's own modules run (transformer, pooling as the checkpoint says, normalising), but its `encode` does not:
here tokenising is done ahead on CPU threads and batches are packed by length, and a text that names a file or an
address is never taken for one.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from embeddings.encoders.base import EncoderInput, Role, Vectors
from embeddings.encoders.checkpoint import CheckpointBackend
from embeddings.encoders.errors import EncoderError, ModelUnavailable, missing_package
from embeddings.encoders.loading import check_complete
from embeddings.encoders.precision import LoadPlan
from embeddings.encoders.torch_models import inference
from embeddings.encoders.weights import ModelFiles, unreadable

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_LIBRARY = "sentence_transformers."


class SentenceTransformersBackend(CheckpointBackend):
    """Text vectors; the cost of a text is its number of tokens."""

    pads = True
    _model: "SentenceTransformer"
    _padding = 0

    @classmethod
    def dimensions_in(cls, files: ModelFiles) -> int:
        """The transformer's width, or that of the last dense layer behind it."""
        dimensions = files.width("hidden_size")
        for kind, path in _modules(files):
            if kind.endswith(".Dense"):
                dimensions = files.width("out_features", file=f"{path}/config.json")
        return dimensions

    def read_model(self, files: ModelFiles, plan: LoadPlan) -> int:
        from sentence_transformers import SentenceTransformer

        _check_modules(files)
        arguments = {name: value for name, value in plan.arguments.items() if name != "local_files_only"}
        device = None if "device_map" in arguments else plan.device  # the library warns where it is told both
        self._model = SentenceTransformer(
            str(files.path), device=device, model_kwargs=arguments, local_files_only=True, trust_remote_code=False
        ).eval()
        check_complete(self.spec.model_id, {"missing_keys": _lacking(self._model, files), "mismatched_keys": []})
        self._padding = int(self._model.tokenizer.pad_token_id)
        return int(self._model.get_embedding_dimension() or 0)

    def release_model(self) -> None:
        del self._model

    def cost(self, item: EncoderInput) -> int:
        return len(self._ids(item.text, Role.DOCUMENT))

    def prepare(self, item: EncoderInput, role: Role) -> tuple[int, NDArray[np.int64]]:
        ids = self._ids(item.text, role)
        return len(ids), ids

    @inference
    def embed(self, payload: Sequence[NDArray[np.int64]]) -> Vectors:
        import torch

        lengths = np.array([len(ids) for ids in payload])
        inside = np.arange(lengths.max()) < lengths[:, None]
        batch = np.full(inside.shape, self._padding, np.int64)
        batch[inside] = np.concatenate(payload)
        features = {"input_ids": torch.from_numpy(batch), "attention_mask": torch.from_numpy(inside.astype(np.int64))}
        output = self._model.forward({name: each.to(self._model.device) for name, each in features.items()})
        vectors: Vectors = output["sentence_embedding"].float().cpu().numpy()
        return vectors

    def _ids(self, text: str, role: Role) -> NDArray[np.int64]:
        tokenizer = self._tokenizer
        # What looks like a special token stays text: a space breaks it, since the model's pieces hold it whole too.
        for token in tokenizer.get_added_tokens_decoder().values():
            text = text.replace(token.content, f"{token.content[0]} {token.content[1:]}")
        return np.array(tokenizer.encode(self.instruction(role) + text).ids, np.int64)

    @property
    def _tokenizer(self) -> "Tokenizer":
        with self._load_lock:
            return self._own_tokenizer

    @cached_property
    def _own_tokenizer(self) -> "Tokenizer":
        """A copy that cuts at `max_length` and never changes: threads may share it.

        transformers sets truncation and padding anew at each call, which fails ("Already borrowed") where another
        thread is inside.
        """
        try:
            from tokenizers import Tokenizer
            from transformers import AutoTokenizer
        except ImportError as error:
            raise ModelUnavailable(missing_package(str(error.name), "-r requirements/gpu.txt")) from error
        loaded = AutoTokenizer.from_pretrained(self.files.path, local_files_only=True)
        own = Tokenizer.from_str(loaded.backend_tokenizer.to_str())
        own.no_padding()
        own.enable_truncation(min(self.spec.max_length, _longest(self.files, loaded.model_max_length)))
        return own


def _modules(files: ModelFiles) -> list[tuple[str, str]]:
    """(class, folder) of each module. Raises ModelUnavailable."""
    found: Any = files.config("modules.json")
    try:
        return [(str(module["type"]), str(module["path"])) for module in found]
    except (KeyError, TypeError) as error:
        raise unreadable(files.path / "modules.json", error) from error


def _longest(files: ModelFiles, otherwise: int) -> int:
    """The most tokens that the model reads, by the library's own config file where there is one."""
    stated = [files.config(path.name).get("max_seq_length") for path in files.path.glob("sentence_*_config.json")]
    return min([otherwise, *(int(each) for each in stated if each)])


def _lacking(model: "SentenceTransformer", files: ModelFiles) -> list[str]:
    """Weights of the transformer that no file has; a pooler is not among them, since no module uses it."""
    from safetensors import safe_open

    transformer = model.transformers_model
    if transformer is None:
        return []
    stored: set[str] = set()
    for path in files.path.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            stored |= {name.removeprefix(f"{transformer.base_model_prefix}.") for name in file.keys()}  # noqa: SIM118
    return [name for name in transformer.state_dict() if name not in stored and not name.startswith("pooler.")]


def _check_modules(files: ModelFiles) -> None:
    """Refuses modules that are code beside the weights: from a local folder the library would run them unasked."""
    for kind, _path in _modules(files):
        if not kind.startswith(_LIBRARY):
            raise EncoderError(
                _("%(model)s brings code of its own (%(module)s), which is not run; choose another model")
                % {"model": files.path, "module": kind}
            )
