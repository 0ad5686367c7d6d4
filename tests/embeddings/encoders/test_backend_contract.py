"""What every encoder backend promises, whatever runs inside."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from embeddings.encoders.base import EncoderBackend, EncoderInput, Features, Modality, Role
from embeddings.encoders.errors import EncoderError, ItemInputError
from embeddings.encoders.registry import create_backend
from tests.embeddings.encoders.conftest import figure, samples


def test_vectors_are_float32_of_norm_one_and_of_the_stated_dimensions(backend: EncoderBackend) -> None:
    inputs = samples(backend.spec.modality)
    vectors = backend.encode(inputs, Role.DOCUMENT)
    assert vectors.shape == (len(inputs), backend.spec.dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_different_items_get_different_vectors(backend: EncoderBackend) -> None:
    vectors = backend.encode(samples(backend.spec.modality)[:3], Role.DOCUMENT)
    assert (vectors @ vectors.T)[np.triu_indices(3, 1)].max() < 0.99


def test_an_item_alone_gets_the_vector_it_gets_in_a_batch(backend: EncoderBackend) -> None:
    inputs = samples(backend.spec.modality)
    together = backend.forward(backend.preprocess(inputs, Role.DOCUMENT))
    alone = np.concatenate([backend.encode([item], Role.DOCUMENT) for item in inputs])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_order_of_a_batch_changes_no_vector(backend: EncoderBackend) -> None:
    features = backend.preprocess(samples(backend.spec.modality), Role.DOCUMENT)
    forwards = backend.forward(features)
    backwards = backend.forward(features.take(range(len(features) - 1, -1, -1)))
    np.testing.assert_allclose(forwards, backwards[::-1], atol=1e-5)


def test_features_of_several_batches_join_into_one(backend: EncoderBackend) -> None:
    inputs = samples(backend.spec.modality)
    joined = Features.join(
        [backend.preprocess(inputs[:1], Role.DOCUMENT), backend.preprocess(inputs[1:], Role.DOCUMENT)]
    )
    np.testing.assert_allclose(backend.forward(joined), backend.encode(inputs, Role.DOCUMENT), atol=1e-5)


def test_a_query_and_a_document_go_in_one_batch_unmixed(backend: EncoderBackend) -> None:
    item = samples(backend.spec.modality)[:1]
    mixed = Features.join([backend.preprocess(item, Role.QUERY), backend.preprocess(item, Role.DOCUMENT)])
    separate = np.concatenate([backend.encode(item, Role.QUERY), backend.encode(item, Role.DOCUMENT)])
    np.testing.assert_allclose(backend.forward(mixed), separate, atol=1e-5)


def test_no_items_give_no_vectors(backend: EncoderBackend) -> None:
    assert backend.encode([], Role.DOCUMENT).shape == (0, backend.spec.dimensions)


def test_preprocessing_in_many_threads_gives_what_one_thread_gives(backend: EncoderBackend) -> None:
    inputs = samples(backend.spec.modality) * 8
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda item: backend.preprocess([item], Role.DOCUMENT), inputs))
    expected = backend.preprocess(inputs, Role.DOCUMENT)
    assert Features.join(batches).costs == expected.costs
    np.testing.assert_allclose(
        backend.forward(Features.join(batches[:4])), backend.forward(expected.take(range(4))), atol=1e-5
    )


def test_loading_twice_from_two_threads_is_harmless(backend: EncoderBackend) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: backend.load(), range(4)))
    assert backend.loaded


def test_an_unloaded_backend_loads_again_by_itself(backend: EncoderBackend) -> None:
    inputs = samples(backend.spec.modality)[:1]
    before = backend.encode(inputs, Role.DOCUMENT)
    backend.unload()
    assert not backend.loaded
    np.testing.assert_allclose(backend.encode(inputs, Role.DOCUMENT), before, atol=1e-6)


def test_a_process_forked_after_loading_is_refused_with_a_reason(backend: EncoderBackend) -> None:
    backend.load()
    process_context = multiprocessing.get_context("fork")
    reader, writer = process_context.Pipe(duplex=False)
    child = process_context.Process(target=_load_in_child, args=(backend, writer))
    child.start()
    assert reader.poll(20), "the forked process hangs"
    assert "inside the worker process" in reader.recv()
    child.join()


def _load_in_child(backend: EncoderBackend, writer: "multiprocessing.connection.Connection") -> None:
    try:
        backend.encode(samples(backend.spec.modality)[:1], Role.DOCUMENT)
        writer.send("encoded")
    except EncoderError as error:
        writer.send(str(error))


def test_wrong_dimensions_in_the_spec_are_refused(model_backend: EncoderBackend) -> None:
    with pytest.raises(EncoderError, match="dimensions"):
        create_backend(replace(model_backend.spec, dimensions=model_backend.spec.dimensions + 1)).load()


def test_an_item_without_what_the_space_needs_is_named_and_refused(backend: EncoderBackend) -> None:
    good = samples(backend.spec.modality)[0]
    lacking = EncoderInput(" \x00 \u200b") if backend.spec.modality is not Modality.IMAGE else EncoderInput("text only")
    assert not backend.accepts(lacking)
    with pytest.raises(ItemInputError) as caught:
        backend.preprocess([good, lacking], Role.DOCUMENT)
    assert caught.value.index == 1
    assert "no" in caught.value.reason or "neither" in caught.value.reason


def test_text_after_a_nul_still_counts(reading_backend: EncoderBackend) -> None:
    with_nul, without, other = reading_backend.encode(
        [EncoderInput(text) for text in ("원의 넓이\x00삼각형의 둘레", "원의 넓이 삼각형의 둘레", "원의 넓이")],
        Role.DOCUMENT,
    )
    np.testing.assert_allclose(with_nul, without, atol=1e-6)
    assert not np.allclose(with_nul, other, atol=1e-3)


def test_half_a_character_is_refused_on_that_item(backend: EncoderBackend) -> None:
    with pytest.raises(ItemInputError, match="surrogate"):
        backend.preprocess([EncoderInput("각 \ud800", (figure("circle"),))], Role.DOCUMENT)


@pytest.mark.parametrize("text", ["가" * 30_000, "\ufdfa" * 10_000, "x " * 15_000, "🧮" * 5_000, "각의 크기" * 50])
def test_a_very_long_text_is_cut_to_the_limit(backend: EncoderBackend, text: str) -> None:
    features = backend.preprocess([EncoderInput(text, (figure("bars"),))], Role.DOCUMENT)
    assert features.costs[0] <= 8192 + 256
    assert np.isfinite(backend.forward(features)).all()


def test_the_start_of_a_long_text_is_what_counts(reading_backend: EncoderBackend) -> None:
    start = "삼각형의 세 내각의 크기의 합은 얼마인가? " * 400
    whole, cut = reading_backend.encode([EncoderInput(start + "끝" * 20_000), EncoderInput(start)], Role.DOCUMENT)
    assert whole @ cut > 0.999


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (1, 1), (3000, 2000)])
def test_an_image_of_any_shape_gets_a_vector_or_is_refused_for_its_shape(
    backend: EncoderBackend, size: tuple[int, int]
) -> None:
    item = EncoderInput("그림을 보시오", (Image.new("RGB", size, "gray"),))
    try:
        vectors = backend.encode([item], Role.DOCUMENT)
    except ItemInputError as refused:
        assert f"{size[0]} x {size[1]} pixels is too narrow" in refused.reason
        assert max(size) > 200 * min(size)
    else:
        assert np.isfinite(vectors).all()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16", "1"])
def test_an_image_that_is_not_rgb_is_refused_on_that_item(backend: EncoderBackend, mode: str) -> None:
    with pytest.raises(ItemInputError, match="RGB"):
        backend.preprocess([EncoderInput("그림", (Image.new(mode, (20, 20)),))], Role.DOCUMENT)


def test_the_cost_is_known_before_preprocessing(backend: EncoderBackend) -> None:
    inputs = samples(backend.spec.modality)
    costs = [backend.cost(item) for item in inputs]
    assert min(costs) >= 1
    assert costs.index(max(costs)) == backend.preprocess(inputs, Role.DOCUMENT).costs.index(
        max(backend.preprocess(inputs, Role.DOCUMENT).costs)
    )
