"""What would stop embedding or slow searches down, found by `manage.py check` (with `--database default` for all)."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import DatabaseError

from embeddings.encoders.errors import EncoderError
from embeddings.encoders.registry import backend_class

ROUTES = {"embeddings.run_job": "gpu.batch", "embeddings.encode_query": "gpu.query"}


@register
def check_routes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A task in a queue that no GPU worker reads would wait for ever."""
    return [
        Error(
            f"CELERY_TASK_ROUTES does not send {task} to the queue {queue}.",
            hint="Put the route back: GPU workers read gpu.query and gpu.batch only.",
            id="itembank.E101",
        )
        for task, queue in ROUTES.items()
        if settings.CELERY_TASK_ROUTES.get(task, {}).get("queue") != queue
    ]


@register
def check_backends(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every backend that the environment names can be imported."""
    return [message for name in settings.ENCODER_BACKENDS if (message := _backend_problem(name))]


@register("database")
def check_encoders(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Encoders whose backend makes other vectors by now, or is not there any more."""
    from embeddings.models import Encoder

    if not kwargs.get("databases"):
        return []
    try:
        return [message for encoder in Encoder.objects.all() if (message := _encoder_problem(encoder))]
    except DatabaseError:  # `migrate` checks before it makes the tables
        return []


@register("database")
def check_vector_indexes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Indexes whose build was cut off: of no use to a search, and a burden on every write."""
    from embeddings.indexes import IndexState, index_state
    from embeddings.models import Encoder

    if not kwargs.get("databases"):
        return []
    try:
        broken = [encoder for encoder in Encoder.objects.all() if index_state(encoder) is IndexState.INVALID]
    except DatabaseError:  # see above
        return []
    return [
        Warning(
            f"The vector index of the encoder {encoder.slug} is broken: searches compare with every vector.",
            hint=f"The cpu worker rebuilds it within minutes; at once: manage.py build_index --encoder {encoder.slug}",
            id="itembank.W102",
        )
        for encoder in broken
    ]


def _backend_problem(name: str) -> CheckMessage | None:
    try:
        backend_class(name)
    except (ImportError, AttributeError, ValueError) as error:
        return Error(
            f"The encoder backend {name!r} cannot be imported: {error}",
            hint="ITEMBANK_ENCODER_BACKENDS takes name=package.module:Class, separated by commas.",
            id="itembank.E102",
        )
    return None


def _encoder_problem(encoder: Any) -> CheckMessage | None:
    try:
        unchanged = encoder.spec().fingerprint() == encoder.fingerprint
        problem = "" if unchanged else "its backend makes other vectors since an update"
    except EncoderError as error:
        problem = str(error)
    if not problem:
        return None
    return Warning(
        f"The encoder {encoder.slug} cannot embed: {problem}.",
        hint="Make a new encoder, fill it, activate it, and delete this one.",
        id="itembank.W101",
    )
