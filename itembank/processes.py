"""The processes of one machine: how each is started, kept alive and stopped.

Workers run as `manage.py worker ROLE`: `up`, the demo, tests, benchmarks and the containers start the same thing.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from django.conf import settings

from itembank.embedded import wait_until

logger = logging.getLogger(__name__)

MANAGE = settings.BASE_DIR / "manage.py"
# Celery's greeting is for people; programs that read the log can make nothing of it.
QUIETLY = ["--quiet"] if settings.LOG_FORMAT == "json" else []
POLL_SECONDS = 0.5
STOP_SECONDS = 12  # then the process is killed; rows and leases make that safe
FIRST_BACKOFF, LAST_BACKOFF = 1.0, 30.0
HEALTHY_SECONDS = 60  # a process that lived this long restarts without delay


@dataclass(frozen=True, slots=True)
class WorkerRole:
    """What a Celery worker process of one kind consumes, and how."""

    queues: tuple[str, ...]
    pool: str
    concurrency: int
    stop_seconds: float = STOP_SECONDS


# The GPU worker is one process: its threads share the loaded model, and a query overtakes a job inside it. The cpu
# worker forks, so that a parser cannot take it down.
WORKER_ROLES: Mapping[str, WorkerRole] = {
    "gpu": WorkerRole(queues=("gpu.query", "gpu.batch"), pool="threads", concurrency=4),
    "cpu": WorkerRole(queues=("cpu",), pool="prefork", concurrency=1),
    # A paid call that is under way is waited for: killed, it would be paid and its answer lost.
    "llm": WorkerRole(queues=("llm",), pool="threads", concurrency=4, stop_seconds=settings.LLM_TIMEOUT_SECONDS + 5),
}


def worker_command(role: str) -> list[str]:
    """The command line of a worker. Raises KeyError for an unknown role."""
    WORKER_ROLES[role]
    return [sys.executable, str(MANAGE), "worker", role]


def worker_process(name: str, role: str, log_dir: Path | None = None) -> "ChildProcess":
    """A worker of the role, not started yet. Raises KeyError for an unknown role."""
    return ChildProcess(name, worker_command(role), log_dir, stop_seconds=WORKER_ROLES[role].stop_seconds)


def beat_command() -> list[str]:
    schedule = ["--schedule", settings.CELERY_BEAT_SCHEDULE_FILENAME, "--pidfile", ""]
    celery = [sys.executable, "-m", "celery", "-A", "itembank", *QUIETLY]
    return [*celery, "beat", "--loglevel", settings.LOG_LEVEL, *schedule]


def web_command(*, host: str, port: int, processes: int = 1) -> list[str]:
    server = ["--bind", f"{host}:{port}", "--workers", str(processes), "--worker-class", "gthread", "--threads", "16"]
    manner = ["--timeout", "60", "--graceful-timeout", "5", "--logger-class", "itembank.web_logs.WebLogger"]
    manner += ["--limit-request-line", "8190"]  # a search is its address
    manner += ["--no-control-socket"]  # its place is the same for all banks of an account
    return [sys.executable, "-m", "gunicorn", "itembank.wsgi", *server, *manner]


def worker_name(role: str) -> str:
    """The Celery node name of this host's worker of a role."""
    return f"{role}@{socket.gethostname()}"


def worker_answers(role: str, *, timeout: float = 1.0) -> bool:
    """Whether a worker of the role on this host answers a ping over the broker within the given seconds."""
    from itembank.celery import app

    try:
        return bool(app.control.ping(destination=[worker_name(role)], timeout=timeout))
    except OSError:
        return False


@dataclass
class ChildProcess:
    """One supervised process: restarted when it ends, later each time it ends soon."""

    name: str
    command: Sequence[str]
    log_dir: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_seconds: float = STOP_SECONDS
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    _started_at: float = 0.0
    _not_before: float = 0.0
    _backoff: float = FIRST_BACKOFF

    def start(self) -> None:
        log = self._open_log()
        try:
            self.process = subprocess.Popen(
                self.command,
                cwd=settings.BASE_DIR,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the supervisor only, which stops its children in order
            )
        finally:
            if log is not None:
                log.close()
        self._started_at = time.monotonic()

    def restart_if_ended(self) -> None:
        if self.process is None or self.process.poll() is None or time.monotonic() < self._not_before:
            return
        lived = time.monotonic() - self._started_at
        if self._not_before < self._started_at:  # ended just now: wait first
            self._backoff = FIRST_BACKOFF if lived > HEALTHY_SECONDS else min(self._backoff * 2, LAST_BACKOFF)
            self._not_before = time.monotonic() + (0 if lived > HEALTHY_SECONDS else self._backoff / 2)
            logger.warning("%s ended with status %s after %.0f s", self.name, self.process.returncode, lived)
            return
        self.restarts += 1
        self.start()

    def stop(self) -> None:
        stop_process(self.process, name=self.name, seconds=self.stop_seconds)

    def _open_log(self) -> IO[bytes] | None:
        if self.log_dir is None:
            return None
        self.log_dir.mkdir(parents=True, exist_ok=True)
        return (self.log_dir / f"{self.name}.log").open("ab")


def stop_process(
    process: subprocess.Popen[bytes] | None, *, name: str = "process", seconds: float = STOP_SECONDS
) -> None:
    """End a process and its group: politely, then after so many seconds by force. Returns once it is gone."""
    if process is None:
        return
    if process.poll() is None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            logger.warning("%s did not stop within %d s and is killed", name, seconds)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what it left behind, such as forked pool processes
    process.wait()


class Supervisor:
    """Keeps processes alive for the length of a `with` block; `before` runs at each look (such as: servers up?)."""

    def __init__(self, children: Sequence[ChildProcess], *, before: Callable[[], None] | None = None) -> None:
        self.children = children
        self._before = before
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> "Supervisor":
        for child in self.children:
            child.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        stoppers = [threading.Thread(target=child.stop) for child in self.children]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()

    def _watch(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            try:
                if self._before is not None:
                    self._before()
                for child in self.children:
                    child.restart_if_ended()
            except Exception:
                logger.exception("The supervisor goes on after an error")


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """A closed terminal and `kill` do what Ctrl-C does, or the worker would live on, with nobody to stop it."""
    signals = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    for number in signals:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def running_worker(role: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker process for the length of the block, ready to take tasks when the block begins.

    `env` adds to the environment. Raises RuntimeError where it ends or does not answer within 60 s.
    """
    child = ChildProcess(role, worker_command(role), environment=env or {})
    child.start()
    assert child.process is not None  # noqa: S101 - start() sets it
    try:
        _wait_until_ready(child.process, role)
        yield child.process
    finally:
        child.stop()


def _wait_until_ready(process: subprocess.Popen[bytes], role: str, *, seconds: float = 60) -> None:
    answered = wait_until(lambda: process.poll() is not None or worker_answers(role), seconds)
    if process.poll() is not None:
        raise RuntimeError(f"The {role} worker ended with status {process.returncode}; its log says why")
    if not answered:
        raise RuntimeError(f"The {role} worker did not answer within {seconds:.0f} s")
