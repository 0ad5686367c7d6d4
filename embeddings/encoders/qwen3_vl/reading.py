"""What encoder and reranker alike make of an item: its text cut, its images resized, by the checkpoint's own rules."""

from dataclasses import dataclass
from functools import cached_property

from PIL import Image

from embeddings.encoders.base import EncoderInput
from embeddings.encoders.qwen3_vl.images import Geometry, outline, picture
from embeddings.encoders.qwen3_vl.prompt import Picture, PromptTokenizer
from embeddings.encoders.weights import ModelFiles, locate

Content = tuple[str, list[Picture]]


@dataclass(frozen=True)
class Reader:
    """Reads items for one checkpoint. Makes no use of the network; safe for threads."""

    model_id: str
    revision: str
    max_length: int
    min_pixels: int
    max_pixels: int

    @cached_property
    def files(self) -> ModelFiles:
        return locate(self.model_id, self.revision)

    @cached_property
    def tokenizer(self) -> PromptTokenizer:
        return PromptTokenizer(self.files.path)

    @cached_property
    def _geometry(self) -> Geometry:
        return Geometry.of(self.files)

    def content(self, item: EncoderInput) -> Content:
        """Text of `max_length` tokens at most, images in the model's sizes. Raises ValueError for a narrow strip."""
        return self._text(item), [self._picture(image) for image in item.images]

    def outlined(self, item: EncoderInput) -> Content:
        """As `content`, but without the pixels: enough to know the cost."""
        limits = self.min_pixels, self.max_pixels
        return self._text(item), [outline(image, self._geometry, *limits) for image in item.images]

    def _text(self, item: EncoderInput) -> str:
        return self.tokenizer.cut(item.text, self.max_length)

    def _picture(self, image: Image.Image) -> Picture:
        return picture(image, self._geometry, self.min_pixels, self.max_pixels)
