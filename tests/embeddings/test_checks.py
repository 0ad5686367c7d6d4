"""What `manage.py check` says about embedding."""

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from embeddings.models import Encoder
from tests.factories import make_encoder


def ids(**options: Any) -> set[str | None]:
    return {message.id for message in run_checks(**options) if str(message.id).startswith("itembank.")}


def test_the_settings_as_shipped_are_fine() -> None:
    assert not ids() & {"itembank.E101", "itembank.E102"}


def test_a_task_routed_to_no_gpu_worker_is_an_error(settings: Any) -> None:
    settings.CELERY_TASK_ROUTES = {}
    assert "itembank.E101" in ids()


@pytest.mark.parametrize("place", ["no.such.module:Backend", "embeddings.encoders.hashing:Missing", "without-class"])
def test_a_backend_that_cannot_be_imported_is_an_error(settings: Any, place: str) -> None:
    settings.ENCODER_BACKENDS = {"ours": place}
    assert "itembank.E102" in ids()


@pytest.mark.django_db
def test_an_encoder_whose_backend_changed_is_a_warning() -> None:
    encoder = make_encoder()
    assert "itembank.W101" not in ids(databases=["default"])
    Encoder.objects.filter(pk=encoder.pk).update(fingerprint="0" * 64)
    assert "itembank.W101" in ids(databases=["default"])


@pytest.mark.django_db
def test_an_encoder_whose_backend_is_gone_is_a_warning() -> None:
    encoder = make_encoder()
    Encoder.objects.filter(pk=encoder.pk).update(backend="gone")
    assert "itembank.W101" in ids(databases=["default"])


@pytest.mark.django_db
def test_an_encoder_whose_weights_are_on_another_machine_is_fine(
    settings: Any, models_dir: Path, tmp_path: Path
) -> None:
    make_encoder("qwen3-vl-2b-mm-mean")
    settings.MODELS_DIR = tmp_path
    assert "itembank.W101" not in ids(databases=["default"])
