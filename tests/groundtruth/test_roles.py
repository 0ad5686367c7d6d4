"""The three roles: ready after migrate, made of permissions that exist, and none with more than it should have."""

from itertools import chain

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command

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
    assert {each for each in may if each.startswith("embeddings.")} == {"embeddings.search_items"}


def test_engineers_build_truth_but_neither_review_it_nor_edit_items() -> None:
    may = granted(ENGINEER)
    assert {"groundtruth.add_truthset", "groundtruth.add_judgejob", "embeddings.activate_encoder"} <= may
    assert "groundtruth.review_pairs" not in may
    assert {each for each in may if each.startswith("itembank.")} == {"itembank.view_item", "itembank.view_itemimage"}


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
