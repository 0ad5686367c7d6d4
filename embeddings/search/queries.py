"""From what a person asks to a query vector. The web process loads no model: a worker encodes, and the row tells.

The vector comes back through the database and not as a task's result: messages may be lost, and Celery's result client
is not safe for the threads of a web server.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from embeddings.encoders.base import Modality
from embeddings.encoders.registry import backend_class
from embeddings.models import Encoder, QueryEncoding
from embeddings.search.dense import Vector, has_vectors, known_query_vector
from embeddings.search.types import SearchError
from itembank.celery import app
from itembank.uploads.drafts import ImageError
from itembank.uploads.pictures import sanitise

FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.002, 0.1  # a look at the row takes 0.3 ms
POLL_SHARE = 0.1
"""Of the wait so far, until the next look: many who wait for long together leave the machine to the one who works."""

EncodeQuery = Callable[[QueryEncoding], None]
"""Gives the row its vector or its error, or raises SearchError."""


@dataclass(frozen=True, slots=True)
class QueryContent:
    """What the encoder will see: cleaned text, sanitised image; at least one of them. `notes` say what was left out."""

    text: str
    image: bytes | None
    notes: tuple[str, ...] = ()


def query_content(encoder: Encoder, *, text: str, image: bytes | None) -> QueryContent:
    """The parts of the query that this encoder can use. Raises SearchError: none remains, or the image is broken."""
    text = text.replace("\x00", " ").strip()
    clean = sanitised(image) if image else None
    if encoder.modality == Modality.TEXT:
        return _without_image(encoder, text, clean)
    if encoder.modality == Modality.IMAGE and not backend_class(encoder.backend).takes_text_queries(encoder.spec()):
        return _without_text(encoder, text, clean)
    return QueryContent(text, clean)


def query_vector(encoder: Encoder, content: QueryContent, *, encode: EncodeQuery) -> Vector:
    """The query's unit vector (float32), from an earlier search where there was one. Raises SearchError."""
    digest = _digest(encoder, content)
    known = known_query_vector(encoder, digest)
    if known is not None:
        return known
    demand_vectors(encoder)
    row, _created = QueryEncoding.objects.get_or_create(
        encoder=encoder, digest=digest, defaults={"text": content.text, "image": content.image}
    )
    if row.embedding is None:
        if row.error:  # what failed then may work now
            QueryEncoding.objects.filter(pk=row.pk).update(error="")
        encode(row)
        row.refresh_from_db(fields=["embedding", "error"])
    if row.embedding is None:
        raise _failed(row.error)
    return np.asarray(row.embedding, np.float32)


def demand_vectors(encoder: Encoder) -> None:
    """Raises SearchError where the encoder has none: nothing could be found."""
    if not has_vectors(encoder):
        raise SearchError(
            "no-vectors",
            _("The encoder %(encoder)s has no vectors yet. Start an embedding job for it.") % {"encoder": encoder.slug},
        )


def encode_on_worker(row: QueryEncoding) -> None:
    """Ring the GPU worker and wait until the row has its answer; QUERY_TIMEOUT_SECONDS at most."""
    ask_worker("embeddings.encode_query", row.pk, QueryEncoding.objects.exclude(embedding=None, error=""))


def ask_worker(task: str, pk: UUID, answered: QuerySet[Any]) -> None:
    """Send the GPU worker the task with the row's key, and wait until `answered` holds the row. Raises SearchError."""
    seconds = settings.QUERY_TIMEOUT_SECONDS
    try:
        # A client that awaits results does not survive a restart of the broker; this one asks the row.
        app.send_task(task, args=[str(pk)], queue="gpu.query", expires=seconds, ignore_result=True)
    except OperationalError as error:
        raise SearchError(
            "broker-silent", _("The message broker does not answer. Start it (manage.py up starts all).")
        ) from error
    began = time.monotonic()
    while not answered.filter(pk=pk).exists():
        waited = time.monotonic() - began
        if waited > seconds:
            raise SearchError(
                "worker-silent",
                _(
                    "No GPU worker answered within %(seconds)s seconds. Start one with “manage.py worker gpu” "
                    "(manage.py up starts all)."
                )
                % {"seconds": seconds},
            )
        time.sleep(min(max(POLL_SHARE * waited, FIRST_POLL_SECONDS), LAST_POLL_SECONDS))


def _digest(encoder: Encoder, content: QueryContent) -> str:
    image = hashlib.sha256(content.image).hexdigest() if content.image else ""
    return hashlib.sha256(json.dumps([encoder.fingerprint, content.text, image]).encode()).hexdigest()


def sanitised(image: bytes) -> bytes:
    try:
        return sanitise(image).data
    except ImageError as error:
        raise SearchError("broken-image", str(error.message)) from error


def _without_image(encoder: Encoder, text: str, image: bytes | None) -> QueryContent:
    if not text:
        raise SearchError(
            "encoder-needs-text",
            _("The encoder %(encoder)s reads text only. Enter text, or choose an encoder that reads images.")
            % {"encoder": encoder.slug},
        )
    notes = (_("The image was ignored: the encoder %(encoder)s reads text only.") % {"encoder": encoder.slug},)
    return QueryContent(text, None, notes if image else ())


def _without_text(encoder: Encoder, text: str, image: bytes | None) -> QueryContent:
    if not image:
        raise SearchError(
            "encoder-needs-image",
            _("The encoder %(encoder)s reads images only. Add an image, or choose an encoder that reads text.")
            % {"encoder": encoder.slug},
        )
    notes = (_("The text was ignored: the encoder %(encoder)s reads images only.") % {"encoder": encoder.slug},)
    return QueryContent("", image, notes if text else ())


def _failed(reason: str) -> SearchError:
    return SearchError(
        "encoding-failed", _("The query could not be encoded: %(reason)s.") % {"reason": reason.rstrip(".")}
    )
