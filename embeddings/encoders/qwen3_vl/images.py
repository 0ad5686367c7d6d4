"""Pictures in the sizes that Qwen3-VL's vision tower takes."""

from dataclasses import dataclass

import numpy as np
from django.utils.translation import gettext as _
from PIL import Image

from embeddings.encoders.qwen3_vl.prompt import Picture
from embeddings.encoders.weights import ModelFiles

MAX_RATIO = 200  # of the authors' resizing


@dataclass(frozen=True, slots=True)
class Geometry:
    """How the vision tower cuts an image: patches of `patch` pixels, `merge` x `merge` of them to a token."""

    patch: int
    merge: int
    frames: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, files: ModelFiles) -> "Geometry":
        config = files.config("preprocessor_config.json")
        return cls(
            patch=config["patch_size"],
            merge=config["merge_size"],
            frames=config["temporal_patch_size"],
            mean=tuple(config["image_mean"]),
            deviation=tuple(config["image_std"]),
        )

    @property
    def factor(self) -> int:
        """Side of the square of pixels that becomes one token."""
        return self.patch * self.merge


def fitted_size(size: tuple[int, int], geometry: Geometry, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """(width, height) as the authors resize: multiples of the factor, within the pixel limits, shape nearly kept.

    Raises ValueError, for the reader, for a strip that is too narrow.
    """
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    width, height = size
    if max(size) > MAX_RATIO * min(size):
        raise ValueError(
            _("an image of %(width)d x %(height)d pixels is too narrow (%(ratio)d to 1 at most); crop it and upload it")
            % {"width": width, "height": height, "ratio": MAX_RATIO}
        )
    fitted = smart_resize(height, width, factor=geometry.factor, min_pixels=min_pixels, max_pixels=max_pixels)
    return fitted[1], fitted[0]


def picture(image: Image.Image, geometry: Geometry, min_pixels: int, max_pixels: int) -> Picture:
    """The image resized, bicubic as in the authors' code. Raises ValueError for a strip that is too narrow."""
    width, height = fitted_size(image.size, geometry, min_pixels, max_pixels)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return Picture(np.array(resized), height // geometry.factor, width // geometry.factor)


def outline(image: Image.Image, geometry: Geometry, min_pixels: int, max_pixels: int) -> Picture:
    """A picture of the right size without its pixels, to know its cost."""
    width, height = fitted_size(image.size, geometry, min_pixels, max_pixels)
    return Picture(np.empty((0, 0, 3), np.uint8), height // geometry.factor, width // geometry.factor)
