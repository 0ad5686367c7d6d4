"""Every operation of the document, called with values that fit it and values that do not, by callers of every kind.

Whoever calls and whatever is sent: no answer above 499, none that the document does not foresee, and nothing for a
caller who lacks the scope.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import Group, User
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from embeddings.search.lexical_index import INDEX
from groundtruth.roles import CONTENT_STAFF, ENGINEER, LEAD
from itembank.api.scopes import Scope, scopes_of
from tests.api import Api, Bank, encode_here, make_bank
from tests.factories import make_staff

pytestmark = [
    pytest.mark.django_db,
    # The caller reads an image to its end and does not close the response, as a web server does.
    pytest.mark.filterwarnings("ignore:.*unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
"""Not among them: that all that fits is accepted. A cursor or a code that fits may still be none of the bank's."""

EXAMPLES = 4
FITS, FITS_NOT = GenerationMode.POSITIVE, GenerationMode.NEGATIVE

Operation = Any
Case = Any


@pytest.fixture(autouse=True)
def _words_of_this_test() -> Iterator[None]:
    INDEX.forget()
    yield
    INDEX.forget()


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Bank]:
    settings.API_CALLS_PER_MINUTE = 1_000_000
    encode_here(monkeypatch)
    # As Django's own test client does: between requests, the connection of the test's transaction stays open.
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield make_bank()
    for signal in signals:
        signal.connect(close_old_connections)


def document(api: Api) -> Any:
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application(), headers=bearer(api))


def bearer(api: Api) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.secret}"} if api.secret else {}


def each_case(
    operation: Operation, tell: Callable[[Case], None], *, mode: GenerationMode = FITS, examples: int = EXAMPLES
) -> None:
    """The same cases each time."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Case) -> None:
        tell(case)

    run()


def about(bank: Bank, case: Case) -> Case:
    """The case, asking for what there is: otherwise nearly all addresses would lead nowhere."""
    ids = {"code": bank.items[0].code, "image_id": bank.image.pk, "slug": bank.encoder.slug, "job_id": bank.job.pk,
           "set_id": bank.truth.pk, "run_id": bank.run.pk}  # fmt: skip
    case.path_parameters.update({name: ids[name] for name in case.path_parameters if name in ids})
    for name in ("cursor", "encoder"):
        case.query.pop(name, None)
    if isinstance(case.body, dict):
        for name in ("item", "items", "image"):
            case.body.pop(name, None)
        case.body["encoder"] = bank.encoder.slug
        if case.operation.path == "/search":
            case.body["text"] = case.body.get("text", "").strip() or "기울기"
        else:
            case.body["scope"] = "missing"
    return case


def operations(api: Api) -> list[Operation]:
    return [found.ok() for found in document(api).get_all_operations()]


def test_whatever_fits_gets_an_answer_that_the_document_foresees(bank: Bank) -> None:
    api = Api()
    seen: dict[str, set[int]] = {}

    def tell(case: Case) -> None:
        response = case.call_and_validate(headers=bearer(api), checks=CHECKS)
        seen.setdefault(case.operation.label, set()).add(response.status_code)

    for operation in operations(api):
        each_case(operation, tell)
        each_case(operation, lambda case: tell(about(bank, case)))
    without = {label for label, statuses in seen.items() if not statuses & {200, 201}}
    assert len(seen) >= 18
    assert without == set()


def test_whatever_does_not_fit_is_refused(bank: Bank) -> None:
    api = Api()
    checks = [*CHECKS, negative_data_rejection]
    refused = set()

    def tell(case: Case) -> None:
        case.call_and_validate(headers=bearer(api), checks=checks)
        refused.add(case.operation.label)

    for operation in operations(api):
        with suppress(Unsatisfiable):  # nothing fits not: any text may be a code
            each_case(operation, tell, mode=FITS_NOT)
    assert len(refused) >= 12


def test_a_stranger_gets_nowhere(bank: Bank) -> None:
    api = Api()

    def tell(case: Case) -> None:
        assert case.call_and_validate(checks=CHECKS).status_code == 401

    for operation in operations(api):
        if scope(operation):
            each_case(operation, tell, examples=2)


def test_a_token_without_the_scope_gets_nowhere(bank: Bank) -> None:
    api = Api()
    for operation in operations(api):
        needed = scope(operation)
        if needed:
            others = Api(*(each for each in Scope if each != needed), client=f"all but {needed}")

            def tell(case: Case, others: Api = others) -> None:
                assert case.call_and_validate(headers=bearer(others), checks=CHECKS).status_code == 403

            each_case(operation, tell, examples=2)


@pytest.mark.parametrize("role", [CONTENT_STAFF, ENGINEER, LEAD])
def test_a_role_gets_in_where_its_permissions_lead_and_nowhere_else(role: str, bank: Bank) -> None:
    user = make_staff()
    user.groups.add(Group.objects.get(name=role))
    held = scopes_of(User.objects.get(pk=user.pk))
    client = Client()
    client.force_login(user)
    cookies = {"sessionid": client.cookies["sessionid"].value, "csrftoken": "a" * 32}
    opened = set()

    def tell(case: Case) -> None:
        case.headers.clear()  # a token that was made up
        response = case.call_and_validate(cookies=cookies, headers={"X-CSRFToken": "a" * 32}, checks=CHECKS)
        assert (response.status_code == 403) == (scope(case.operation) not in held), response.text
        opened.add(scope(case.operation))

    for operation in operations(Api()):
        if scope(operation):
            each_case(operation, lambda case: tell(about(bank, case)), examples=2)
    assert opened == set(Scope)


def scope(operation: Operation) -> str | None:
    """What the document says that the operation needs."""
    for each in operation.definition.raw.get("security", []):
        for name in each.get("token", []):
            return str(name)
    return None
