"""Two people who take one slug at the same moment: one has it, the other is told so."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from embeddings.reranker_services import create_reranker
from embeddings.services import create_encoder
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("models_dir")]


def someone_waits() -> bool:
    """Whether another connection waits for this one's transaction to end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)))")
        (found,) = cursor.fetchone()
    return bool(found)


@pytest.mark.parametrize(("create", "preset"), [(create_encoder, "hashing"), (create_reranker, "qwen3-vl-reranker-2b")])
def test_the_later_of_two_is_told_that_the_slug_is_taken(create: Callable[..., Any], preset: str) -> None:
    refusals: list[Exception] = []

    def create_too() -> None:
        try:
            create(preset=preset)
        except Exception as error:
            refusals.append(error)
        finally:
            connection.close()

    later = threading.Thread(target=create_too)
    with transaction.atomic():  # not yet seen by the other
        create(preset=preset)
        later.start()
        wait_until(someone_waits)
    later.join(20)
    (refusal,) = refusals
    assert isinstance(refusal, ValidationError)
    assert set(refusal.message_dict) == {"slug"}
