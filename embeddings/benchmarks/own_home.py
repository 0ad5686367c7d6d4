"""A bank of a benchmark's own: database, broker, worker and sample items in a temporary home, removed at the end."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from embeddings.models import Encoder
from embeddings.services import get_or_create_encoder


def run_in_own_home(benchmark: str, **options: object) -> None:
    """Run `manage.py benchmark NAME` again, in a process whose home is empty, with `--home` besides the options.

    True becomes a flag, None and False are left out. Its models are this process's. Raises CommandError where it fails.
    """
    outside = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "CELERY_BROKER_URL"}}
    outside["ITEMBANK_MODELS_DIR"] = str(settings.MODELS_DIR)
    arguments = [part for name, value in options.items() for part in _argument(name, value)]
    with tempfile.TemporaryDirectory(prefix="itembank-benchmark-") as home:
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "benchmark", benchmark, *arguments]
        environment = {**outside, "ITEMBANK_HOME": home, "LOG_LEVEL": "WARNING"}
        ended = subprocess.run([*command, "--home", home], env=environment, check=False)
    if ended.returncode:
        raise CommandError(f"The benchmark ended with status {ended.returncode}.")


def _argument(name: str, value: object) -> tuple[str, ...]:
    flag = f"--{name.replace('_', '-')}"
    if value is None or value is False:
        return ()
    return (flag,) if value is True else (flag, str(value))


def filled_bank(home: str, *, preset: str, items: int, seed: int) -> Encoder:
    """Sample items in this process's bank, and the encoder. Raises CommandError where `home` is not its home."""
    fill_bank(home, items=items, seed=seed)
    return get_or_create_encoder(preset=preset)


def fill_bank(home: str, *, items: int, seed: int) -> None:
    """Sample items in this process's bank. Raises CommandError where `home` is not its home."""
    if Path(home).resolve() != settings.HOME_DIR:
        raise CommandError("--home must be the ITEMBANK_HOME of this process; leave it out for a temporary one.")
    call_command("migrate", interactive=False, verbosity=0)
    call_command("make_sample", str(Path(home) / "sample"), items=items, seed=seed)
    call_command("import_items", str(Path(home) / "sample"))
