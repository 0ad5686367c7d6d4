"""`manage.py worker ROLE`: one Celery worker process, with the queues and the pool of its role."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from itembank.celery import app
from itembank.processes import QUIETLY, WORKER_ROLES, worker_name


class Command(BaseCommand):
    help = "Run a worker: gpu (embeds and answers queries), cpu (imports, evaluation) or llm (paid calls)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", choices=sorted(WORKER_ROLES))

    def handle(self, *args: Any, role: str, **options: Any) -> None:
        chosen = WORKER_ROLES[role]
        app.worker_main(
            [
                *QUIETLY,
                "worker",
                f"--queues={','.join(chosen.queues)}",
                f"--pool={chosen.pool}",
                f"--concurrency={chosen.concurrency}",
                f"--hostname={worker_name(role)}",
                f"--loglevel={settings.LOG_LEVEL}",
                "--without-gossip",
                "--without-mingle",
            ]
        )
