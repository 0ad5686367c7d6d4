"""Errors as RFC 9457 problem details: a status, a stable code, and a sentence that says what to do."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from itembank.request_ids import current

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the word of the RFC
    """An answer that is an error. `code` is stable; `detail` is translated; `extra` are members of its own."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.detail = status, code, detail
        self.headers, self.extra = dict(headers or {}), extra

    def response(self) -> HttpResponse:
        body = {
            "type": f"urn:itembank:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **({"request_id": current()} if current() else {}),
            **self.extra,
        }
        # Half a surrogate pair of the request, told back, is no text: it becomes a question mark.
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        return HttpResponse(content, status=self.status, content_type=CONTENT_TYPE, headers=self.headers)


def not_found() -> Problem:
    return Problem(404, "not-found", _("There is nothing with this id. Check the address."))


def of_status(status: int) -> Problem:
    """The problem of an error that was raised outside the API's own code."""
    by_status = {
        400: ("bad-request", _("The request cannot be read. Check its address, headers and body.")),
        403: ("forbidden", _("This is not allowed.")),
        404: ("not-found", _("There is nothing at this address. See /api/v1/docs for those that exist.")),
        405: (
            "method-not-allowed",
            _("This address does not take that method. The header Allow names those it takes."),
        ),
        413: ("body-too-large", _("The request is too large. Send a smaller image or fewer values.")),
    }
    failed = ("server-error", _("Something went wrong in the bank. Try again later; its log has the reason."))
    code, detail = by_status.get(status, failed if status >= 500 else by_status[400])
    return Problem(status, code, detail)


# ---- what django-ninja raises


def add_handlers(api: NinjaAPI) -> None:
    """Uncaught exceptions stay Django's, which logs them; itembank/api/middleware.py gives their answer its form."""
    api.add_exception_handler(Problem, _answer)
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(HttpError, _http_error)
    api.add_exception_handler(Http404, lambda request, error: of_status(404).response())


def _answer(request: HttpRequest, error: Any) -> HttpResponse:
    response: HttpResponse = error.response()
    return response


def _http_error(request: HttpRequest, error: Any) -> HttpResponse:
    """Ninja wraps what its parser raises."""
    cause = error.__cause__
    return cause.response() if isinstance(cause, Problem) else of_status(error.status_code).response()


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    found = [
        {"field": field_path(each["loc"]), "code": each["type"], "message": _sentence(each)} for each in error.errors
    ]
    return invalid(found).response()


def invalid(errors: Sequence[Mapping[str, str]]) -> Problem:
    detail = _("The request is not valid. “errors” names what to mend.")
    return Problem(422, "invalid-request", detail, errors=list(errors[:50]))


def unknown_fields(names: Sequence[str]) -> Problem:
    """Of an address."""
    message = _sentence({"type": "extra_forbidden"})
    return invalid(
        [{"field": field_path(("query", name)), "code": "extra_forbidden", "message": message} for name in names]
    )


def field_path(location: Sequence[str | int]) -> str:
    """("body", "body", "filters", "subject", 0) -> "body.filters.subject.0"; the second is the parameter's own name."""
    parts = [str(part) for part in location]
    if parts[:2] == ["body", "body"]:
        parts = parts[1:]
    return ".".join(parts)[:200]


def _sentence(error: Mapping[str, Any]) -> str:
    """In the reader's language for what happens often; pydantic's English for the rest."""
    bounds = error.get("ctx", {})
    known = {
        "missing": _("This value is missing."),
        "extra_forbidden": _("There is no such field. Check its name."),
        "string_type": _("Give text."),
        "string_unicode": _("The text holds a broken character (NUL or half of a pair). Type it again."),
        "string_pattern_mismatch": _("The text is not of the form that is asked for: %(pattern)s"),
        "string_too_long": _("The text is too long: %(max_length)s characters at most."),
        "string_too_short": _("The text is too short: %(min_length)s characters at least."),
        "too_long": _("The list is too long: %(max_length)s values at most."),
        "greater_than_equal": _("The number must be %(ge)s or more."),
        "less_than_equal": _("The number must be %(le)s or less."),
        "enum": _("Use one of: %(expected)s."),
        "literal_error": _("Use one of: %(expected)s."),
    } | dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _("Give a whole number."))
    sentence = known.get(error["type"])
    if sentence is None:
        return str(error["msg"])
    return sentence % bounds if "%(" in sentence else sentence
