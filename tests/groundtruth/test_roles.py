"""The three roles: ready after migrate, made of permissions that exist, and none with more than it should have."""

from itertools import chain

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command

from groundtruth.models import RoleGrant
from groundtruth.roles import CONTENT_STAFF, ENGINEER, LEAD, ROLES
from tests.factories import make_staff

pytestmark = pytest.mark.django_db


def granted(role: str) -> set[str]:
    user = make_staff(f"colleague-{User.objects.count()}")
    user.groups.add(Group.objects.get(name=role))
    return {each for each in user.get_all_permissions() if not each.startswith("evaluation.")}  # evaluation/roles.py


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_ready_with_exactly_its_permissions(role: str) -> None:
    assert granted(role) == ROLES[role]


def test_every_permission_of_a_role_exists() -> None:
    found = Permission.objects.values_list("content_type__app_label", "codename")
    assert set(chain.from_iterable(ROLES.values())) <= {f"{app}.{codename}" for app, codename in found}


def test_only_the_lead_spends_freezes_sets_prices_and_reads_the_audit_trail() -> None:
    leading = {
        "groundtruth.can_spend",
        "groundtruth.freeze_truthset",
        "groundtruth.view_change",
        "groundtruth.change_modelprice",
    }
    assert {role for role in ROLES if granted(role) & leading} == {LEAD}
    assert leading <= granted(LEAD)


def test_the_lead_may_do_what_the_others_may() -> None:
    assert granted(CONTENT_STAFF) | granted(ENGINEER) < granted(LEAD)


def test_content_staff_upload_search_review_and_see_truth_but_change_none() -> None:
    may = granted(CONTENT_STAFF)
    assert {"itembank.import_uploads", "embeddings.search_items", "groundtruth.review_pairs"} <= may
    assert {each for each in may if each.startswith("groundtruth.") and ".view_" not in each} == {
        "groundtruth.review_pairs"
    }
    assert {each for each in may if each.startswith("embeddings.")} == {
        "embeddings.search_items",
        "embeddings.add_searchmark",
    }


def test_engineers_build_truth_but_neither_review_it_nor_edit_items() -> None:
    may = granted(ENGINEER)
    assert {"groundtruth.add_truthset", "groundtruth.add_judgejob", "embeddings.activate_encoder"} <= may
    assert "groundtruth.review_pairs" not in may
    own = {each for each in may if each.startswith("itembank.") and not each.endswith(("apitoken", "apicall"))}
    assert own == {"itembank.view_item", "itembank.view_itemimage"}


def test_content_staff_make_no_tokens_and_engineers_and_the_lead_make_and_revoke_them() -> None:
    tokens = {"itembank.add_apitoken", "itembank.change_apitoken", "itembank.view_apitoken", "itembank.view_apicall"}
    assert not granted(CONTENT_STAFF) & tokens
    assert tokens <= granted(ENGINEER)
    assert tokens <= granted(LEAD)


def test_everybody_marks_hits_and_engineers_and_the_lead_see_the_marks_of_all() -> None:
    assert {role for role in ROLES if "embeddings.add_searchmark" in granted(role)} == set(ROLES)
    assert {role for role in ROLES if "embeddings.view_searchmark" in granted(role)} == {ENGINEER, LEAD}


@pytest.mark.parametrize("role", ROLES)
def test_no_role_touches_accounts_deletes_items_or_changes_what_was_recorded(role: str) -> None:
    may = granted(role)
    assert not {each for each in may if each.split(".")[0] in {"auth", "admin", "sessions", "contenttypes"}}
    assert not may & {"itembank.delete_item", "itembank.delete_uploadbatch"}
    recorded = ("change", "ledgerentry", "spendday", "judgement")
    assert not {each for each in may if each.endswith(recorded) and ".view_" not in each}


def test_what_an_admin_makes_of_a_role_stays_and_a_missing_one_comes_back() -> None:
    staff = Group.objects.get(name=CONTENT_STAFF)
    staff.permissions.remove(*staff.permissions.filter(codename="review_pairs"))
    Group.objects.get(name=LEAD).delete()
    call_command("migrate", verbosity=0)
    assert "groundtruth.review_pairs" not in granted(CONTENT_STAFF)
    assert granted(LEAD) == ROLES[LEAD]


def test_a_permission_that_comes_later_reaches_a_role_once() -> None:
    engineer = Group.objects.get(name=ENGINEER)
    later = engineer.permissions.get(codename="add_apitoken")
    engineer.permissions.remove(later)
    RoleGrant.objects.filter(permission=later).delete()  # as before the migrate that brings it
    call_command("migrate", verbosity=0)
    assert "itembank.add_apitoken" in granted(ENGINEER)
    engineer.permissions.remove(later)
    call_command("migrate", verbosity=0)
    assert "itembank.add_apitoken" not in granted(ENGINEER)


def test_what_a_team_gives_a_role_stays() -> None:
    Group.objects.get(name=CONTENT_STAFF).permissions.add(Permission.objects.get(codename="freeze_truthset"))
    call_command("migrate", verbosity=0)
    assert "groundtruth.freeze_truthset" in granted(CONTENT_STAFF)


NEW = (
    "add_apitoken", "change_apitoken", "view_apitoken", "view_apicall", "add_searchmark", "view_searchmark",
    "change_reranker",
)  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_a_bank_of_before_gets_what_is_new_and_keeps_what_its_team_made_of_the_roles() -> None:
    """Its roles have what an earlier version gave them, less what the team took away."""
    call_command("migrate", "groundtruth", "0005", verbosity=0)
    for group in Group.objects.all():
        group.permissions.remove(*Permission.objects.filter(codename__in=NEW))
    engineer = Group.objects.get(name=ENGINEER)
    taken = ("add_judgejob", "add_report", "view_encoder")
    engineer.permissions.remove(*Permission.objects.filter(codename__in=taken))
    call_command("migrate", verbosity=0)
    assert granted(ENGINEER) == ROLES[ENGINEER] - {"groundtruth.add_judgejob", "embeddings.view_encoder"}
    assert not engineer.permissions.filter(codename="add_report").exists()
    assert granted(CONTENT_STAFF) == ROLES[CONTENT_STAFF]
