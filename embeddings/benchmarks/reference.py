"""What the pipeline is measured against: a plain loop over the same items with the model's own library.

Batches in the order of arrival, each read, prepared and computed before the next; the same weights, precision, limits
and CPU threads. Nothing of the encoder backends takes part, but where a model has no library of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from embeddings.encoders.base import EncoderBackend, EncoderInput, EncoderSpec, Modality, Role, Vectors
from embeddings.encoders.precision import load_plan
from embeddings.encoders.weights import locate
from embeddings.pipeline.inputs import Content, opened

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 32  # what sentence-transformers takes unless it is told otherwise


class Reference(ABC):
    """A loaded model. `name` says whose loop it is."""

    name: str
    # What the pipeline must reach: as fast on text, faster where there are images to prepare ahead.
    at_least = 1.0
    gains_by_images = True

    @abstractmethod
    def encode(self, contents: Sequence[Content]) -> Vectors:
        """(n, dimensions) in the order of the contents, of any norm."""


def create_reference(backend: EncoderBackend) -> Reference:
    """The reference for this backend's model, loaded. Raises EncoderError, ModelUnavailable."""
    kinds: dict[str, Callable[[EncoderSpec], Reference]] = {
        "sentence-transformers": SentenceReference,
        "siglip": SiglipReference,
        "qwen3-vl": Qwen3VLReference,
    }
    kind = kinds.get(backend.spec.backend)
    return kind(backend.spec) if kind else BareReference(backend)


class BareReference(Reference):
    """For models that only we run: the backend itself, preprocessing and forward passes by turns."""

    name = "bare backend"
    at_least = 0.95
    gains_by_images = False

    def __init__(self, backend: EncoderBackend) -> None:
        self._backend = backend

    def encode(self, contents: Sequence[Content]) -> Vectors:
        batches = (self._backend.encode(batch, Role.DOCUMENT) for batch in _batches(contents))
        return np.concatenate(list(batches))


class SentenceReference(Reference):
    """SentenceTransformer.encode as it is; it sorts the texts by their length itself."""

    name = "sentence-transformers"

    def __init__(self, spec: EncoderSpec) -> None:
        from sentence_transformers import SentenceTransformer

        files = locate(spec.model_id, spec.revision)
        plan = load_plan(spec.precision, files)
        arguments = {name: value for name, value in plan.arguments.items() if name != "local_files_only"}
        self._model = SentenceTransformer(str(files.path), device=plan.device, model_kwargs=arguments)
        self._model.max_seq_length = min(spec.max_length, self._model.max_seq_length or spec.max_length)
        self._prompt = spec.document_instruction

    def encode(self, contents: Sequence[Content]) -> Vectors:
        texts = [content.text for content in contents]
        vectors: Vectors = self._model.encode(
            texts, batch_size=BATCH, prompt=self._prompt or None, show_progress_bar=False, convert_to_numpy=True
        )
        return vectors


class SiglipReference(Reference):
    """transformers' own image processor and model; an item with several images is the mean of their unit vectors."""

    name = "transformers"

    def __init__(self, spec: EncoderSpec) -> None:
        from transformers import AutoModel, SiglipImageProcessorPil

        files = locate(spec.model_id, spec.revision)
        self._processor: Any = SiglipImageProcessorPil.from_pretrained(files.path)
        self._model = _loaded(AutoModel, spec)

    def encode(self, contents: Sequence[Content]) -> Vectors:
        return np.concatenate([self._encode(batch) for batch in _batches(contents)])

    def _encode(self, batch: Sequence[EncoderInput]) -> Vectors:
        images = [image for item in batch for image in item.images]
        pixels = self._processor(images=images, return_tensors="pt")["pixel_values"]
        rows = self._vectors(pixels.to(self._model.device, self._model.dtype))
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        starts = np.cumsum([0, *(len(item.images) for item in batch[:-1])])
        sums: Vectors = np.add.reduceat(unit, starts, axis=0)
        return sums

    def _vectors(self, pixels: "Tensor") -> Vectors:
        import torch

        with torch.inference_mode():
            rows: Vectors = self._model.get_image_features(pixel_values=pixels).pooler_output.float().cpu().numpy()
        return rows


class Qwen3VLReference(Reference):
    """transformers' tokenizer, image processor and model, padded batches with their attention mask.

    AutoProcessor would need torchvision; this is what it does with images.
    """

    name = "transformers"
    _PAD = "<|image_pad|>"

    def __init__(self, spec: EncoderSpec) -> None:
        from transformers import AutoTokenizer, Qwen2VLImageProcessorPil, Qwen3VLModel

        files = locate(spec.model_id, spec.revision)
        self._spec = spec
        self._tokenizer: Any = AutoTokenizer.from_pretrained(files.path, padding_side="right")
        self._images: Any = Qwen2VLImageProcessorPil.from_pretrained(files.path, do_resize=False)
        self._model = _loaded(Qwen3VLModel, spec)

    def encode(self, contents: Sequence[Content]) -> Vectors:
        return np.concatenate([self._encode(batch) for batch in _batches(contents)])

    def _encode(self, batch: Sequence[EncoderInput]) -> Vectors:
        import torch

        sees = self._spec.modality is not Modality.TEXT
        pictures = [[self._resized(image) for image in item.images] if sees else [] for item in batch]
        texts = [self._prompt(item.text, images) for item, images in zip(batch, pictures, strict=True)]
        inputs = self._tokenizer(texts, padding=True, return_tensors="pt")
        inputs["mm_token_type_ids"] = (inputs["input_ids"] == self._tokenizer.convert_tokens_to_ids(self._PAD)).int()
        if images := [image for row in pictures for image in row]:
            inputs |= self._images(images=images, return_tensors="pt")
        with torch.inference_mode():
            inputs = {name: tensor.to(self._model.device) for name, tensor in inputs.items()}
            return self._pooled(self._model(**inputs, use_cache=False).last_hidden_state, inputs["attention_mask"])

    def _pooled(self, states: "Tensor", mask: "Tensor") -> Vectors:
        lengths = mask.sum(1)
        if self._spec.pooling == "last":
            pooled = states[range(len(states)), lengths - 1].float()
        else:
            pooled = (states.float() * mask[..., None]).sum(1) / lengths[:, None]
        vectors: Vectors = pooled[:, : self._spec.dimensions].cpu().numpy()
        return vectors

    def _resized(self, image: Image.Image) -> Image.Image:
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        limits = {"min_pixels": self._spec.min_pixels, "max_pixels": self._spec.max_pixels}
        height, width = smart_resize(image.height, image.width, factor=self._factor, **limits)
        return image.resize((width, height), Image.Resampling.BICUBIC)

    def _prompt(self, text: str, images: Sequence[Image.Image]) -> str:
        pads = (self._PAD * (image.width * image.height // self._factor**2) for image in images)
        content = "".join(f"<|vision_start|>{pad}<|vision_end|>" for pad in pads) + text
        turns = (("system", self._spec.document_instruction), ("user", content))
        return "".join(f"<|im_start|>{role}\n{said}<|im_end|>\n" for role, said in turns) + "<|im_start|>assistant\n"

    @property
    def _factor(self) -> int:
        return int(self._images.patch_size * self._images.merge_size)


def _loaded(kind: Any, spec: EncoderSpec) -> Any:
    files = locate(spec.model_id, spec.revision)
    plan = load_plan(spec.precision, files)
    model = kind.from_pretrained(files.path, **plan.arguments)
    return model.eval() if "device_map" in plan.arguments else model.to(plan.device).eval()


def _batches(contents: Sequence[Content]) -> Iterator[list[EncoderInput]]:
    """Opened one after another, when their turn comes."""
    for start in range(0, len(contents), BATCH):
        yield [opened(content) for content in contents[start : start + BATCH]]
