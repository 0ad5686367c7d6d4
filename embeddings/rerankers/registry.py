"""Reranker backends by name. Importing this module imports no torch and loads no model."""

from importlib import import_module
from typing import cast

from django.utils.translation import gettext as _

from embeddings.encoders.errors import EncoderError
from embeddings.rerankers.base import RerankerBackend, RerankerSpec

_BACKENDS = {
    "qwen3-vl": "embeddings.rerankers.qwen3_vl:Qwen3VLReranker",
    "remote": "embeddings.rerankers.remote:RemoteReranker",
}


def reranker_class(name: str) -> type[RerankerBackend]:
    """The class behind a backend's name. Raises EncoderError when there is none."""
    if name not in _BACKENDS:
        raise EncoderError(
            _("there is no reranker backend “%(name)s”; there are %(known)s")
            % {"name": name, "known": ", ".join(sorted(_BACKENDS))}
        )
    module, attribute = _BACKENDS[name].split(":")
    return cast(type[RerankerBackend], getattr(import_module(module), attribute))


def create_reranker(spec: RerankerSpec) -> RerankerBackend:
    """A backend for this reranker, nothing loaded yet."""
    return reranker_class(spec.backend)(spec)
