"""Whether this web process could do its work now, and in what state the workers are."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from itembank.broker import BrokerError
from itembank.heartbeats import Worker, role_state, workers
from itembank.processes import WORKER_ROLES

logger = logging.getLogger(__name__)

_migrated = False


@dataclass(frozen=True, slots=True)
class Readiness:
    """`problems` holds what is wrong by part; None where the part is well."""

    problems: dict[str, str | None]
    workers: list[Worker]

    @property
    def ready(self) -> bool:
        """Workers have no say: without them the bank still shows, searches by item, and takes uploads and jobs."""
        return not any(self.problems.values())

    def brief(self) -> dict[str, Any]:
        """For anybody: no names of hosts, no reasons."""
        return {
            "status": "ready" if self.ready else "not ready",
            "parts": {part: "failed" if problem else "ok" for part, problem in self.problems.items()},
            "workers": {role: role_state(role, self.workers) for role in WORKER_ROLES}
            if not self.problems["broker"]
            else {},
        }

    def detailed(self) -> dict[str, Any]:
        found = [
            {"name": each.name, "role": each.role, "state": each.state, "seen": each.seen, **each.figures}
            for each in self.workers
        ]
        problems = {part: problem for part, problem in self.problems.items() if problem}
        return self.brief() | {"problems": problems, "each_worker": found}


def readiness() -> Readiness:
    found: list[Worker] = []
    database = _problem_of(_ask_database)
    problems = {
        "database": database,
        "migrations": "not known without the database" if database else _problem_of(_ask_migrations),
        "broker": _problem_of(lambda: found.extend(workers())),
    }
    for part, problem in problems.items():
        if problem:
            logger.warning("Not ready: %s (%s)", part, problem)
    return Readiness(problems, found)


def _problem_of(ask: Callable[[], object]) -> str | None:
    try:
        ask()
    except BrokerError as error:
        return f"{type(error).__name__}: the broker does not answer"
    except Exception as error:  # whatever it is, the part is not well
        return f"{type(error).__name__}: {error}".strip()
    return None


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_migrations() -> None:
    """Reads all migrations, once: a process that has seen them applied need not look again."""
    global _migrated  # noqa: PLW0603
    if _migrated:
        return
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise RuntimeError(f"{len(plan)} migrations are not applied: run manage.py migrate")
    _migrated = True
