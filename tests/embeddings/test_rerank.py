"""The order of reranked hits, and what becomes of hits that cannot be scored."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import translation

from embeddings.encoders.base import EncoderInput
from embeddings.encoders.errors import ModelUnavailable
from embeddings.gpu import SLOT, GpuSlot
from embeddings.models import Reranker
from embeddings.reranker_services import create_reranker, get_or_create_reranker, settle_reranker
from embeddings.rerankers import registry
from embeddings.search import Hit, SearchError, SearchRequest
from embeddings.search.rerank import RerankedHit, requested_input, rerank
from itembank.models import Item, ItemImage
from tests.embeddings import scripted_reranker
from tests.embeddings.scripted_reranker import NAME, PLACE, Script, scripted_spec
from tests.embeddings.spaces import clustered, fill, make_space
from tests.factories import make_image, make_item

pytestmark = pytest.mark.django_db

QUERY = EncoderInput("일차함수")
QWEN = "qwen3-vl-reranker-2b"
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """The scripted backend is there, with a fresh script."""
    monkeypatch.setitem(registry._BACKENDS, NAME, PLACE)
    fresh = Script()
    monkeypatch.setattr(scripted_reranker, "SCRIPT", fresh)
    yield fresh


def hits_of(*items: Item) -> list[Hit]:
    """The items as hits, the first the nearest."""
    return [Hit(rank, item.pk, item.code, 1 - rank / 100, {}) for rank, item in enumerate(items, 1)]


def hits_scoring(*texts: str) -> list[Hit]:
    return hits_of(*(make_item(text=text) for text in texts))


def scripted(hits: list[Hit], **options: Any) -> tuple[RerankedHit, ...]:
    options = {"reranker": scripted_spec(f"scripted {next(_numbers)}")} | options
    return rerank(options.pop("query", QUERY), hits, **options)


def dense_ranks(reranked: tuple[RerankedHit, ...]) -> list[int]:
    return [each.hit.rank for each in reranked]


def with_picture(text: str) -> tuple[Item, ItemImage]:
    item = make_item(text=text)
    return item, make_image(item)


# ---- the order


def test_the_best_score_comes_first() -> None:
    reranked = scripted(hits_scoring("0.2", "0.9", "0.5"))
    assert dense_ranks(reranked) == [2, 3, 1]
    assert [each.rank for each in reranked] == [1, 2, 3]
    assert [each.score for each in reranked] == [0.9, 0.5, 0.2]


def test_equal_scores_go_by_code() -> None:
    items = [make_item(text="0.5", code=code) for code in ("C", "A", "B")]
    assert [each.hit.code for each in scripted(hits_of(*items))] == ["A", "B", "C"]


def test_hits_under_the_threshold_keep_their_dense_order_after_the_others() -> None:
    reranked = scripted(hits_scoring("0.1", "0.3", "0.2", "0.8", "0.9"), threshold=0.5)
    assert dense_ranks(reranked) == [5, 4, 1, 2, 3]
    assert reranked[2].score == 0.1


def test_a_score_at_the_threshold_counts_as_above_it() -> None:
    assert dense_ranks(scripted(hits_scoring("0.4", "0.5"), threshold=0.5)) == [2, 1]


def test_hits_beyond_the_top_n_are_not_scored_and_follow_in_dense_order(script: Script) -> None:
    reranked = scripted(hits_scoring("0.1", "0.2", "0.9", "0.8"), top_n=2)
    assert dense_ranks(reranked) == [2, 1, 3, 4]
    assert [each.score for each in reranked[2:]] == [None, None]
    assert [each.problem for each in reranked[2:]] == ["", ""]
    assert sorted(text for text, *_ in script.seen) == ["0.1", "0.2"]


def test_only_the_top_k_are_given(script: Script) -> None:
    assert dense_ranks(scripted(hits_scoring("0.1", "0.2", "0.9"), top_k=2)) == [3, 2]


def test_no_hits_give_none_and_load_nothing() -> None:
    assert scripted([], reranker=scripted_spec("never made")) == ()


@pytest.mark.parametrize("options", [{"top_n": 0}, {"top_k": 101}, {"threshold": 1.1}, {"threshold": float("nan")}])
def test_numbers_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SearchError):
        scripted(hits_scoring("0.1"), **options)


# ---- what cannot be scored


def test_a_missing_picture_is_reported_and_the_item_not_scored(script: Script) -> None:
    broken, image = with_picture("0.9")
    default_storage.delete(image.file.name)
    reranked = scripted(hits_of(broken, make_item(text="0.3"), make_item(text="0.6")), threshold=0.5)
    assert dense_ranks(reranked) == [3, 2, 1]
    assert (reranked[2].score, reranked[2].image_used) == (None, False)
    assert "is missing from the media folder" in reranked[2].problem
    assert "0.9" not in [text for text, *_ in script.seen]


def test_a_picture_that_cannot_be_read_is_reported(script: Script) -> None:
    broken, image = with_picture("0.9")
    Path(default_storage.path(image.file.name)).write_bytes(b"no picture")
    (hit,) = scripted(hits_of(broken))
    assert hit.score is None
    assert "cannot be read" in hit.problem
    assert script.seen == []


def test_a_picture_that_was_never_stored_is_reported() -> None:
    item = make_item(text="0.9")
    Item.objects.update(category="image")
    (hit,) = scripted(hits_of(item))
    assert (hit.score, bool(hit.problem)) == (None, True)


def test_problems_are_told_in_the_readers_language() -> None:
    broken, image = with_picture("0.9")
    default_storage.delete(image.file.name)
    with translation.override("ko"):
        (hit,) = scripted(hits_of(broken))
    assert "미디어" in hit.problem


def test_the_image_counts_as_used_where_the_scored_pair_held_it(script: Script) -> None:
    item, _image = with_picture("0.9")
    reranked = scripted(hits_of(item, make_item(text="0.3")))
    assert [each.image_used for each in reranked] == [True, False]
    assert ("0.9", 1, 0) in script.seen


def test_the_querys_image_is_no_image_of_the_hit(script: Script) -> None:
    query, _image = with_picture("0.9")
    (hit,) = scripted(hits_scoring("0.4"), query=query.pk)
    assert not hit.image_used
    assert script.seen == [("0.4", 0, 1)]


def test_an_item_without_content_is_reported_and_not_scored(script: Script) -> None:
    (hit,) = scripted(hits_scoring(" \n"))
    assert (hit.score, script.seen) == (None, [])
    assert "neither text nor a picture" in hit.problem


def test_a_hit_that_was_deleted_meanwhile_is_reported() -> None:
    hits = hits_scoring("0.9", "0.2")
    Item.objects.filter(pk=hits[0].item_id).delete()
    reranked = scripted(hits)
    assert dense_ranks(reranked) == [2, 1]
    assert reranked[1].problem


@pytest.mark.parametrize(("text", "reason"), [("0.9 refuse", "refused as told"), ("0.9 break", "broken as told")])
def test_a_pair_that_cannot_be_prepared_touches_no_other(text: str, reason: str) -> None:
    reranked = scripted(hits_scoring(text, "0.2"))
    assert dense_ranks(reranked) == [2, 1]
    assert reason in reranked[1].problem


def test_a_score_that_is_no_number_is_reported_and_the_others_are_scored() -> None:
    reranked = scripted(hits_scoring("0.1", "nan", "0.7", "7"))
    assert dense_ranks(reranked) == [3, 1, 2, 4]
    assert [each.score for each in reranked] == [0.7, 0.1, None, None]
    assert all(each.problem for each in reranked[2:])


# ---- memory


def test_out_of_memory_makes_batches_smaller_and_loses_no_hit(script: Script) -> None:
    script.room = 3
    reranked = scripted(hits_scoring(*(f"0.{number}" for number in range(1, 10))))
    assert dense_ranks(reranked) == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert [len(texts) for texts in script.passes] == [9, 8, 4, 2, 2, 2, 2, 1]


def test_smaller_batches_are_remembered_for_the_next_search(script: Script) -> None:
    script.room = 2
    spec = scripted_spec("remembers")
    for _ in range(2):
        script.passes.clear()
        scripted(hits_scoring("0.1", "0.2", "0.3", "0.4"), reranker=spec)
    assert [len(texts) for texts in script.passes] == [2, 2]


def test_a_pair_that_does_not_fit_alone_is_reported(script: Script) -> None:
    script.room = 0
    reranked = scripted(hits_scoring("0.1", "0.2"))
    assert [each.problem for each in reranked] == ["no room as told"] * 2
    assert dense_ranks(reranked) == [1, 2]


# ---- the query


def test_an_item_is_a_query_by_its_id_or_code(models_dir: Path) -> None:
    spec = get_or_create_reranker(preset=QWEN)
    query, hits = make_item(), hits_scoring("가", "나")
    first, second = (rerank(key, hits, reranker=settle_reranker(spec).spec()) for key in (query.pk, query.code))
    assert first == second


def test_a_query_whose_picture_is_broken_is_refused() -> None:
    query, image = with_picture("0.9")
    default_storage.delete(image.file.name)
    with pytest.raises(SearchError, match="is missing from the media folder"):
        scripted(hits_scoring("0.1"), query=query.code)


def test_an_unknown_item_as_query_is_refused() -> None:
    with pytest.raises(SearchError, match="no item “nope”"):
        scripted(hits_scoring("0.1"), query="nope")


def test_a_search_by_image_reranks_with_the_image_upright_and_opaque() -> None:
    _item, image = with_picture("0.9")
    with default_storage.open(image.file.name) as file:
        asked = requested_input(SearchRequest(text=" 가 ", image=file.read()))
    assert isinstance(asked, EncoderInput)
    assert (asked.text, [picture.mode for picture in asked.images]) == ("가", ["RGB"])


# ---- the real model, tiny


def test_the_order_of_batches_does_not_change_the_scores(models_dir: Path, tmp_path: Path) -> None:
    reranker = settle_reranker(get_or_create_reranker(preset=QWEN)).spec()
    items = [make_item(text="점 P의 좌표를 구하시오. " * length) for length in (1, 9, 3, 30)]
    items += [with_picture("그림과 같은 삼각형의 넓이는?")[0] for _ in range(2)]
    forwards = rerank(QUERY, hits_of(*items), reranker=reranker)
    alone = GpuSlot(tmp_path, "alone", loaded_models=1)
    model = alone.reranker(reranker)
    alone.load(model)
    while model.token_budget > 1:
        model.shrink()
    backwards = rerank(QUERY, hits_of(*reversed(items)), reranker=reranker, slot=alone)
    assert [each.hit.code for each in forwards] == [each.hit.code for each in backwards]
    for one, other in zip(forwards, backwards, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)


def test_the_scores_are_those_of_the_model_alone(models_dir: Path) -> None:
    spec = settle_reranker(get_or_create_reranker(preset=QWEN)).spec()
    item, image = with_picture("그림을 보고 답하시오.")
    (hit,) = rerank(QUERY, hits_of(item), reranker=spec)
    with default_storage.open(image.file.name) as file:
        picture = requested_input(SearchRequest(image=file.read())).images  # type: ignore[union-attr]
    backend = registry.create_reranker(spec)
    (expected,) = backend.score(QUERY, [EncoderInput(item.text, picture)])
    (without,) = backend.score(QUERY, [EncoderInput(item.text)])
    assert hit.score == pytest.approx(expected, abs=1e-6)
    assert hit.score != pytest.approx(without, abs=1e-6)
    assert hit.image_used


def test_two_rerankers_of_one_model_differ_by_their_instruction(models_dir: Path) -> None:
    rerankers = [
        create_reranker(preset=QWEN, slug=slug, instruction=instruction, precision="fp32")
        for slug, instruction in (
            ("topic", "Find items on the same topic."),
            ("figure", "Find items with such a figure."),
        )
    ]
    hits = hits_scoring("가나다")
    (first,), (second,) = (rerank(QUERY, hits, reranker=each.spec()) for each in rerankers)
    assert first.score != second.score


def test_the_precision_is_settled_at_the_first_use(models_dir: Path) -> None:
    reranker = get_or_create_reranker(preset=QWEN)
    before = reranker.fingerprint
    assert reranker.precision == "auto"
    settled = settle_reranker(reranker)
    assert settled.precision in {"fp32", "bf16", "fp16"}
    stored = Reranker.objects.get()
    assert stored.fingerprint == stored.spec().fingerprint() != before


def test_a_model_without_files_is_named(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MODELS_DIR = tmp_path
    (tmp_path / "Qwen/Qwen3-VL-Reranker-2B").mkdir(parents=True)
    with pytest.raises(ModelUnavailable, match="Qwen3-VL-Reranker-2B"):
        get_or_create_reranker(preset=QWEN)


# ---- the command


@pytest.fixture
def bank(models_dir: Path) -> list[Item]:
    space = make_space(256)
    items = [make_item() for _ in range(4)] + [with_picture("그림과 같은 도형")[0]]
    for item in items:
        item.refresh_from_db()
    fill(space, items, clustered(5, 256))
    return items


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("search", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_prints_score_dense_rank_and_use_of_the_image(bank: list[Item]) -> None:
    encoder = bank[0].embeddings.get().encoder.slug
    told = json.loads(
        command(
            "--item", bank[0].code, "--encoder", encoder, "--rerank", QWEN, "--k", "3", "--rerank-top", "4", "--json"
        )
    )
    assert [hit["rank"] for hit in told["hits"]] == [1, 2, 3]
    assert set(told["hits"][0]) == {"rank", "code", "score", "dense_rank", "dense_score", "image_used", "problem"}
    assert [hit["score"] for hit in told["hits"]] == sorted((hit["score"] for hit in told["hits"]), reverse=True)
    assert "rerank" in told["timings_ms"]


def test_a_query_in_words_is_encoded_and_reranked_by_one_process(bank: list[Item]) -> None:
    encoder = bank[0].embeddings.get().encoder.slug
    told = json.loads(command("기울기", "--encoder", encoder, "--rerank", QWEN, "--rerank-threshold", "1", "--json"))
    assert [hit["dense_rank"] for hit in told["hits"]] == [1, 2, 3, 4, 5]
    assert all(0 < hit["score"] < 1 for hit in told["hits"])
    assert not SLOT.held


def test_the_table_names_hits_that_could_not_be_scored(bank: list[Item]) -> None:
    default_storage.delete(ItemImage.objects.get().file.name)
    encoder = bank[0].embeddings.get().encoder.slug
    told = command("--item", bank[0].code, "--encoder", encoder, "--rerank", QWEN)
    assert "dense #" in told
    assert f"{bank[4].code}: The picture" in " ".join(told.split())


def test_a_worker_that_holds_the_gpu_is_asked(bank: list[Item], settings: Any) -> None:
    settings.QUERY_TIMEOUT_SECONDS = 1  # this one does not answer
    encoder = bank[0].embeddings.get().encoder.slug
    worker = GpuSlot(SLOT._path.parent, SLOT.owner.partition(":")[2], loaded_models=1)
    worker.acquire()
    try:
        with pytest.raises(CommandError, match="No GPU worker answered"):
            command("--item", bank[0].code, "--encoder", encoder, "--rerank", QWEN)
    finally:
        worker.release()


def test_a_reranker_on_a_server_needs_no_gpu_of_this_machine(bank: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._BACKENDS, "remote", PLACE)
    Item.objects.update(text="0.5")
    spec = replace(scripted_spec("far away"), backend="remote")
    Reranker.objects.create(slug="far", **asdict(spec) | {"options": {}})
    encoder = bank[0].embeddings.get().encoder.slug
    worker = GpuSlot(SLOT._path.parent, SLOT.owner.partition(":")[2], loaded_models=1)
    worker.acquire()
    try:
        told = json.loads(command("--item", bank[0].code, "--encoder", encoder, "--rerank", "far", "--json"))
    finally:
        worker.release()
    assert [hit["score"] for hit in told["hits"]] == [0.5] * 4


def test_an_unknown_reranker_is_refused_with_those_there_are(bank: list[Item]) -> None:
    with pytest.raises(CommandError, match=f"no reranker “nope”.*{QWEN}"):
        command("--item", bank[0].code, "--rerank", "nope")
