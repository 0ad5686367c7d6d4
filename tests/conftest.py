"""Fixtures that every test may use. Services come from tests/services.py, rows from tests/factories.py."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation
from django.utils.translation import trans_real

from tests.tiny_models import write_tiny_models


@pytest.fixture(autouse=True)
def _media_in_tmp(settings: Any, tmp_path: Path) -> Iterator[None]:
    """Each test stores files in a folder of its own."""
    settings.MEDIA_ROOT = tmp_path / "media"
    yield


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Messages as the code has them, also in threads, which do not know what language was chosen here.

    What a request says follows the request: Korean unless it asks for English.
    """
    monkeypatch.setattr(trans_real, "_default", trans_real.translation("en"))
    with translation.override("en"):
        yield


@pytest.fixture
def signals_of_a_terminal() -> Iterator[None]:
    """As a shell starts a command: what runs these tests may ignore signals itself, as `nohup` and `&` do."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with a tiny one under each real name (tests/tiny_models.py)."""
    folder = tmp_path_factory.mktemp("models")
    write_tiny_models(folder)
    return folder


@pytest.fixture
def models_dir(settings: Any, monkeypatch: pytest.MonkeyPatch, tiny_models: Path) -> Path:
    """The tiny models are this process's models, and those of the processes that it starts."""
    settings.MODELS_DIR = tiny_models
    monkeypatch.setenv("ITEMBANK_MODELS_DIR", str(tiny_models))
    return tiny_models


@pytest.fixture(scope="session")
def django_db_modify_db_settings(embedded_services: object) -> None:
    """Starts the servers before pytest-django, which asks for this fixture, makes the test database.

    It stands here because plugins may not override each other's fixtures.
    """
