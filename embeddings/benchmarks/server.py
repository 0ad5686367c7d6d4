"""What the database server of a benchmark may take, and what it takes."""

import platform
from pathlib import Path

import psutil
from django.db import connection

from embeddings.indexes import MEGABYTE, build_megabytes

SETTINGS = (
    "server_version",
    "shared_buffers",
    "huge_pages_status",
    "work_mem",
    "hash_mem_multiplier",
    "max_connections",
    "max_wal_size",
)


def describe_server() -> None:
    """Print the machine, its load, the server's settings and the most memory that they let it take."""
    memory = psutil.virtual_memory().total / MEGABYTE / 1024
    load = ", ".join(f"{value:.1f}" for value in psutil.getloadavg())
    print(f"machine: {psutil.cpu_count()} CPUs ({platform.machine()}), {memory:.0f} GB; load {load}")
    print("server: " + ", ".join(f"{name} {_setting(name)}" for name in SETTINGS))
    shared, work = _megabytes("shared_buffers"), _megabytes("work_mem") * float(_setting("hash_mem_multiplier"))
    most = shared + build_megabytes() + int(_setting("max_connections")) * work
    print(
        f"memory bound: {shared:.0f} MB shared + {build_megabytes()} MB while an index is built + "
        f"{_setting('max_connections')} connections x {work:.0f} MB = {most:,.0f} MB",
        flush=True,
    )


def held_megabytes() -> float:
    """What the server's processes hold together, memory that they share counted once (proportional set size, which
    leaves out huge pages).
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        directory = Path(cursor.fetchone()[0])
    server = psutil.Process(int((directory / "postmaster.pid").read_text().split()[0]))
    return sum(_held(process) for process in (server, *server.children())) / MEGABYTE


def _held(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
    except psutil.Error:  # ended meanwhile
        return 0
    return int(getattr(found, "pss", found.uss))


def _setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return str(cursor.fetchone()[0])


def _megabytes(name: str) -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_size_bytes(current_setting(%s))", [name])
        return float(cursor.fetchone()[0]) / MEGABYTE
