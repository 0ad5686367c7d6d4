"""SigLIP: images, and where the space takes them text queries, in one space."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.encoders.base import EncoderInput, EncoderSpec, Role, Vectors
from embeddings.encoders.checkpoint import CheckpointBackend
from embeddings.encoders.errors import ModelUnavailable, missing_package
from embeddings.encoders.loading import check_complete
from embeddings.encoders.precision import LoadPlan
from embeddings.encoders.torch_models import inference
from embeddings.encoders.weights import ModelFiles

if TYPE_CHECKING:
    from torch import Tensor

# The configuration's defaults, which files leave out.
_VISION = {"hidden_size": 768, "image_size": 224, "patch_size": 16}
_TEXT = {"max_position_embeddings": 64}


@dataclass(frozen=True, slots=True)
class Pictures:
    """(n, 3, side, side) bytes of one item's images."""

    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Words:
    """(tokens,) ids of a text query, padded to the length that the model was trained with."""

    ids: NDArray[np.int64]


class SiglipBackend(CheckpointBackend):
    """Image vectors; an item with several images has the mean of their unit vectors. The cost counts patches."""

    _network: Any

    @classmethod
    def dimensions_in(cls, files: ModelFiles) -> int:
        return _vision(files)["hidden_size"]

    @classmethod
    def takes_text_queries(cls, spec: EncoderSpec) -> bool:
        return bool(dict(spec.options).get("text_queries"))

    def read_model(self, files: ModelFiles, plan: LoadPlan) -> int:
        """Loads the image side alone where the space takes no text queries: it is half of the model."""
        from transformers import SiglipModel, SiglipVisionModel

        kind: Any = SiglipModel if self.takes_text_queries(self.spec) else SiglipVisionModel
        network, report = kind.from_pretrained(files.path, output_loading_info=True, **plan.arguments)
        check_complete(self.spec.model_id, report)
        self._network = network.to(plan.device).eval()
        return int(getattr(network.config, "vision_config", network.config).hidden_size)

    def release_model(self) -> None:
        del self._network

    def cost(self, item: EncoderInput) -> int:
        return max(1, len(item.images)) * self._patches

    def prepare(self, item: EncoderInput, role: Role) -> tuple[int, Pictures | Words]:
        if item.images:
            return self.cost(item), Pictures(np.stack([self._resized(image) for image in item.images]))
        ids = self._ids(item.text)
        return len(ids), Words(ids)

    @inference
    def embed(self, payload: Sequence[Pictures | Words]) -> Vectors:
        rows = np.empty((len(payload), self.spec.dimensions), np.float32)
        pictures = {index: entry.pixels for index, entry in enumerate(payload) if isinstance(entry, Pictures)}
        words = {index: entry.ids for index, entry in enumerate(payload) if isinstance(entry, Words)}
        if pictures:
            rows[list(pictures)] = self._of_pictures(list(pictures.values()))
        if words:
            rows[list(words)] = self._of_words(np.stack(list(words.values())))
        return rows

    def _of_pictures(self, items: Sequence[NDArray[np.uint8]]) -> Vectors:
        network = getattr(self._network, "vision_model", self._network)
        vectors = network(pixel_values=self._scaled(np.concatenate(items))).pooler_output.float()
        unit = (vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-12)).cpu().numpy()
        starts = np.cumsum([0, *(len(images) for images in items[:-1])])
        means: Vectors = np.add.reduceat(unit, starts, axis=0)
        return means

    def _of_words(self, ids: NDArray[np.int64]) -> Vectors:
        import torch

        # No attention mask: SigLIP was trained to look at its padding too.
        output = self._network.text_model(input_ids=torch.from_numpy(ids).to(self._network.device))
        vectors: Vectors = output.pooler_output.float().cpu().numpy()
        return vectors

    def _scaled(self, pixels: NDArray[np.uint8]) -> "Tensor":
        """Bytes -> the range that the model was trained on, on its device: a quarter of the bytes travel there."""
        import torch

        images = torch.from_numpy(pixels).to(self._network.device).float() * self._processor.rescale_factor
        mean, deviation = (
            torch.tensor(values, device=images.device).view(-1, 1, 1)
            for values in (self._processor.image_mean, self._processor.image_std)
        )
        scaled: Tensor = ((images - mean) / deviation).to(self._network.dtype)
        return scaled

    def _resized(self, image: Image.Image) -> NDArray[np.uint8]:
        """(3, side, side): stretched to a square, as the model was trained."""
        found = self._processor(images=image, do_rescale=False, do_normalize=False, return_tensors="np")
        pixels: NDArray[np.uint8] = np.asarray(found["pixel_values"][0]).astype(np.uint8)
        return pixels

    def _ids(self, text: str) -> NDArray[np.int64]:
        tokenizer, limit = self._tokenizer, min(self.spec.max_length, self._words)
        ids = tokenizer(text, truncation=True, max_length=limit)["input_ids"]
        return np.array([*ids, *[tokenizer.pad_token_id] * (self._words - len(ids))], np.int64)

    @cached_property
    def _patches(self) -> int:
        sizes = _vision(self.files)
        return (sizes["image_size"] // sizes["patch_size"]) ** 2

    @cached_property
    def _words(self) -> int:
        name = "max_position_embeddings"
        return self.files.width("text_config", name, default=_TEXT[name])

    @property
    def _processor(self) -> Any:
        with self._load_lock:
            return self._readers[0]

    @property
    def _tokenizer(self) -> Any:
        with self._load_lock:
            return self._readers[1]

    @cached_property
    def _readers(self) -> tuple[Any, Any]:
        """Image processor and tokeniser; the image processor that works with Pillow alone, without torchvision."""
        try:
            from transformers import AutoTokenizer, SiglipImageProcessorPil

            tokenizer: Any = None
            if self.takes_text_queries(self.spec):
                tokenizer = AutoTokenizer.from_pretrained(self.files.path, local_files_only=True)
        except ImportError as error:
            raise ModelUnavailable(missing_package(str(error.name), "-r requirements/gpu.txt")) from error
        return SiglipImageProcessorPil.from_pretrained(self.files.path, local_files_only=True), tokenizer


def _vision(files: ModelFiles) -> dict[str, int]:
    return {name: files.width("vision_config", name, default=default) for name, default in _VISION.items()}
