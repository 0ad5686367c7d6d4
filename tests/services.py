"""Pytest plugin: an embedded PostgreSQL and broker of each test process's own, which a test may kill and restart.

Loaded with `-p`, before Django's settings, which find the servers by ITEMBANK_HOME. Servers given by DATABASE_URL and
CELERY_BROKER_URL are ignored: tests empty the database.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(tempfile.mkdtemp(prefix="itembank-test-"))

(HOME / "static").mkdir()  # WhiteNoise warns where there is none

os.environ["ITEMBANK_HOME"] = str(HOME)
for name in ("DATABASE_URL", "CELERY_BROKER_URL", "ITEMBANK_MODE", "SECRET_KEY"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def embedded_services() -> Iterator[object]:
    from django.conf import settings

    assert settings.EMBEDDED is not None
    with settings.EMBEDDED.in_use():  # or a worker that ends would stop them
        yield settings.EMBEDDED
    settings.EMBEDDED.stop()


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)
