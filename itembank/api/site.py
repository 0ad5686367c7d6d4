"""The API put together. Routers of upper floors are named as text: imports point down."""

import re
from functools import cache

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path, re_path, reverse
from django.urls.resolvers import URLPattern, URLResolver
from django.views.decorators.http import require_safe
from ninja.openapi.schema import OpenAPISchema

from itembank.api.access import Guard
from itembank.api.document import BankAPI
from itembank.api.problems import Problem, of_status
from itembank.media import staff_only

ROUTERS = (
    "itembank.api.health.router",
    "embeddings.api.search.router",  # before the items: a code may hold a slash
    "itembank.api.items.router",
    "embeddings.api.encoders.router",
    "embeddings.api.jobs.router",
    "groundtruth.api.router",
    "evaluation.api.router",
)


@cache
def api() -> BankAPI:
    made = BankAPI()
    for router in ROUTERS:
        made.add_router("", router)
    return made


def urls() -> list[URLPattern | URLResolver]:
    routes, _app, _namespace = api().urls
    own = [path("openapi.json", openapi, name="openapi-json"), path("docs", docs, name="docs")]
    return [*own, *routes[:-1], re_path("", nothing_here)]


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document, for anyone who is known here."""
    try:
        Guard()(request)
    except Problem as problem:
        return problem.response()
    return JsonResponse(document())


@cache
def document() -> OpenAPISchema:
    """It takes 0.1 s to make."""
    return api().get_openapi_schema(path_prefix="")


def unknown_parameters(request: HttpRequest) -> list[str]:
    """Names in the address that its operation does not have, such as a misspelt filter, which would filter nothing."""
    match = request.resolver_match
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", match.route if match else "").removeprefix("api/v1")
    known = _parameters().get((request.method or "", path))
    return [] if known is None else [name for name in request.GET if name not in known]


@cache
def _parameters() -> dict[tuple[str, str], frozenset[str]]:
    """Method and path of an operation -> the names that its address takes."""
    return {
        (method.upper(), path): frozenset(each["name"] for each in operation["parameters"] if each["in"] == "query")
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    }


@require_safe
@staff_only
def docs(request: HttpRequest) -> HttpResponse:
    """Swagger UI, whose files come with django-ninja and are served from here."""
    return render(request, "itembank/api_docs.html", {"settings": {"url": reverse("api:openapi-json")}})


def nothing_here(request: HttpRequest) -> HttpResponse:
    return of_status(404).response()
