"""A preset with changes: what can be changed, and what a changed value may be."""

from dataclasses import fields, replace
from typing import Any

from django.utils.translation import gettext as _

from embeddings.encoders.base import EncoderSpec
from embeddings.encoders.errors import EncoderError
from embeddings.encoders.precision import AUTO, PRECISIONS
from embeddings.encoders.presets import Preset
from embeddings.encoders.registry import backend_class

# The code that makes the vectors is not a setting, and parts have encoders of their own.
CHANGEABLE = tuple(field.name for field in fields(EncoderSpec) if field.name not in {"backend", "parts"})


def varied(preset: Preset, *, server: str = "", **changes: Any) -> EncoderSpec:
    """The preset's complete specification with these changes, run by `server` if named.

    Raises EncoderError for a change that cannot be, ModelUnavailable where the model or the server is missing.
    """
    _check_names(changes)
    _check_precision(preset, changes.get("precision", preset.draft.precision))
    _check_limits(replace(preset.draft, **changes), preset.draft)
    dimensions = changes.pop("dimensions", None)
    spec = preset.spec(server=server, **changes)
    if dimensions is not None:
        _check_dimensions(dimensions, spec)
        spec = replace(spec, dimensions=dimensions)
    return spec


def _check_names(changes: dict[str, Any]) -> None:
    if unknown := sorted(set(changes) - set(CHANGEABLE)):
        raise EncoderError(
            _("an encoder has no setting %(unknown)s; it has %(known)s")
            % {"unknown": ", ".join(unknown), "known": ", ".join(CHANGEABLE)}
        )


def _check_precision(preset: Preset, precision: str) -> None:
    """Where the preset fixes one, the model exists in that alone; a backend may take less than all of them."""
    known = PRECISIONS if preset.draft.precision == AUTO else (preset.draft.precision,)
    if precision not in known:
        raise EncoderError(
            _("“%(precision)s” is no precision of this model; use one of %(known)s")
            % {"precision": precision, "known": ", ".join(known)}
        )


def _check_limits(spec: EncoderSpec, draft: EncoderSpec) -> None:
    if draft.max_length and spec.max_length < 1:
        raise EncoderError(_("the longest text must be at least one token"))
    if not draft.max_pixels and (spec.min_pixels or spec.max_pixels):
        raise EncoderError(_("this model has no pixel limits to set"))
    if draft.max_pixels and not 0 < spec.min_pixels <= spec.max_pixels:
        raise EncoderError(
            _("the pixel limits must be above zero, the fewest (%(least)d) no more than the most (%(most)d)")
            % {"least": spec.min_pixels, "most": spec.max_pixels}
        )


def _check_dimensions(wanted: int, spec: EncoderSpec) -> None:
    """`spec` has all dimensions of the model; fewer are possible where it was trained to be cut (Matryoshka)."""
    if wanted == spec.dimensions:
        return
    cut = dict(spec.options).get("matryoshka", backend_class(spec.backend).matryoshka)
    if not cut:
        raise EncoderError(
            _("%(model)s cannot be cut to fewer dimensions than its %(found)d")
            % {"model": spec.model_id, "found": spec.dimensions}
        )
    if not 0 < wanted < spec.dimensions:
        raise EncoderError(
            _("%(model)s has 1 to %(found)d dimensions, not %(wanted)d")
            % {"model": spec.model_id, "found": spec.dimensions, "wanted": wanted}
        )
