"""The API as one object, and its OpenAPI document with what django-ninja leaves out: scopes and problems."""

import json
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Schema
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser
from ninja.types import DictStrAny
from pydantic import Field

from itembank.api.access import Guard
from itembank.api.problems import CONTENT_TYPE, Problem, add_handlers
from itembank.api.scopes import LABELS

DESCRIPTION = """
Search, items, encoders, embedding jobs, truth sets and evaluation runs of the item bank.

Send a token as `Authorization: Bearer …`; who runs the bank makes it in the admin, with the scopes that you need.
Any token may read this document.
Lists come in pages: give `next_cursor` back as `cursor`, beside the same filters. Of several values of one filter any
fits, and all filters must; in an address, a value each (`grade=중1&grade=중2`). What has no name here is refused, not
ignored. Errors are problem details (RFC 9457): `code` is stable, `detail` says in the language of `Accept-Language`
(ko, en) what to do. After 429 and 503, ask again when `Retry-After` says.
"""
REASONS = {
    400: "The body is not JSON.",
    401: "No token, or one that is not known, revoked or expired.",
    403: "The token lacks the scope.",
    404: "There is no such thing.",
    409: "Not in this state.",
    413: "The request is too large.",
    415: "The body is not `application/json`.",
    422: "A value is not valid; `errors` names each.",
    429: "Too many calls; `Retry-After` says in how many seconds to go on.",
    500: "The bank failed.",
    503: "A part of the bank does not answer; `Retry-After` says in how many seconds to try again.",
}
CODES = {
    400: "bad-request broken-json",
    401: "not-signed-in token-expired token-revoked token-unknown",
    403: "csrf-failed forbidden scope-missing",
    404: "not-found unknown-item",
    405: "method-not-allowed",
    409: "item-without-vector job-state no-active-encoder no-vectors run-not-completed",
    413: "body-too-large",
    415: "not-json",
    422: "bad-alpha bad-batch bad-cursor bad-difficulty bad-ensemble bad-number bad-weights broken-base64 "
    "broken-filter broken-formula broken-image broken-metadata broken-text empty-query encoder-needs-image "
    "encoder-needs-text encoding-failed invalid-request items-and-scope query-too-long reranking-failed two-queries "
    "unknown-category unknown-encoder unknown-items unknown-reranker words-need-text",
    429: "too-many-calls",
    500: "server-error",
    503: "broker-silent database-silent worker-silent",
}
"""By status: every code that a problem of the API may have. tests/api.py holds what tests meet to it."""
WAIT = {"required": True, "description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}


class FieldError(Schema):
    field: str = Field(description="Such as `body.filters.subject.0`.")
    code: str
    message: str


class ProblemOut(Schema):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str = Field(description="Stable; decide by it.")
    detail: str = Field(description="For people, in their language.")
    errors: list[FieldError] | None = None
    scope: str | None = Field(None, description="The scope that is missing.")
    request_id: str | None = Field(None, description="As in the header X-Request-ID: the bank's log has it too.")


class JsonParser(Parser):
    """Strict: another content type, what JSON does not know (NaN), and nesting without end are refused."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        if request.content_type != "application/json":
            raise Problem(415, "not-json", _("Send the body as application/json."))
        try:
            body: DictStrAny = json.loads(request.body, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise Problem(400, "broken-json", _("The body is not valid JSON. Check it with a JSON tool.")) from error
        return body


def _refuse(name: str) -> None:
    raise ValueError(name)


class BankAPI(NinjaAPI):
    def __init__(self) -> None:
        super().__init__(
            title="Itembank",
            version="1",
            description=DESCRIPTION.strip(),
            urls_namespace="api",
            parser=JsonParser(),
            docs_url=None,
            openapi_url=None,  # itembank/api/site.py serves both
            servers=[{"url": "/api/v1"}],
        )
        add_handlers(self)

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: DictStrAny | None = None
    ) -> OpenAPISchema:
        document = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        guards = {
            operation.operation_id or self.get_openapi_operation_id(operation): operation.auth_callbacks[0]
            for router in self._get_bound_routers()
            for view in router.path_operations.values()
            for operation in view.operations
            if operation.auth_callbacks
        }
        for path in document["paths"].values():
            for operation in path.values():
                _complete(operation, guards.get(operation["operationId"]))
        document["components"]["schemas"]["Problem"] = ProblemOut.model_json_schema(
            ref_template="#/components/schemas/{model}"
        )
        document["components"]["schemas"].update(document["components"]["schemas"]["Problem"].pop("$defs"))
        document["components"]["responses"] = {f"Problem{status}": _problem(status) for status in REASONS}
        document["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": _scopes()},
            "session": {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "Of the admin."},
        }
        return document


def _complete(operation: DictStrAny, guard: Any) -> None:
    """Who may call it, and with which problems it may answer."""
    statuses = {500, *operation.pop("x-problems", [])}
    if isinstance(guard, Guard) and guard.scope:
        operation["security"] = [{"token": [guard.scope.value]}, {"session": []}]
        operation["description"] = f"{operation.get('description', '')}\n\nScope: `{guard.scope.value}`".strip()
        statuses |= {401, 403, 429}
    if operation.get("parameters"):
        statuses |= {422}
        for parameter in operation["parameters"]:
            parameter["schema"] = _never_null(parameter["schema"])
    if any(each["in"] == "path" for each in operation.get("parameters", [])):
        statuses |= {404}
    if operation.get("requestBody"):
        statuses |= {400, 413, 415, 422}
    for status in sorted(statuses):
        operation["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}


def _never_null(schema: DictStrAny) -> DictStrAny:
    """An address holds a value or leaves it out: None, by which Python leaves it out, cannot be sent."""
    options = schema.get("anyOf", [])
    if {"type": "null"} not in options:
        return schema
    rest = {name: each for name, each in schema.items() if name not in {"anyOf", "default"}}
    other: DictStrAny = next(each for each in options if each != {"type": "null"})
    return rest | other


def _problem(status: int) -> DictStrAny:
    example = {
        "type": "urn:itembank:problem:scope-missing",
        "title": "Forbidden",
        "status": 403,
        "code": "scope-missing",
        "detail": "이 호출에는 “search” 범위가 필요합니다.",
        "scope": "search",
    }
    media: DictStrAny = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if status == 403:
        media["example"] = example
    codes = ", ".join(f"`{code}`" for code in CODES[status].split())
    headers = {"Retry-After": WAIT} if status in {429, 503} else {}
    return {"description": f"{REASONS[status]} Codes: {codes}.", "headers": headers, "content": {CONTENT_TYPE: media}}


def _scopes() -> str:
    return "Scopes: " + ", ".join(f"`{scope.value}`" for scope in LABELS)
