"""The rerankers' pages: the list, a new one from a preset, one with its settings, deleting."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from embeddings.models import Reranker
from embeddings.reranker_services import create_reranker, switch_off
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


# ---- where it is switched off


def _off(subject: str = "수학") -> Reranker:
    reranker = create_reranker(preset=QWEN)
    switch_off(
        reranker=reranker, field="subject", value=subject, reason="RR -0.667 [-0.700, -0.600]", run="spring #7",
        link="/admin/evaluation/evaluationrun/compare/?runs=6,7", user=make_staff("colleague"),
    )  # fmt: skip
    return reranker


def test_the_page_lists_where_it_is_switched_off_by_which_run_and_whom(admin: Client) -> None:
    reranker = _off()
    html = admin.get(f"{LIST}{reranker.pk}/change/").content.decode()
    for words in ("수학", "RR -0.667 [-0.700, -0.600]", "spring #7", "colleague", "compare/?runs=6,7"):
        assert words in html
    admin.cookies["django_language"] = "en"
    assert "for 1 slice" in admin.get(LIST).content.decode()


def test_a_reranker_that_is_on_everywhere_says_so(admin: Client) -> None:
    admin.cookies["django_language"] = "en"
    html = admin.get(f"{LIST}{create_reranker(preset=QWEN).pk}/change/").content.decode()
    assert "Nowhere. The comparison" in html


def test_it_is_switched_on_again_by_a_button(admin: Client) -> None:
    reranker = _off()
    exception = reranker.exceptions.get()
    answer = admin.post(f"{LIST}{reranker.pk}/switch-on/", {"exception": exception.pk})
    assert answer["Location"] == f"{LIST}{reranker.pk}/change/"
    assert not reranker.exceptions.exists()


def test_switching_on_what_somebody_switched_on_meanwhile_is_no_error(admin: Client) -> None:
    reranker = _off()
    exception = reranker.exceptions.get()
    for _twice in range(2):
        answer = admin.post(f"{LIST}{reranker.pk}/switch-on/", {"exception": exception.pk})
        assert answer.status_code == 302


@pytest.mark.parametrize("exception", ["", "x", "999999999999999999999"])
def test_an_exception_that_is_not_there_changes_nothing(admin: Client, exception: str) -> None:
    reranker = _off()
    assert admin.post(f"{LIST}{reranker.pk}/switch-on/", {"exception": exception}).status_code == 302
    assert reranker.exceptions.exists()


def test_switching_on_has_its_own_permission(client: Client) -> None:
    reranker = _off()
    sent = {"exception": reranker.exceptions.get().pk}
    viewer = allow(make_staff(), "embeddings.view_reranker")
    client.force_login(viewer)
    assert f"{LIST}{reranker.pk}/switch-on/" not in client.get(f"{LIST}{reranker.pk}/change/").content.decode()
    assert client.post(f"{LIST}{reranker.pk}/switch-on/", sent).status_code == 403
    client.force_login(allow(viewer, "embeddings.change_reranker"))
    assert f"{LIST}{reranker.pk}/switch-on/" in client.get(f"{LIST}{reranker.pk}/change/").content.decode()
    client.post(f"{LIST}{reranker.pk}/switch-on/", sent)
    assert not reranker.exceptions.exists()
