"""SigLIP: the features of transformers' own model, from tiny checkpoints of the same classes."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embeddings.encoders.base import EncoderBackend, EncoderInput, Role, Vectors
from embeddings.encoders.errors import EncoderError, ItemInputError, ModelUnavailable
from embeddings.encoders.presets import PRESETS
from embeddings.encoders.registry import create_backend
from tests.embeddings.encoders.conftest import figure, preset_backend

SO400M, I18N = "google/siglip-so400m-patch14-384", "google/siglip-base-patch16-256-i18n"
IMAGES = (figure("circle"), figure("triangle", (90, 300)), figure("bars", (31, 33)))


@pytest.fixture
def pictures_only() -> EncoderBackend:
    return preset_backend("siglip-so400m")


@pytest.fixture
def with_words() -> EncoderBackend:
    return preset_backend("siglip-base-i18n")


def unit(rows: Any) -> Vectors:
    plain = np.asarray(rows, np.float32)
    vectors: Vectors = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    return vectors


def own_images(folder: Path, *images: Image.Image) -> Vectors:
    """One image at a time through transformers' own processor and model."""
    import torch
    from transformers import SiglipImageProcessorPil, SiglipModel

    processor, model = SiglipImageProcessorPil.from_pretrained(folder), SiglipModel.from_pretrained(folder)
    with torch.inference_mode():
        pixels = [processor(images=image, return_tensors="pt")["pixel_values"] for image in images]
        return unit(torch.cat([model.get_image_features(pixel_values=each).pooler_output for each in pixels]))


def own_words(folder: Path, *texts: str) -> Vectors:
    import torch
    from transformers import AutoTokenizer, SiglipModel

    tokenizer, model = AutoTokenizer.from_pretrained(folder), SiglipModel.from_pretrained(folder)
    ids = tokenizer(list(texts), padding="max_length", max_length=64, truncation=True, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        return unit(model.get_text_features(input_ids=ids).pooler_output)


@pytest.mark.parametrize(("slug", "model"), [("siglip-so400m", SO400M), ("siglip-base-i18n", I18N)])
def test_image_vectors_equal_the_librarys_own(slug: str, model: str, models_dir: Path) -> None:
    vectors = preset_backend(slug).encode([EncoderInput("", (image,)) for image in IMAGES], Role.DOCUMENT)
    np.testing.assert_allclose(vectors, own_images(models_dir / model, *IMAGES), atol=1e-5)


def test_a_text_query_lands_in_the_space_of_the_images(with_words: EncoderBackend, models_dir: Path) -> None:
    texts = ("삼각형의 넓이", "A Triangle, and its AREA!", "각의 크기를 구하시오 " * 40)
    vectors = with_words.encode([EncoderInput(text) for text in texts], Role.QUERY)
    assert vectors.shape[1] == with_words.spec.dimensions
    np.testing.assert_allclose(vectors, own_words(models_dir / I18N, *texts), atol=1e-5)


def test_words_and_images_go_in_one_batch(with_words: EncoderBackend, models_dir: Path) -> None:
    items = [EncoderInput("원"), EncoderInput("", IMAGES[:1]), EncoderInput("막대"), EncoderInput("", IMAGES[2:])]
    vectors = with_words.forward(with_words.preprocess(items, Role.QUERY))
    np.testing.assert_allclose(vectors[::2], own_words(models_dir / I18N, "원", "막대"), atol=1e-5)
    np.testing.assert_allclose(vectors[1::2], own_images(models_dir / I18N, IMAGES[0], IMAGES[2]), atol=1e-5)


def test_case_and_punctuation_do_not_matter_in_a_query(with_words: EncoderBackend) -> None:
    one, other = with_words.encode([EncoderInput("Area, of a CIRCLE?"), EncoderInput("area of a circle")], Role.QUERY)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_space_without_text_queries_refuses_one(pictures_only: EncoderBackend) -> None:
    with pytest.raises(ItemInputError, match="encodes images only"):
        pictures_only.preprocess([EncoderInput("삼각형의 넓이")], Role.QUERY)


@pytest.mark.parametrize("slug", ["siglip-so400m", "siglip-base-i18n"])
def test_an_item_without_an_image_has_no_vector(slug: str) -> None:
    assert not preset_backend(slug).accepts(EncoderInput("삼각형의 넓이"), Role.DOCUMENT)


def test_several_images_give_the_mean_of_their_vectors(pictures_only: EncoderBackend, models_dir: Path) -> None:
    together = pictures_only.encode([EncoderInput("", IMAGES), EncoderInput("", IMAGES[:1])], Role.DOCUMENT)
    alone = own_images(models_dir / SO400M, *IMAGES)
    np.testing.assert_allclose(together, unit([alone.mean(0), alone[0]]), atol=1e-5)


def test_dimensions_that_the_config_leaves_out_are_the_librarys_default(models_dir: Path) -> None:
    from transformers import SiglipTextConfig, SiglipVisionConfig

    from embeddings.encoders.siglip import _TEXT, _VISION

    plain = SiglipVisionConfig()
    assert {name: getattr(plain, name) for name in _VISION} == _VISION
    assert _TEXT["max_position_embeddings"] == SiglipTextConfig().max_position_embeddings


def test_another_models_config_is_named_and_refused(models_dir: Path, tmp_path: Path, settings: Any) -> None:
    shutil.copytree(models_dir / SO400M, tmp_path / SO400M)
    (tmp_path / SO400M / "config.json").write_text('{"hidden_size": 64}')
    settings.MODELS_DIR = tmp_path
    with pytest.raises(ModelUnavailable, match=r"config\.json cannot be read .*vision_config"):
        PRESETS["siglip-so400m"].spec()


def test_a_missing_weight_is_not_made_up(models_dir: Path, tmp_path: Path, settings: Any) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(models_dir / SO400M, tmp_path / SO400M)
    file = tmp_path / SO400M / "model.safetensors"
    weights = load_file(file)
    del weights["vision_model.post_layernorm.weight"]
    save_file(weights, file, {"format": "pt"})
    settings.MODELS_DIR = tmp_path
    spec = replace(PRESETS["siglip-so400m"].spec(), precision="fp32")
    with pytest.raises(ModelUnavailable, match="post_layernorm"):
        create_backend(spec).load()


def test_four_bits_are_refused() -> None:
    with pytest.raises(EncoderError, match="nf4"):
        create_backend(PRESETS["siglip-so400m"].spec(precision="nf4"))
