"""Evaluation runs on stored vectors: what they ask, what they find, how they stop and go on."""

from typing import Any

import numpy as np
import pytest

from embeddings.encoders.base import Modality
from embeddings.models import Encoder
from evaluation import run_services
from evaluation.engine import run as engine
from evaluation.engine.queries import judged
from evaluation.engine.run import work_on
from evaluation.engine.vectors import sides
from evaluation.figures import figures_of
from evaluation.models import EvaluationRun, QueryRanking
from evaluation.results import results_of
from evaluation.run_services import cancel_run, create_run, resume_run, same_run
from evaluation.run_settings import EvaluationError, RunSettings
from groundtruth.models import TruthSet
from itembank.models import Item
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db

COUNT = 12


@pytest.fixture
def items() -> list[Item]:
    return make_items(COUNT)


@pytest.fixture
def encoder(items: list[Item]) -> Encoder:
    space = make_space(6)
    fill(space, items, clustered(COUNT, 6))
    return space


@pytest.fixture
def truth(items: list[Item]) -> TruthSet:
    """The first four items ask; to each, the next two are relevant."""
    made = make_truth_set(name="truth")
    for place in range(4):
        query = make_query(made, items[place])
        make_pair(query, items[place + 1], relevance=3)
        make_pair(query, items[place + 2], relevance=1)
        make_pair(query, items[place + 3], relevance=0)
    return made


def finished(truth: TruthSet, **settings: Any) -> EvaluationRun:
    run = create_run(truth_set=truth, settings=RunSettings(**settings))
    work_on(run.pk)
    run.refresh_from_db()
    assert run.state == "completed", run.error
    return run


def ranking(run: EvaluationRun, item: Item) -> list[int]:
    return list(run.rankings.get(query__item=item).items)


def test_a_run_ranks_the_whole_corpus_by_cosine_without_the_query_itself(
    truth: TruthSet, encoder: Encoder, items: list[Item]
) -> None:
    run = finished(truth, encoders=(encoder.slug,), depth=5)
    vectors = clustered(COUNT, 6).astype(np.float16).astype(np.float64)
    cosines = vectors @ vectors[0] / np.linalg.norm(vectors, axis=1)
    order = [place for place in np.argsort(-cosines) if place != 0][:5]
    assert ranking(run, items[0]) == [items[place].pk for place in order]


def test_scores_are_stored_beside_the_items(truth: TruthSet, encoder: Encoder) -> None:
    stored = finished(truth, encoders=(encoder.slug,)).rankings.first()
    assert stored is not None
    assert len(stored.scores) == len(stored.items) == COUNT - 1
    assert stored.scores == sorted(stored.scores, reverse=True)


def test_words_alone_are_ranked_by_bm25(items: list[Item]) -> None:
    Item.objects.filter(pk=items[5].pk).update(text="주사위 두 개를 던질 때 눈의 합이 7일 확률")
    Item.objects.filter(pk=items[8].pk).update(text="주사위를 한 번 던질 때 짝수의 눈이 나올 확률")
    truth = make_truth_set()
    make_pair(make_query(truth, items[5]), items[8], relevance=3)
    run = finished(truth, method="lexical")
    assert ranking(run, items[5])[0] == items[8].pk


@pytest.mark.parametrize("method", ["hybrid", "rrf"])
def test_fused_methods_rank_what_either_signal_finds(method: str, truth: TruthSet, encoder: Encoder) -> None:
    run = finished(truth, method=method, encoders=(encoder.slug,))
    assert all(len(each.items) == COUNT - 1 for each in run.rankings.all())


def test_a_hybrid_that_is_all_dense_is_the_dense_ranking(truth: TruthSet, encoder: Encoder, items: list[Item]) -> None:
    dense = finished(truth, encoders=(encoder.slug,))
    hybrid = finished(truth, method="hybrid", alpha=1.0, encoders=(encoder.slug,))
    assert ranking(hybrid, items[0])[:5] == ranking(dense, items[0])[:5]


def test_an_ensemble_weighs_its_encoders(truth: TruthSet, encoder: Encoder, items: list[Item]) -> None:
    other = make_space(4)
    fill(other, items, clustered(COUNT, 4, seed=9))
    alone = finished(truth, encoders=(other.slug,))
    run = finished(truth, method="ensemble", encoders=(encoder.slug, other.slug), weights=(0.001, 1.0))
    assert ranking(run, items[0])[:4] == ranking(alone, items[0])[:4]


def test_a_truth_of_chosen_items_searches_those_only(truth: TruthSet, encoder: Encoder, items: list[Item]) -> None:
    TruthSet.objects.filter(pk=truth.pk).update(scope="selection")
    truth.items.bulk_create(truth.items.model(truth_set=truth, item=item) for item in items[:7])
    truth.refresh_from_db()
    own, bank = (finished(truth, encoders=(encoder.slug,), scope=scope) for scope in ("truth", "bank"))
    assert (own.corpus_items, bank.corpus_items) == (7, COUNT)
    assert set(ranking(own, items[0])) == {item.pk for item in items[1:7]}


def test_a_run_freezes_its_truth(truth: TruthSet, encoder: Encoder) -> None:
    run = create_run(truth_set=truth, settings=RunSettings(encoders=(encoder.slug,)))
    truth.refresh_from_db()
    assert truth.frozen
    assert run.configuration["fingerprints"]["truth"] == truth.fingerprint


def test_equal_settings_give_equal_rankings_and_fingerprints(truth: TruthSet, encoder: Encoder) -> None:
    first, second = (finished(truth, encoders=(encoder.slug,)) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    assert same_run(second) == first
    rows = [list(run.rankings.order_by("query").values_list("items", "scores")) for run in (first, second)]
    assert rows[0] == rows[1]


def test_a_run_that_was_cut_goes_on_behind_what_it_has(
    truth: TruthSet, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BLOCK_QUERIES", 1)
    run = create_run(truth_set=truth, settings=RunSettings(encoders=(encoder.slug,)))
    told: list[int] = []

    def cut(done: int, total: int) -> None:
        told.append(done)
        if done == 2:
            cancel_run(run=run)

    work_on(run.pk, progress=cut)
    assert QueryRanking.objects.filter(run=run).count() == 2
    resume_run(run=run)
    work_on(run.pk)
    run.refresh_from_db()
    assert (run.state, run.done) == ("completed", 4)


def test_a_worker_whose_time_is_up_leaves_the_rest_but_gets_on(
    truth: TruthSet, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a large bank may take longer than the slice of time that a worker has."""
    monkeypatch.setattr(engine, "BLOCK_QUERIES", 1)
    run = create_run(truth_set=truth, settings=RunSettings(encoders=(encoder.slug,)))
    assert [work_on(run.pk, until=0) for _slice in range(4)] == [True, True, True, False]
    run.refresh_from_db()
    assert (run.state, run.done) == ("completed", 4)


def test_runs_over_other_vectors_of_the_same_items_are_not_the_same(
    truth: TruthSet, encoder: Encoder, items: list[Item]
) -> None:
    encoder.embeddings.filter(item=items[1]).delete()
    half = finished(truth, encoders=(encoder.slug,))
    assert half.configuration["fingerprints"][f"vectors {encoder.slug}"].startswith("11/12 ")
    fill(encoder, items[1:2], clustered(1, 6))
    assert finished(truth, encoders=(encoder.slug,)).fingerprint != half.fingerprint


def test_an_item_that_asks_and_is_not_searched_is_in_the_fingerprint(
    truth: TruthSet, encoder: Encoder, items: list[Item]
) -> None:
    Item.objects.filter(pk__in=[item.pk for item in items[:4]]).update(category="image")
    asked = {"method": "lexical", "corpus": "text-only"}
    before = create_run(truth_set=truth, settings=RunSettings(**asked))  # type: ignore[arg-type]
    Item.objects.filter(pk=items[0].pk).update(content_hash="0" * 64)
    assert create_run(truth_set=truth, settings=RunSettings(**asked)).fingerprint != before.fingerprint  # type: ignore[arg-type]


def test_a_vector_that_comes_in_ends_a_run_instead_of_mixing_two(
    truth: TruthSet, encoder: Encoder, items: list[Item]
) -> None:
    encoder.embeddings.filter(item=items[1]).delete()
    run = create_run(truth_set=truth, settings=RunSettings(encoders=(encoder.slug,)))
    fill(encoder, items[1:2], clustered(1, 6))
    work_on(run.pk)
    run.refresh_from_db()
    assert run.state == "failed"
    assert f"vectors {encoder.slug}" in run.error


def test_an_edited_bank_ends_a_run_instead_of_mixing_two(truth: TruthSet, encoder: Encoder, items: list[Item]) -> None:
    run = create_run(truth_set=truth, settings=RunSettings(encoders=(encoder.slug,)))
    Item.objects.filter(pk=items[3].pk).update(content_hash="0" * 64)
    work_on(run.pk)
    run.refresh_from_db()
    assert run.state == "failed"
    assert "Start anew" in run.error


def test_a_worker_that_dies_over_and_over_fails_the_run(truth: TruthSet, encoder: Encoder) -> None:
    run = create_run(truth_set=truth, settings=RunSettings(encoders=(encoder.slug,)))
    EvaluationRun.objects.filter(pk=run.pk).update(attempts=engine.MAX_ATTEMPTS)
    work_on(run.pk)
    run.refresh_from_db()
    assert run.state == "failed"


def test_an_item_without_a_vector_is_never_found(truth: TruthSet, encoder: Encoder, items: list[Item]) -> None:
    encoder.embeddings.filter(item=items[1]).delete()
    run = finished(truth, encoders=(encoder.slug,))
    assert items[1].pk not in ranking(run, items[0])
    asked = run.rankings.get(query__item=items[1])
    assert (asked.items, asked.reason) == ([], "found-nothing")


def test_a_query_that_found_nothing_counts_as_zero(truth: TruthSet, encoder: Encoder, items: list[Item]) -> None:
    encoder.embeddings.filter(item=items[1]).delete()
    results = results_of(finished(truth, encoders=(encoder.slug,)), ["RR"])
    place = results.per_query.queries.index(f"Q_{items[1].code}")
    assert len(results.per_query.queries) == 4
    assert results.per_query.values["RR"][place] == 0


def test_queries_without_a_relevant_item_are_left_out_and_counted(
    truth: TruthSet, encoder: Encoder, items: list[Item]
) -> None:
    make_pair(make_query(truth, items[9]), items[10], relevance=0)
    results = results_of(finished(truth, encoders=(encoder.slug,)), ["RR"])
    assert results.per_query.left_out == (f"Q_{items[9].code}",)


def test_the_seed_of_a_run_decides_its_intervals_wherever_they_are_shown(truth: TruthSet, encoder: Encoder) -> None:
    first, second = (finished(truth, encoders=(encoder.slug,), seed=seed) for seed in (1, 2))
    assert figures_of(first).intervals["AP"] != figures_of(second).intervals["AP"]
    assert results_of(second).intervals["AP"] == figures_of(second).intervals["AP"]


def test_pairs_outside_of_the_corpus_do_not_count_against_a_run(truth: TruthSet, items: list[Item]) -> None:
    Item.objects.filter(pk=items[1].pk).update(category="image")
    asked = judged(truth, RunSettings(method="lexical", corpus="text-only"))
    assert asked[f"Q_{items[0].code}"] == {str(items[2].pk): 1, str(items[3].pk): 0}


def test_a_constant_scorer_gets_no_luck_from_the_order_of_the_rows(items: list[Item]) -> None:
    """Relevant items have the last codes; with equal scores all that decides is the code, so they come last."""
    space = make_space(3)
    fill(space, items, np.ones((COUNT, 3), np.float32))
    truth = make_truth_set()
    make_pair(make_query(truth, items[0]), items[-1], relevance=3)
    run = finished(truth, encoders=(space.slug,))
    assert ranking(run, items[0])[-1] == items[-1].pk
    assert results_of(run, ["R@10"]).per_query.mean("R@10") == 0


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_are_numbers_above_0(weight: float) -> None:
    with pytest.raises(EvaluationError, match="one weight above 0"):
        RunSettings(method="ensemble", encoders=("a", "b"), weights=(1.0, weight))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"encoders": ("nobody",)}, "There is no “nobody”"),
        ({"reranker": "nobody"}, "There is no “nobody”"),
        ({"query_view": "image"}, "no stored vectors of the image"),
        ({"query_view": "image", "method": "hybrid"}, "cannot be asked by words"),
    ],
)
def test_what_cannot_be_asked_is_said(truth: TruthSet, encoder: Encoder, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(EvaluationError, match=words):
        create_run(truth_set=truth, settings=RunSettings(**{"encoders": (encoder.slug,), **asked}))


def test_of_two_encoders_that_could_ask_the_one_with_vectors_does(items: list[Item]) -> None:
    both = make_space(4, modality=Modality.MULTIMODAL)
    same = {name: getattr(both, name) for name in ("model_id", "revision", "dimensions")}
    empty, filled = (make_space(4) for _ in range(2))
    Encoder.objects.filter(pk__in=[empty.pk, filled.pk]).update(**same)
    fill(filled, items, clustered(COUNT, 4))
    assert sides(both, "text") == (both, filled)


def test_an_encoder_without_vectors_is_refused(truth: TruthSet) -> None:
    with pytest.raises(EvaluationError, match="no vectors yet"):
        create_run(truth_set=truth, settings=RunSettings(encoders=(make_space(3).slug,)))


def test_a_truth_without_a_relevant_pair_is_refused(encoder: Encoder) -> None:
    with pytest.raises(EvaluationError, match="no relevant pair"):
        create_run(truth_set=make_truth_set(), settings=RunSettings(encoders=(encoder.slug,)))


def test_only_an_unfinished_run_is_cancelled(truth: TruthSet, encoder: Encoder) -> None:
    run = finished(truth, encoders=(encoder.slug,))
    with pytest.raises(EvaluationError, match="has ended"):
        cancel_run(run=run)


def test_silent_runs_are_found_by_the_sweep(truth: TruthSet, encoder: Encoder) -> None:
    run = create_run(truth_set=truth, settings=RunSettings(encoders=(encoder.slug,)))
    assert run not in run_services.silent_runs()
    EvaluationRun.objects.filter(pk=run.pk).update(created_at="2020-01-01T00:00:00Z")
    assert run in run_services.silent_runs()
