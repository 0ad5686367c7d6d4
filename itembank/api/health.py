"""Whether the API answers, for callers without a token."""

from django.db import DatabaseError, connection
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router, Schema

from itembank.api.problems import Problem

router = Router(tags=["health"])


class HealthOut(Schema):
    model_config = {"json_schema_extra": {"examples": [{"status": "ok"}]}}

    status: str


@router.get("/health", response=HealthOut, auth=None, summary="Is the bank there", openapi_extra={"x-problems": [503]})
def health(request: HttpRequest) -> dict[str, str]:
    """The web process and its database answer. Needs no token."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        raise Problem(
            503, "database-silent", _("The database does not answer. Try again later."), headers={"Retry-After": "5"}
        ) from error
    return {"status": "ok"}
