"""What items may hold: nothing in them reaches the model as a command, and what cannot be encoded is named."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image

from embeddings.encoders.base import EncoderBackend, EncoderInput, Role
from embeddings.encoders.errors import ItemInputError, ModelUnavailable
from embeddings.encoders.presets import PRESETS
from embeddings.encoders.qwen3_vl.prompt import PromptTokenizer, TokenSequence, punctuated
from embeddings.encoders.registry import create_backend
from itembank.uploads.pictures import sanitise
from tests.embeddings.encoders.conftest import figure
from tests.tiny_models import PARITY

SPECIAL = range(359, 448)
TAIL = "<|im_end|>\n<|im_start|>assistant\n"
TOKENIZER = PromptTokenizer(PARITY / "checkpoint")


@cache
def encoder(slug: str = "qwen3-vl-2b-mm-mean", max_length: int = 8192) -> EncoderBackend:
    return create_backend(replace(PRESETS[slug].spec(), precision="fp32", max_length=max_length))


def prepared(item: EncoderInput, backend: EncoderBackend | None = None) -> TokenSequence:
    (entry,) = (backend or encoder()).preprocess([item], Role.DOCUMENT).payload
    assert isinstance(entry, TokenSequence)
    return entry


def own_tokens(sequence: TokenSequence) -> int:
    return sum(int(token) in SPECIAL for token in sequence.ids)


def vector(item: EncoderInput) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    row: np.ndarray[tuple[int], np.dtype[np.float32]] = encoder().encode([item], Role.DOCUMENT)[0]
    return row


# ---- text


@pytest.mark.parametrize(
    "token", ["<|im_end|>", "<|image_pad|>", "<|vision_start|>", "<|im_start|>system", "<|endoftext|>"]
)
def test_the_names_of_own_tokens_are_plain_text_in_an_item(token: str) -> None:
    item, plain = (
        EncoderInput(f"다음 {token} 중 옳은 것은?", (figure("bars"),)),
        EncoderInput("다음 중?", (figure("bars"),)),
    )
    assert own_tokens(prepared(item)) == own_tokens(prepared(plain))
    assert np.isfinite(vector(item)).all()


@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.sampled_from("<|im_endstarvoupg_>가 \n$①"), min_size=1, max_size=60).filter(str.strip))
def test_no_text_makes_an_own_token(text: str) -> None:
    assert own_tokens(prepared(EncoderInput(text))) == own_tokens(prepared(EncoderInput("가")))


def test_an_item_that_names_a_token_differs_from_one_that_does_not() -> None:
    assert vector(EncoderInput("식 <|im_end|>")) @ vector(EncoderInput("식")) < 0.9999


def test_a_huge_item_loses_the_end_of_its_text_and_nothing_of_the_prompt() -> None:
    short = encoder(max_length=64)
    sequence = prepared(EncoderInput("원의 넓이를 구하시오. " * 2400, (figure("circle"),)), short)
    tail = [*(TOKENIZER.id_of("<|im_end|>"),), *_ids("\n"), TOKENIZER.id_of("<|im_start|>"), *_ids("assistant\n")]
    assert sequence.ids[-len(tail) :].tolist() == tail
    assert len(sequence.pictures) == 1
    assert len(sequence) < 64 + 2 * len(prepared(EncoderInput("원", (figure("circle"),)), short))


@examples(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=60), st.integers(1, 40))
def test_a_cut_text_is_a_start_of_the_text_within_the_limit(text: str, limit: int) -> None:
    cut = TOKENIZER.cut(text, limit)
    assert text.startswith(cut)
    assert len(_ids(cut)) <= limit + 2  # what is left may be tokenised anew at its end


def test_a_character_of_several_tokens_is_not_cut_in_two() -> None:
    assert [TOKENIZER.cut("𠮷𠮷", limit) for limit in (1, len(_ids("𠮷")), 99)] == ["", "𠮷", "𠮷𠮷"]


@pytest.mark.parametrize(
    ("given", "sent"), [("표현하라", "표현하라."), ("표현하라。", "표현하라。"), (" Find it! ", "Find it!"), ("", ".")]
)
def test_an_instruction_ends_in_punctuation(given: str, sent: str) -> None:
    assert punctuated(given) == sent


# ---- pictures


def test_a_strip_that_is_too_narrow_is_refused_alone() -> None:
    items = [EncoderInput("가"), EncoderInput("나", (Image.new("RGB", (1, 4000)),))]
    with pytest.raises(ItemInputError, match="1 x 4000 pixels is too narrow") as caught:
        encoder().preprocess(items, Role.DOCUMENT)
    assert caught.value.index == 1


def _saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def _transparent() -> tuple[bytes, Image.Image]:
    ink = figure("triangle").convert("L").point(lambda level: 255 - level)
    image = Image.new("RGBA", ink.size, (0, 0, 0, 0))
    image.putalpha(ink)
    white = Image.new("RGB", ink.size, "white")
    white.paste(image, mask=ink)
    return _saved(image, "PNG"), white


def _sixteen_bit() -> tuple[bytes, Image.Image]:
    grey = figure("bars").convert("L")
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    return _saved(wide, "PNG"), grey.convert("RGB")


def _rotated() -> tuple[bytes, Image.Image]:
    upright = figure("bars")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    return _saved(upright.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif), upright


def _cmyk() -> tuple[bytes, Image.Image]:
    saved = _saved(figure("bars").convert("CMYK"), "JPEG", quality=95)
    return saved, Image.open(io.BytesIO(saved)).convert("RGB")


@pytest.mark.parametrize("made", [_transparent, _sixteen_bit, _rotated, _cmyk])
def test_an_uploaded_picture_is_encoded_as_people_see_it(made: Callable[[], tuple[bytes, Image.Image]]) -> None:
    file, seen = made()
    stored = Image.open(io.BytesIO(sanitise(file).data)).convert("RGB")
    similarity = vector(EncoderInput("", (stored,))) @ vector(EncoderInput("", (seen,)))
    assert similarity > 0.9999
    assert similarity > vector(EncoderInput("", (figure("circle"),))) @ vector(EncoderInput("", (seen,)))


def test_the_order_of_several_pictures_matters() -> None:
    one, two = figure("circle"), figure("bars")
    assert vector(EncoderInput("", (one, two))) @ vector(EncoderInput("", (two, one))) < 0.99999


def test_the_text_preset_sees_no_picture() -> None:
    backend = encoder("qwen3-vl-2b-text-mean")
    rows = backend.encode([EncoderInput("가", (figure("bars"),)), EncoderInput("가")], Role.DOCUMENT)
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)


# ---- precision


def test_four_bit_weights_give_nearly_the_same_vectors_on_a_cpu() -> None:
    packed = create_backend(replace(encoder().spec, precision="nf4"))
    items = [EncoderInput("이차함수의 그래프", (figure("bars"),)), EncoderInput("광합성")]
    cosines = (packed.encode(items, Role.DOCUMENT) * encoder().encode(items, Role.DOCUMENT)).sum(axis=1)
    assert (cosines > 0.9).all()
    assert (cosines < 0.999999).all()


def _ids(text: str) -> list[int]:
    return TOKENIZER.sequence([text]).ids.tolist() if text else []


@pytest.fixture
def copied(tmp_path: Path, settings: Any) -> Path:
    """A copy of the tiny model that a test may break."""
    settings.MODELS_DIR = tmp_path
    folder = tmp_path / "Qwen" / "Qwen3-VL-Embedding-2B"
    shutil.copytree(PARITY / "checkpoint", folder)
    return folder


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [("config.json", "vision_config", {"depth": "none"}), ("preprocessor_config.json", "image_mean", None)],
)
def test_a_config_that_is_none_of_the_model_is_named_and_refused(
    copied: Path, file: str, name: str, value: object
) -> None:
    config = json.loads((copied / file).read_text())
    del config[name]
    (copied / file).write_text(json.dumps(config | ({name: value} if value else {})))
    backend = create_backend(replace(PRESETS["qwen3-vl-2b-mm-mean"].spec(), precision="fp32"))
    with pytest.raises(ModelUnavailable, match="does not load"):
        backend.load()


def test_weights_that_are_missing_are_never_made_up(copied: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(copied / "model.safetensors")
    tensors.pop(next(name for name in tensors if "layers.1." in name))
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    backend = create_backend(replace(PRESETS["qwen3-vl-2b-mm-mean"].spec(), precision="fp32"))
    with pytest.raises(ModelUnavailable, match="lack 1 of its weights"):
        backend.load()
