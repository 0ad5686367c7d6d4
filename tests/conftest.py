"""Fixtures that every test may use. Services come from tests/services.py, rows from tests/factories.py."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation


@pytest.fixture(autouse=True)
def _media_in_tmp(settings: Any, tmp_path: Path) -> Iterator[None]:
    """Each test stores files in a folder of its own."""
    settings.MEDIA_ROOT = tmp_path / "media"
    yield


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Messages as the code has them. What a request says follows the request: Korean unless it asks for English."""
    with translation.override("en"):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(embedded_services: object) -> None:
    """Starts the servers before pytest-django, which asks for this fixture, makes the test database.

    It stands here because plugins may not override each other's fixtures.
    """
