"""The rerankers' pages: the list, a new one from a preset, one with its settings, deleting."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from embeddings.models import Reranker
from embeddings.reranker_services import create_reranker
from embeddings.rerankers.presets import RETRIEVE
from tests.factories import allow, make_admin, make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("models_dir")]

LIST = "/admin/embeddings/reranker/"
QWEN = "qwen3-vl-reranker-2b"
FILLED = {"preset": QWEN, "instruction": RETRIEVE, "precision": "auto"}


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def test_the_list_shows_each_reranker_with_its_instruction(admin: Client) -> None:
    create_reranker(preset=QWEN, slug="by-topic", name="By topic", instruction="Find items on the same topic.")
    html = admin.get(LIST).content.decode()
    assert "By topic" in html
    assert "Find items on the same topic." in html


def test_the_list_of_no_rerankers_opens(admin: Client) -> None:
    assert admin.get(LIST).status_code == 200


def test_a_reranker_is_added_from_a_preset(admin: Client) -> None:
    response = admin.post(f"{LIST}add/", FILLED)
    reranker = Reranker.objects.get()
    assert response["Location"] == f"{LIST}{reranker.pk}/change/"
    assert (reranker.slug, reranker.instruction, reranker.precision) == (QWEN, RETRIEVE, "auto")


def test_a_reranker_is_added_with_its_own_instruction_and_precision(admin: Client) -> None:
    changed = {"slug": "by-figure", "instruction": "Find items with the same figure.", "precision": "fp32"}
    admin.post(f"{LIST}add/", FILLED | changed)
    reranker = Reranker.objects.get()
    assert {name: getattr(reranker, name) for name in changed} == changed
    assert reranker.fingerprint == reranker.spec().fingerprint()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"preset": "nonsense"}, "preset"),
        ({"preset": ""}, "preset"),
        ({"slug": "Two Words"}, "slug"),
        ({"instruction": "  "}, "instruction"),
        ({"precision": "int3"}, "precision"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(admin: Client, changed: dict[str, str], field: str) -> None:
    response = admin.post(f"{LIST}add/", FILLED | changed)
    assert response.context["form"].errors[field]
    assert not Reranker.objects.exists()


def test_a_slug_that_is_taken_is_refused_beside_it_and_nothing_typed_is_lost(admin: Client) -> None:
    create_reranker(preset=QWEN)
    response = admin.post(f"{LIST}add/", FILLED | {"instruction": "Something else."})
    assert response.context["form"].errors["slug"]
    assert "Something else." in response.content.decode()
    assert Reranker.objects.count() == 1


def test_a_model_that_is_not_there_is_refused_with_the_command_that_gets_it(
    admin: Client, settings: Any, tmp_path: Path
) -> None:
    settings.MODELS_DIR = tmp_path
    (tmp_path / "Qwen/Qwen3-VL-Reranker-2B").mkdir(parents=True)
    response = admin.post(f"{LIST}add/", FILLED)
    assert "hf download Qwen/Qwen3-VL-Reranker-2B" in str(response.context["form"].errors)


def test_servers_are_offered_where_there_are_any(admin: Client, settings: Any) -> None:
    settings.MODEL_SERVERS = {}
    assert 'name="server"' not in admin.get(f"{LIST}add/").content.decode()
    settings.MODEL_SERVERS = {"gpu-box": "http://gpu-box:8000"}
    assert "gpu-box" in admin.get(f"{LIST}add/").content.decode()


def test_the_page_of_a_reranker_shows_its_settings_and_changes_none(admin: Client) -> None:
    reranker = create_reranker(preset=QWEN)
    html = admin.get(f"{LIST}{reranker.pk}/change/").content.decode()
    assert reranker.fingerprint in html
    assert RETRIEVE in html
    assert admin.post(f"{LIST}{reranker.pk}/change/", {"instruction": "other"}).status_code == 403
    assert Reranker.objects.get().instruction == RETRIEVE


def test_a_reranker_is_deleted_after_a_question(admin: Client) -> None:
    reranker = create_reranker(preset=QWEN)
    admin.get(f"{LIST}{reranker.pk}/delete/")
    assert Reranker.objects.exists()
    admin.post(f"{LIST}{reranker.pk}/delete/", {"post": "yes"})
    assert not Reranker.objects.exists()


@pytest.mark.parametrize(("action", "permission"), [("add", "add_reranker"), ("delete", "delete_reranker")])
def test_each_page_has_its_own_permission(client: Client, action: str, permission: str) -> None:
    reranker = create_reranker(preset=QWEN)
    url = f"{LIST}add/" if action == "add" else f"{LIST}{reranker.pk}/delete/"
    viewer = allow(make_staff(), "embeddings.view_reranker")
    client.force_login(viewer)
    assert client.get(LIST).status_code == 200
    assert client.get(url).status_code == 403
    client.force_login(allow(viewer, f"embeddings.{permission}"))
    assert client.get(url).status_code == 200


def test_the_sidebar_leads_to_the_rerankers_only_who_may_see_them(client: Client) -> None:
    colleague = make_staff()
    client.force_login(colleague)
    assert LIST not in client.get("/admin/").content.decode()
    client.force_login(allow(colleague, "embeddings.view_reranker"))
    assert LIST in client.get("/admin/").content.decode()
