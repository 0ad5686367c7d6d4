"""One process at a time on one piece of work. PostgreSQL frees the lock of a process that dies."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum

from django.db import DatabaseError, InterfaceError, connection


class Work(IntEnum):
    """First keys of the advisory locks; the second is the id of the row that is worked on."""

    INDEX = 0x1DE
    UPLOAD = 0x1B07
    TRUTH_BUILD = 0x1B08
    EVALUATION = 0x1B09
    JUDGE_BATCH = 0x1B0A
    TERMS = 0x1B0B


@contextmanager
def alone_on(work: Work, pk: int) -> Iterator[bool]:
    """Whether this process may work on the row: False where another does, or another connection of this one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [work, pk])
        alone = bool(cursor.fetchone()[0])
    try:
        yield alone
    finally:
        if alone:
            with suppress(DatabaseError, InterfaceError), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [work, pk])
