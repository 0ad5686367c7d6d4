"""`manage.py up`: the whole bank on one machine, until Ctrl-C."""

import signal
import socket
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from itembank.processes import ChildProcess, Supervisor, beat_command, web_command, worker_process

LAST_PORT = 65535


class Command(BaseCommand):
    help = "Run web, workers, beat and the embedded servers together; restart what dies; Ctrl-C stops all of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        require_free_port(host, port)
        call_command("migrate", interactive=False, verbosity=0)
        with Supervisor([*background_processes(), web_process(host, port)], before=ensure_servers):
            self.stdout.write(_("http://%(host)s:%(port)d/ - Ctrl-C stops everything") % {"host": host, "port": port})
            wait_for_stop()
            self.stdout.write(_("Stopping ..."))


def background_processes(log_dir: Path | None = None) -> list[ChildProcess]:
    """Everything but the web server."""
    workers = [worker_process(f"worker-{role}", role, log_dir) for role in ("gpu", "cpu", "llm")]
    return [*workers, ChildProcess("beat", beat_command(), log_dir)]


def web_process(host: str, port: int, log_dir: Path | None = None) -> ChildProcess:
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise looks there even where it serves from the apps
    return ChildProcess("web", web_command(host=host, port=port), log_dir)


def ensure_servers() -> None:
    """Start an embedded server that died; nothing where the environment names other servers."""
    if settings.EMBEDDED is not None:
        settings.EMBEDDED.start()


def require_free_port(host: str, port: int) -> None:
    """Raises CommandError where another program listens there, or where there is no such port."""
    if not 1 <= port <= LAST_PORT:
        raise CommandError(f"--port must be from 1 to {LAST_PORT}.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(f"{host}:{port} is not free ({error.strerror}). Choose another with --port.") from error


def wait_for_stop() -> None:
    """Return at Ctrl-C or SIGTERM."""
    stop = threading.Event()
    # Ctrl-C too: a shell starts background processes with SIGINT ignored, and Python then raises nothing.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
