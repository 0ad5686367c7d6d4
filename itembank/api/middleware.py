"""Around every call of the API: errors of any origin get one form, and what must be on record is recorded."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation

from itembank.api.access import Caller
from itembank.api.problems import CONTENT_TYPE, of_status
from itembank.models import ApiCall

PREFIX = "/api/"
DENIED = (401, 403, 429)
PATH_LENGTH = ApiCall._meta.get_field("path").max_length

logger = logging.getLogger("itembank.api.calls")


class ApiMiddleware:
    """Stands outside of those that may refuse a request, so that their refusals are problems too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(PREFIX):
            return self.get_response(request)
        if _too_large(request):
            with translation.override(translation.get_language_from_request(request)):
                return of_status(413).response()
        response = _as_problem(request, self.get_response(request))
        response.headers.setdefault("Cache-Control", "no-store")
        _record(request, response)
        return response


def _too_large(request: HttpRequest) -> bool:
    """By what the request says of itself: a web server reads no more than that."""
    length = request.headers.get("Content-Length", "")
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return limit is not None and length.isdecimal() and int(length[:20]) > limit


def _as_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if response.status_code < 400 or response.headers.get("Content-Type") == CONTENT_TYPE:
        return response
    with translation.override(translation.get_language_from_request(request)):
        problem = of_status(response.status_code).response()
    for name, value in response.headers.items():
        if name not in {"Content-Type", "Content-Length"}:
            problem.headers[name] = value
    return problem


def _record(request: HttpRequest, response: HttpResponseBase) -> None:
    """A line for each refusal and each change; a row where the caller is known, except for calls above the rate."""
    caller: Caller | None = getattr(request, "api_caller", None)
    status, path = response.status_code, request.path_info[:PATH_LENGTH]
    change = getattr(request, "api_change", False)
    if status not in DENIED and not change:
        return
    # %r: an address may hold line breaks, which would forge lines of the log.
    logger.info("%s %r %s by %s", request.method, path, status, caller.key if caller else "an unknown caller")
    if caller is None or status == 429:
        return
    try:
        ApiCall.objects.create(
            caller=caller.name, token=caller.token, user=caller.user, method=request.method or "", status=status,
            path=path.replace("\x00", "�"),
        )  # fmt: skip
    except DatabaseError:
        logger.exception("a call is not on record")
