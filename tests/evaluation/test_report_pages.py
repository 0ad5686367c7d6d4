"""Reports in the admin: made with a form, read as a page, taken home as files."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from evaluation.models import Report
from evaluation.report_services import create_report
from tests.evaluation.small_bank import Bank, make_bank
from tests.factories import allow, make_admin, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/evaluation/report/"


@pytest.fixture
def bank() -> Bank:
    cache.clear()
    return make_bank()


@pytest.fixture
def report(bank: Bank) -> Report:
    return create_report(title="봄 평가", candidate=bank.run(), baseline=bank.run(method="lexical"))


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    client.cookies["django_language"] = "en"
    return client


def _sent(**fields: Any) -> dict[str, Any]:
    return {"title": "Spring", "minimum_relevance": "1", "remarks": ""} | fields


def test_a_report_is_made_with_a_form(admin: Client, bank: Bank) -> None:
    candidate, baseline = bank.run(), bank.run(method="lexical")
    answer = admin.post(f"{LIST}add/", _sent(candidate=candidate.pk, baseline=baseline.pk))
    made = Report.objects.get()
    assert answer["Location"] == f"{LIST}{made.pk}/change/"
    assert (made.candidate, made.baseline, made.created_by is not None) == (candidate, baseline, True)


def test_what_cannot_be_reported_is_said_in_the_form(admin: Client, bank: Bank) -> None:
    run = bank.run()
    html = admin.post(f"{LIST}add/", _sent(candidate=run.pk, baseline=run.pk)).content.decode()
    assert "cannot be its own baseline" in html
    assert not Report.objects.exists()


def test_the_page_gives_the_verdict_and_every_file(admin: Client, report: Report) -> None:
    html = admin.get(f"{LIST}{report.pk}/change/").content.decode()
    assert "CONDITIONAL GO" in html or "NO-GO" in html
    for name in ("html", "md", "xlsx", "csv"):
        assert f"{LIST}{report.pk}/download/{name}/" in html


@pytest.mark.parametrize(("name", "start"), [("html", b"<!doctype"), ("md", b"# "), ("xlsx", b"PK"), ("csv", b"PK")])
def test_a_report_is_downloaded_under_its_title(admin: Client, report: Report, name: str, start: bytes) -> None:
    answer = admin.get(f"{LIST}{report.pk}/download/{name}/")
    assert answer.content.startswith(start)
    assert "%EB%B4%84-%ED%8F%89%EA%B0%80" in answer["Content-Disposition"]


def test_a_format_that_there_is_not_is_not_found(admin: Client, report: Report) -> None:
    assert admin.get(f"{LIST}{report.pk}/download/doc/").status_code == 404


@pytest.mark.parametrize("address", ["", "{pk}/change/", "{pk}/download/md/"])
def test_a_report_needs_its_permission(client: Client, report: Report, address: str) -> None:
    address = LIST + address.format(pk=report.pk)
    user = make_staff()
    client.force_login(user)
    assert client.get(address).status_code == 403
    allow(user, "evaluation.view_report")
    assert client.get(address).status_code == 200


def test_who_only_reads_reports_makes_and_deletes_none(client: Client, report: Report) -> None:
    client.force_login(allow(make_staff(), "evaluation.view_report"))
    assert client.post(f"{LIST}add/", _sent(candidate=report.candidate_id)).status_code == 403
    assert client.post(f"{LIST}{report.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Report.objects.count() == 1
