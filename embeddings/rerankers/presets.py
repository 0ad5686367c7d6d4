"""Ready-made rerankers that a user picks by slug."""

from dataclasses import dataclass, replace
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from embeddings.rerankers.base import RerankerSpec

RETRIEVE = "Given a search query, retrieve relevant candidates that answer the query."


@dataclass(frozen=True, slots=True)
class RerankerPreset:
    """`name` and `description` are shown to users; `draft` leaves open what the model's files say."""

    slug: str
    name: str | Promise
    description: str | Promise
    draft: RerankerSpec

    def spec(self, *, server: str = "", **changes: Any) -> RerankerSpec:
        """The complete definition; `changes` replace fields of the draft, `server` names who runs the model.

        Reads the model's files (or asks the server) where the draft leaves something open. Raises ModelUnavailable.
        """
        draft = replace(self.draft, **changes)
        if server:
            from embeddings.rerankers.remote import served

            draft = served(draft, server)
        from embeddings.rerankers.registry import reranker_class

        return reranker_class(draft.backend).completed(draft)


def qwen3_vl(size: str) -> RerankerSpec:
    """The authors' default instruction; the pixel limits are those of our reference scores."""
    return RerankerSpec(
        backend="qwen3-vl",
        model_id=f"Qwen/Qwen3-VL-Reranker-{size}",
        revision="",
        instruction=RETRIEVE,
        max_length=8192,
        min_pixels=64 * 64,
        max_pixels=512 * 512,
        precision="auto",
    )


RERANKER_PRESETS = {
    preset.slug: preset
    for preset in (
        RerankerPreset(
            "qwen3-vl-reranker-2b",
            _("Text and figures: Qwen3-VL Reranker 2B"),
            _("Reads the query and a hit together, text and figures on both sides. Needs its weights and a GPU."),
            qwen3_vl("2B"),
        ),
        RerankerPreset(
            "qwen3-vl-reranker-8b",
            _("Text and figures: Qwen3-VL Reranker 8B"),
            _("Larger and slower. Needs its weights and a large GPU."),
            qwen3_vl("8B"),
        ),
    )
}
