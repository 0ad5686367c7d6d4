"""The id that ties together what one request did: in logs, in answers, and in the messages that it sends to workers."""

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from logging import getLogger

from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
# Anything else from outside could forge lines of a log, or fill it.
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}\Z")
QUIET = ("/healthz", "/readyz", "/metrics", "/static/")  # asked all day long: on record at DEBUG only

_current: ContextVar[str] = ContextVar("request_id", default="")
logger = getLogger("itembank.requests")


def current() -> str:
    """The id of the request or task that this thread works for; empty where it works for none."""
    return _current.get()


def sane(value: object) -> str:
    """The id itself where it may go into logs, else a new one."""
    return value if isinstance(value, str) and _SANE.match(value) else secrets.token_hex(8)


@contextmanager
def working_for(request_id: str) -> Iterator[None]:
    """What is logged and sent within the block carries the id."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)


def work_for(request_id: str) -> None:
    """From now on in this thread; for signals, which come in pairs and not around a block."""
    _current.set(request_id)


class RequestIdMiddleware:
    """Outermost: takes a sane X-Request-ID or makes one, answers with it, and logs one line a request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with working_for(sane(request.headers.get(HEADER))):
            started = time.perf_counter()
            response = self.get_response(request)
            response.headers[HEADER] = current()
            _log(request, response.status_code, (time.perf_counter() - started) * 1000)
            return response


def _log(request: HttpRequest, status: int, milliseconds: float) -> None:
    """Without the query string, which may hold what people search for. %r: an address may hold line breaks."""
    level = "debug" if request.path_info.startswith(QUIET) else "info"
    fields = {"method": request.method, "path": request.path_info, "status": status, "ms": round(milliseconds, 1)}
    line = "%s %r %d in %.0f ms"
    getattr(logger, level)(line, request.method, request.path_info, status, milliseconds, extra={"fields": fields})
