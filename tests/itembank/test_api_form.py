"""Errors are problems whatever goes wrong and wherever; hostile input is refused and breaks nothing."""

from typing import Any

import jsonschema
import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from ninja.openapi.schema import OpenAPISchema

from itembank.api import items as items_api
from itembank.api.site import api as made
from tests.api import PREFIX, Api, problem
from tests.factories import make_admin, make_item, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/jobs/abc", "/items/../../etc", "/jobs/1/pause/more", "/%00"])
def test_an_address_that_is_not_there_is_a_problem(api: Api, path: str) -> None:
    response = api.get(path)
    assert response.status_code in {404, 422}
    assert response["Content-Type"] == "application/problem+json"


def test_an_address_outside_of_the_version_is_a_problem_too() -> None:
    problem(Client().get("/api/v2/items"), 404, "not-found")


def test_a_wrong_method_names_those_that_are_right(api: Api) -> None:
    response = api.client.delete(f"{PREFIX}/items")
    problem(response, 405, "method-not-allowed")
    assert response["Allow"] == "GET"


def test_a_body_above_the_bound_is_refused_before_it_is_read(api: Api, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    problem(api.post("/search", {"text": "a" * 2_000}), 413, "body-too-large")


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(api: Api, kind: str) -> None:
    problem(api.post("/search", b'{"text": "a"}', kind=kind), 415, "not-json")


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b"NaN", b'{"k": Infinity}', b"[" * 100_000, b'{"a":' * 50_000, b"nul", b"\x00"]
)
def test_what_is_no_json_is_refused(api: Api, body: bytes) -> None:
    problem(api.post("/search", body), 400, "broken-json")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": 5}, "body.text"),
        ({"text": "a", "k": 0}, "body.k"),
        ({"text": "a", "k": "many"}, "body.k"),
        ({"text": "a", "k": 10**400}, "body.k"),
        ({"text": "a", "filters": {"subject": ["\x00"]}}, "body.filters.subject.0"),
        ({"text": "a", "filters": {"difficulty": [9]}}, "body.filters.difficulty.0"),
        ({"text": "a", "filters": {"colour": ["red"]}}, "body.filters.colour"),
        ({"text": "a", "typo": 1}, "body.typo"),
        ({"text": "a" * 20_001}, "body.text"),
        ({"item": ""}, "body.item"),
        ([], "body"),
    ],
)
def test_a_value_that_is_not_valid_is_named(api: Api, body: Any, field: str) -> None:
    errors = problem(api.post("/search", body), 422, "invalid-request")["errors"]
    assert [each["field"] for each in errors] == [field]
    assert errors[0]["message"]


def test_half_a_surrogate_pair_is_refused(api: Api) -> None:
    response = api.post("/search", '{"text": "a\\ud800"}')
    assert problem(response, 422, "invalid-request")["errors"][0]["field"] == "body.text"


def test_half_a_surrogate_pair_in_a_name_is_told_back_as_text(api: Api) -> None:
    problem(api.post("/search", '{"text": "a", "\\ud800": 1}'), 422, "invalid-request")


def test_no_body_at_all_is_refused(api: Api) -> None:
    problem(api.post("/search"), 422, "invalid-request")


@pytest.mark.parametrize(
    "cursor", ["AAAA", "MTo", "MjoxMg", "MTotNQ", "MTo5OTk5OTk5OTk5OTk5OTk5OTk5OTk", "_", "MToxMjM0NTY3OPCfmIA"]
)
def test_a_cursor_that_is_none_is_refused(api: Api, cursor: str) -> None:
    problem(api.get("/items", cursor=cursor), 422, "bad-cursor")


@pytest.mark.parametrize(
    "query", [{"cursor": "no cursor!"}, {"cursor": "A" * 41}, {"limit": 0}, {"limit": 201}, {"limit": "x"}]
)
def test_pages_have_bounds(api: Api, query: dict[str, Any]) -> None:
    problem(api.get("/items", **query), 422, "invalid-request")


def test_a_nul_in_an_address_is_refused(api: Api) -> None:
    problem(api.get("/items/%00"), 422, "invalid-request")
    problem(api.get("/items", subject="\x00"), 422, "invalid-request")


def test_an_unforeseen_error_says_nothing_of_its_cause(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    code = make_item().code

    def fail(*args: Any) -> None:
        raise RuntimeError("the password is 12345")

    monkeypatch.setattr(items_api, "shown_item", fail)
    response = api.get(f"/items/{code}")
    problem(response, 500, "server-error")
    assert b"12345" not in response.content


def test_a_host_that_is_not_ours_is_a_problem(api: Api) -> None:
    response = api.client.get(f"{PREFIX}/items", headers={"host": "evil.example"})
    problem(response, 400, "bad-request")


def test_sentences_are_korean_unless_english_is_asked_for() -> None:
    answers = [Api(language=language).post("/search", {"text": " "}).json() for language in ("", "fr", "ko", "en")]
    assert {each["code"] for each in answers} == {"empty-query"}
    assert len({each["detail"] for each in answers[:3]}) == 1
    assert answers[0]["detail"] != answers[3]["detail"]
    assert answers[3]["detail"].startswith("There is nothing")


def test_answers_are_kept_by_no_cache_on_the_way(api: Api) -> None:
    assert api.get("/items")["Cache-Control"] == "no-store"


def test_pages_outside_of_the_api_stay_as_they_are() -> None:
    assert "html" in Client().get("/nothing")["Content-Type"]


# ---- the document and its page


def test_the_document_is_for_those_who_are_known(api: Api) -> None:
    problem(Client().get(f"{PREFIX}/openapi.json"), 401, "not-signed-in")
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/api/v1"}]


def test_every_operation_has_an_example_or_takes_and_gives_none(api: Api) -> None:
    document = api.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            media = operation["responses"].get("200", operation["responses"].get("201"))["content"]
            body = operation.get("requestBody", {}).get("content", {})
            for reference in (each["schema"]["$ref"] for each in (*media.values(), *body.values()) if each["schema"]):
                name = reference.rsplit("/")[-1].removeprefix("Page_").removesuffix("_")
                assert schemas[name]["examples"], path


def test_every_example_fits_its_schema(api: Api) -> None:
    document = api.get("/openapi.json").json()
    for name, schema in document["components"]["schemas"].items():
        whole = {"components": document["components"], "$ref": f"#/components/schemas/{name}"}
        for example in schema.get("examples", []):
            jsonschema.validate(example, whole)


def test_names_of_schemas_are_not_taken_twice() -> None:
    """Ninja lets the last of two schemas of one name win."""
    seen: dict[str, Any] = {}

    class Watching(OpenAPISchema):
        def add_schema_definitions(self, definitions: dict[str, Any]) -> None:
            for name, each in definitions.items():
                assert seen.setdefault(name, each) == each, name
            super().add_schema_definitions(definitions)

    Watching(made(), "")
    assert "ItemOut" in seen


def test_the_page_is_for_staff_and_loads_nothing_from_elsewhere(client: Client) -> None:
    assert client.get(f"{PREFIX}/docs").status_code == 302
    client.force_login(make_staff())
    response = client.get(f"{PREFIX}/docs")
    html = response.content.decode()
    assert "swagger-ui-bundle.js" in html
    assert "://" not in html.replace("http://www.w3.org", "")
    assert "<script>" not in html
    assert "unsafe-inline" not in response["Content-Security-Policy"].split("script-src")[1].split(";")[0]


def test_the_files_of_the_page_are_served_from_here(client: Client) -> None:
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "swagger-ui-init.js"):
        assert finders.find(f"ninja/{name}")


def test_an_admin_of_the_bank_reads_the_document_by_session(client: Client) -> None:
    client.force_login(make_admin())
    assert client.get(f"{PREFIX}/openapi.json").status_code == 200


@pytest.mark.parametrize("path", ["/items", "/items/ITEM/similar", "/items/ITEM", "/jobs", "/runs"])
def test_a_parameter_that_the_operation_does_not_have_is_refused(api: Api, path: str) -> None:
    refused = problem(api.get(path, sbject="수학", limit=1), 422, "invalid-request")
    assert "query.sbject" in [error["field"] for error in refused["errors"]]


def test_a_filter_of_the_document_is_no_unknown_parameter(api: Api) -> None:
    make_item(subject="수학")
    assert len(api.get("/items", subject=["수학", "과학"], limit=5).json()["items"]) == 1


def test_the_document_declares_when_to_ask_again(api: Api) -> None:
    responses = api.get("/openapi.json").json()["components"]["responses"]
    assert {name for name, each in responses.items() if "Retry-After" in each["headers"]} == {
        "Problem429",
        "Problem503",
    }


def test_the_document_names_the_codes_of_its_problems(api: Api) -> None:
    assert "`unknown-item`" in api.get("/openapi.json").json()["components"]["responses"]["Problem404"]["description"]
