"""Runs whose first results are read once more by a reranker."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from embeddings.gpu import SLOT
from embeddings.models import Reranker
from embeddings.rerankers import registry
from embeddings.rerankers.base import RerankerSpec
from evaluation import tasks
from evaluation.engine.run import work_on
from evaluation.models import EvaluationRun
from evaluation.results import ranked_of
from evaluation.run_services import create_run
from evaluation.run_settings import EvaluationError, RunSettings
from groundtruth.models import TruthSet
from itembank.models import Item
from tests.embeddings import scripted_reranker
from tests.embeddings.scripted_reranker import NAME, PLACE, Script
from tests.embeddings.spaces import clustered, fill, make_space
from tests.factories import make_image, make_item
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db
COUNT = 6


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    monkeypatch.setitem(registry._BACKENDS, NAME, PLACE)
    fresh = Script()
    monkeypatch.setattr(scripted_reranker, "SCRIPT", fresh)
    yield fresh


@pytest.fixture
def items() -> list[Item]:
    """The reranker likes the later ones better."""
    return [make_item(text=f"0.{place} 문항") for place in range(COUNT)]


@pytest.fixture
def encoder(items: list[Item]) -> str:
    space = make_space(4)
    fill(space, items, clustered(COUNT, 4))
    return space.slug


@pytest.fixture
def truth(items: list[Item]) -> TruthSet:
    made = make_truth_set(name="truth")
    for place in range(2):
        make_pair(make_query(made, items[place]), items[place + 1], relevance=3)
    return made


@pytest.fixture
def reranker() -> Reranker:
    spec = RerankerSpec(NAME, "scripted for runs", "1", "Judge.", precision="fp32")
    fields = {name: getattr(spec, name) for name in Reranker.SPEC_FIELDS} | {"options": {}}
    return Reranker.objects.create(slug="scripted", name="Scripted", fingerprint=spec.fingerprint(), **fields)


def reranked(truth: TruthSet, encoder: str, **settings: int) -> EvaluationRun:
    asked = RunSettings(encoders=(encoder,), reranker="scripted", **{"rerank_top": 5, "depth": 10} | settings)  # type: ignore[arg-type]
    return create_run(truth_set=truth, settings=asked)


def finished(run: EvaluationRun) -> EvaluationRun:
    work_on(run.pk)
    run.refresh_from_db()
    assert run.state == "completed", run.error
    return run


def test_results_are_in_the_order_of_the_reranker(
    truth: TruthSet, encoder: str, reranker: Reranker, items: list[Item]
) -> None:
    run = finished(reranked(truth, encoder))
    assert ranked_of(run)[f"Q_{items[0].code}"] == [str(items[place].pk) for place in (5, 4, 3, 2, 1)]
    assert run.configuration["fingerprints"]["reranker scripted"] == reranker.fingerprint


def test_results_beyond_the_reranked_stay_behind_them(
    truth: TruthSet, encoder: str, reranker: Reranker, items: list[Item]
) -> None:
    plain = finished(create_run(truth_set=truth, settings=RunSettings(encoders=(encoder,))))
    query = f"Q_{items[0].code}"
    run = finished(reranked(truth, encoder, rerank_top=2))
    before, after = ranked_of(plain)[query], ranked_of(run)[query]
    assert after[2:] == before[2:]
    assert set(after[:2]) == set(before[:2])


def test_two_reranked_runs_are_the_same(truth: TruthSet, encoder: str, reranker: Reranker) -> None:
    first, second = (finished(reranked(truth, encoder)) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    assert ranked_of(first) == ranked_of(second)


def test_a_precision_that_was_left_to_the_first_use_is_frozen_with_the_run(
    truth: TruthSet, encoder: str, reranker: Reranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    Reranker.objects.filter(pk=reranker.pk).update(precision="auto", fingerprint="0" * 64)
    run = reranked(truth, encoder)
    before = run.fingerprint
    finished(run)
    reranker.refresh_from_db()
    assert run.configuration["fingerprints"]["reranker scripted"] == reranker.fingerprint != "0" * 64
    assert run.fingerprint != before
    assert reranked(truth, encoder).fingerprint == run.fingerprint


def test_a_query_whose_picture_is_broken_finds_nothing_and_the_others_go_on(
    truth: TruthSet, encoder: str, reranker: Reranker, items: list[Item]
) -> None:
    image = make_image(items[0])
    image.file.storage.delete(image.file.name)
    run = finished(reranked(truth, encoder))
    asked = run.rankings.get(query__item=items[0])
    assert (asked.items, asked.reason) == ([], "broken-image")
    assert run.rankings.exclude(items=[]).count() == 1


def test_a_query_of_a_person_comes_before_a_run(
    truth: TruthSet, encoder: str, reranker: Reranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []
    in_turn = SLOT._in_turn

    def telling(*args: Any, urgent: bool) -> Any:
        told.append(urgent)
        return in_turn(*args, urgent=urgent)

    monkeypatch.setattr(SLOT, "_in_turn", telling)
    finished(reranked(truth, encoder))
    assert told and not any(told)


def test_more_results_than_a_search_reranks_are_refused(truth: TruthSet, encoder: str, reranker: Reranker) -> None:
    with pytest.raises(EvaluationError, match="rerank_top is 101"):
        reranked(truth, encoder, rerank_top=101, depth=200)


def test_a_worker_gives_runs_one_of_its_threads(truth: TruthSet, encoder: str, reranker: Reranker) -> None:
    """The others are for the queries that people wait for."""
    run = reranked(truth, encoder)
    with tasks._at_work:
        other = threading.Thread(target=tasks.run_evaluation, args=(run.pk,))
        other.start()
        other.join(10)
        assert not other.is_alive()
    run.refresh_from_db()
    assert run.state == "waiting"


def test_the_end_of_a_reranked_run_rings_for_the_next(
    truth: TruthSet, encoder: str, reranker: Reranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(tasks, "ring", lambda run: rung.append(run.pk))
    first, second = reranked(truth, encoder), reranked(truth, encoder, depth=20)
    tasks.run_evaluation(first.pk)
    assert rung == [second.pk]
