"""A database of its own for a benchmark, on the server that the bank uses. The bank itself is never touched."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from django.conf import settings

NAME = f"itembank_benchmark_{os.getpid()}"


@dataclass(frozen=True, slots=True)
class Run:
    """A command that ended well: wall seconds from start to end of its process, peak memory in MB, what it printed."""

    seconds: float
    peak_mb: float
    output: str


@dataclass(frozen=True, slots=True)
class ScratchBank:
    """A migrated, empty bank, with media files below `home`."""

    url: str
    home: Path

    def manage(self, *arguments: str) -> Run:
        """Run `manage.py` on this bank. Raises RuntimeError with its errors where it fails."""
        environment = {"DATABASE_URL": self.url, "CELERY_BROKER_URL": settings.CELERY_BROKER_URL}
        return _run([sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments], environment, self.home)


@contextmanager
def scratch_bank(home: Path) -> Iterator[ScratchBank]:
    with psycopg.connect(_url("postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {NAME}")
        try:
            bank = ScratchBank(_url(NAME), home)
            bank.manage("migrate", "--verbosity", "0")
            yield bank
        finally:
            server.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def _url(name: str) -> str:
    database = settings.DATABASES["default"]
    password = f":{quote(database['PASSWORD'], safe='')}" if database["PASSWORD"] else ""
    port = f":{database['PORT']}" if database["PORT"] else ""
    return f"postgresql://{quote(database['USER'])}{password}@{quote(database['HOST'], safe='')}{port}/{name}"


def _run(command: Sequence[str], environment: Mapping[str, str], home: Path) -> Run:
    began = time.perf_counter()
    with (home / "output").open("w+b") as output, (home / "errors").open("w+b") as errors:
        process = subprocess.Popen(
            command, env={**os.environ, **environment, "ITEMBANK_HOME": str(home)}, stdout=output, stderr=errors
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {(home / 'errors').read_text()}")
        return Run(seconds, usage.ru_maxrss / 1024, (home / "output").read_text())
