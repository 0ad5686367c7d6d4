"""The encoder of a search, read with whether its index is ready.

The statement is written out and its row read here: `objects.raw()` takes twice as long, the ORM four times, of a search
that takes 3 ms.
"""

from django.db import connection
from django.utils.translation import gettext as _
from psycopg import sql

from embeddings.indexes import READY_BY_ID
from embeddings.models import Encoder
from embeddings.search.types import SearchError

_FIELDS = Encoder._meta.concrete_fields
_NAMES = [field.attname for field in _FIELDS]
_CONVERTERS = [(field.attname, field.from_db_value) for field in _FIELDS if hasattr(field, "from_db_value")]
_SELECT = (
    sql.SQL("SELECT {columns}, {ready} FROM embeddings_encoder WHERE ")
    .format(columns=sql.SQL(", ").join(sql.Identifier(field.column) for field in _FIELDS), ready=sql.SQL(READY_BY_ID))
    .as_string()
)


def encoder_of(slug: str | None) -> Encoder:
    """The encoder, or the active one. Raises SearchError."""
    found = _encoder("slug = %s", slug) if slug else _encoder("is_active")
    if found:
        return found
    if slug:
        known = ", ".join(Encoder.objects.values_list("slug", flat=True))
        raise SearchError(
            "unknown-encoder",
            _("There is no encoder “%(slug)s”. There are: %(known)s.") % {"slug": slug, "known": known or "–"},
        )
    raise SearchError(
        "no-active-encoder",
        _("No encoder serves searches yet. Embed the items and activate the encoder, or choose one here."),
    )


def _encoder(condition: str, *parameters: str) -> Encoder | None:
    with connection.cursor() as cursor:
        cursor.execute(_SELECT + condition, parameters)
        row = cursor.fetchone()
    if row is None:
        return None
    *values, ready = row
    encoder = Encoder.from_db(connection.alias, _NAMES, values)
    for name, convert in _CONVERTERS:
        setattr(encoder, name, convert(getattr(encoder, name), None, connection))
    encoder.index_was_ready = ready
    return encoder
