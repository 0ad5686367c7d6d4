"""The three roles get evaluation's permissions once, and what a team makes of them stays."""

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command

from evaluation.roles import GRANTS
from groundtruth.roles import CONTENT_STAFF, ENGINEER, LEAD

pytestmark = pytest.mark.django_db


def granted(role: str) -> set[str]:
    mine = Group.objects.get(name=role).permissions.filter(content_type__app_label="evaluation")
    return {f"evaluation.{codename}" for codename in mine.values_list("codename", flat=True)}


@pytest.mark.parametrize("role", GRANTS)
def test_a_role_is_ready_with_exactly_its_permissions(role: str) -> None:
    assert granted(role) == GRANTS[role]


def test_only_the_lead_changes_the_criteria() -> None:
    assert {role for role in GRANTS if "evaluation.change_criterion" in granted(role)} == {LEAD}


def test_engineers_run_and_report_and_content_staff_only_reads_reports() -> None:
    working = {"evaluation.add_evaluationrun", "evaluation.change_evaluationrun", "evaluation.add_report"}
    assert working <= granted(ENGINEER)
    assert granted(CONTENT_STAFF) == {"evaluation.view_report"}


def test_what_a_team_makes_of_a_role_stays_and_a_missing_role_comes_back() -> None:
    engineer = Group.objects.get(name=ENGINEER)
    engineer.permissions.remove(*engineer.permissions.filter(codename="add_report"))
    Group.objects.get(name=LEAD).delete()
    call_command("migrate", verbosity=0)
    assert "evaluation.add_report" not in granted(ENGINEER)
    assert granted(LEAD) == GRANTS[LEAD]
