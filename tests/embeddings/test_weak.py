"""Below which score a hit is weak: what is measured, when, and how the mark follows from it."""

from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from numpy.testing import assert_allclose

from embeddings.models import EmbeddingJob, Encoder
from embeddings.search.answers import Hit, RerankScore, SignalScore
from embeddings.search.types import Rerank, SearchRequest
from embeddings.search.weak import Lines, chance_line, marked, words_line
from embeddings.stored_vectors import stored_vectors
from embeddings.tasks import measure_weak_lines
from embeddings.weak_lines import SAMPLED, drawn_numbers, encoders_to_measure, measure_weak_below, sampled_items
from itembank.models import Item
from tests.embeddings.spaces import clustered, fill, make_items, make_space


def hit(score: float, **signals: float | None) -> Hit:
    says = {name: SignalScore(own, 0.0, 0.0, None if own is None else 1) for name, own in signals.items()}
    return Hit(1, 1, "a", score, says)


def is_weak(found: Hit, lines: Lines, **asked: object) -> bool:
    request = SearchRequest(text="a", **asked)  # type: ignore[arg-type]
    return marked(request, [found], lines)[0].weak


# ---- the line


def test_the_line_is_what_995_of_1000_pairs_stay_below() -> None:
    # 100 vectors at angles of 0 to 99 tenths of a degree: 4,950 pairs, 99 of them 0.1 degrees apart, the nearest there
    # are. The 24.75 highest are among those.
    angles = np.radians(np.arange(100) / 10)
    line = chance_line(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert line == pytest.approx(np.cos(np.radians(0.1)), abs=1e-4)


def test_one_pair_alike_among_many_does_not_move_the_line() -> None:
    vectors = np.eye(60)
    vectors[1] = vectors[0]  # 1 of 1,770 pairs
    assert chance_line(vectors) == 0.0


def test_length_says_nothing_and_vectors_of_none_are_left_out() -> None:
    vectors = clustered(60, 8).astype(np.float64)
    stretched = np.concatenate([vectors * np.arange(1, 61)[:, None], np.zeros((5, 8))])
    assert chance_line(stretched) == chance_line(vectors)


def test_few_vectors_tell_no_line() -> None:
    assert chance_line(clustered(49, 8)) is None
    assert chance_line(clustered(50, 8)) is not None


def test_the_line_of_words_is_half_of_all_that_was_asked() -> None:
    assert words_line(12.5) == 6.25
    assert words_line(0.0) is None  # a query without words


# ---- the mark


@pytest.mark.parametrize(
    ("dense", "lexical", "weak"),
    [(0.5, None, False), (0.49, None, True), (0.49, 6.0, False), (0.49, 5.9, True), (None, 6.0, False)],
)
def test_a_hit_is_weak_where_no_signal_has_it_at_its_line(
    dense: float | None, lexical: float | None, weak: bool
) -> None:
    assert is_weak(hit(0.9, dense=dense, lexical=lexical), {"dense": 0.5, "lexical": 6.0}) is weak


def test_a_signal_without_a_line_calls_nothing_weak_that_it_lists() -> None:
    assert not is_weak(hit(0.1, dense=0.01, lexical=1.0), {"dense": None, "lexical": 6.0})
    assert is_weak(hit(0.1, dense=None, lexical=1.0), {"dense": None, "lexical": 6.0})


def test_a_cut_off_of_the_request_is_one_of_the_final_score() -> None:
    lines: Lines = {"dense": 0.5}
    assert is_weak(hit(0.2, dense=0.9), lines, weak_below=0.3)
    assert not is_weak(hit(0.4, dense=0.1), lines, weak_below=0.3)


def test_a_threshold_of_the_reranker_goes_before_the_lines() -> None:
    found = hit(0.9, dense=0.9)
    read = Hit(**{name: getattr(found, name) for name in ("rank", "item_id", "code", "score", "signals")},
               reranked=RerankScore(0.3, 1))  # fmt: skip
    assert is_weak(read, {"dense": 0.5}, rerank=Rerank("any", threshold=0.4))
    assert not is_weak(read, {"dense": 0.95}, rerank=Rerank("any", threshold=0.2))


# ---- measured on what is stored


def filled(count: int, *, dimensions: int = 16) -> Encoder:
    space = make_space(dimensions)
    fill(space, make_items(count), clustered(count, dimensions))
    return space


@pytest.mark.django_db
def test_the_stored_vectors_of_an_encoder_give_its_line() -> None:
    space = filled(300)
    ids = list(Item.objects.order_by("pk").values_list("pk", flat=True))
    rows = np.concatenate([rows for _ids, rows in stored_vectors(space, ids)]).astype(np.float64)
    first, second = np.triu_indices(300, 1)
    expected = float(np.quantile((rows[first] * rows[second]).sum(axis=1), 0.995))
    assert measure_weak_below(space) == pytest.approx(expected, abs=2e-4)
    space.refresh_from_db()
    assert space.weak_below == pytest.approx(expected, abs=2e-4)
    assert space.spec().fingerprint() == space.fingerprint


@pytest.mark.django_db
def test_of_many_items_some_thousand_are_taken_from_all_over_and_the_same_each_time() -> None:
    space = make_space(2)
    items = [item for item in make_items(3 * SAMPLED) if item.pk % 3]
    fill(space, items, clustered(len(items), 2))
    sample = sampled_items(space)
    assert sample == sampled_items(space)
    assert 0.6 * SAMPLED < len(sample) <= SAMPLED
    own = [item.pk for item in items]
    assert set(sample) <= set(own)
    quarters = np.histogram(sample, bins=4, range=(own[0], own[-1]))[0]
    assert quarters.min() > 0.2 * len(sample)


def test_numbers_are_drawn_one_from_each_stretch() -> None:
    drawn = np.array(drawn_numbers(1, 10 * SAMPLED))
    assert_allclose((drawn - 1) // 10, np.arange(SAMPLED))


@pytest.mark.django_db
def test_of_few_items_all_are_taken_however_far_apart() -> None:
    space, items = make_space(2), make_items(60)
    Item.objects.filter(pk=items[0].pk).update(id=items[0].pk - 10**6)
    items[0].pk -= 10**6
    fill(space, items, clustered(60, 2))
    assert sampled_items(space) == [item.pk for item in items]


@pytest.mark.django_db
def test_a_filled_encoder_is_measured_by_itself_and_again_when_it_has_doubled() -> None:
    space = filled(60)
    measure_weak_lines()
    space.refresh_from_db()
    first = space.weak_below
    assert first is not None
    assert encoders_to_measure() == []
    fill(space, make_items(300), clustered(300, 16, seed=9))
    assert encoders_to_measure() == [space]
    measure_weak_lines()
    space.refresh_from_db()
    assert space.weak_below != first


@pytest.mark.django_db
def test_an_encoder_is_not_measured_while_a_job_fills_it() -> None:
    space = filled(60)
    job = EmbeddingJob.objects.create(encoder=space, scope=EmbeddingJob.Scope.MISSING)
    assert encoders_to_measure() == []
    EmbeddingJob.objects.filter(pk=job.pk).update(state=EmbeddingJob.State.COMPLETED)
    assert encoders_to_measure() == [space]


@pytest.mark.django_db
def test_the_command_measures_anew_and_says_what_it_found() -> None:
    space, small, empty = filled(60), filled(10), make_space(4)
    Encoder.objects.update(weak_below=0.123)
    out = StringIO()
    call_command("measure_weak", stdout=out)
    space.refresh_from_db()
    assert space.weak_below not in (None, 0.123)
    assert f"{space.slug}: weak below {space.weak_below:.4f}" in out.getvalue()
    for few in (small, empty):
        few.refresh_from_db()
        assert few.weak_below is None
        assert f"{few.slug}: not measured: fewer than 50 vectors" in out.getvalue()


@pytest.mark.django_db
def test_the_command_names_the_encoders_there_are() -> None:
    space = make_space(4)
    with pytest.raises(CommandError, match=space.slug):
        call_command("measure_weak", encoder="nope")
