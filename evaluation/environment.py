"""The machine and the versions that figures were made with."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil
from django.db import connection

PACKAGES = ("django", "numpy", "pgvector", "torch", "transformers", "kiwipiepy", "ir_measures")
GIB = 2**30


def describe_environment() -> dict[str, Any]:
    """Without the machine's name or paths: reports leave the house. Loads no model library."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": psutil.cpu_count(logical=True),
        "memory_gb": round(psutil.virtual_memory().total / GIB, 1),
        "gpu": _gpu(),
        "postgresql": _postgresql(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _postgresql() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0]).split()[0]


def _gpu() -> str:
    """The first GPU's name where torch is loaded already, as it is in a gpu worker; else "" """
    torch = sys.modules.get("torch")
    return str(torch.cuda.get_device_name(0)) if torch is not None and torch.cuda.is_available() else ""
