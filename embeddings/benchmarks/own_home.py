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

    Raises CommandError where it fails.
    """
    outside = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "CELERY_BROKER_URL"}}
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    with tempfile.TemporaryDirectory(prefix="itembank-benchmark-") as home:
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "benchmark", benchmark, *arguments]
        environment = {**outside, "ITEMBANK_HOME": home, "LOG_LEVEL": "WARNING"}
        ended = subprocess.run([*command, "--home", home], env=environment, check=False)
    if ended.returncode:
        raise CommandError(f"The benchmark ended with status {ended.returncode}.")


def filled_bank(home: str, *, preset: str, items: int, seed: int) -> Encoder:
    """Sample items in this process's bank, and the encoder. Raises CommandError where `home` is not its home."""
    if Path(home).resolve() != settings.HOME_DIR:
        raise CommandError("--home must be the ITEMBANK_HOME of this process; leave it out for a temporary one.")
    call_command("migrate", interactive=False, verbosity=0)
    call_command("make_sample", str(Path(home) / "sample"), items=items, seed=seed)
    call_command("import_items", str(Path(home) / "sample"))
    return get_or_create_encoder(preset=preset)
