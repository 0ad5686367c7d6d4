"""Building truth sets: what a build ends with, however it ends, and the command that makes one."""

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import numpy as np
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from groundtruth import build_run
from groundtruth.build_dispatch import start_build
from groundtruth.build_run import run_build
from groundtruth.build_tasks import sweep_builds
from groundtruth.builds import BuildError, BuildPlan, build_again, cancel_build, create_build, silent_builds
from groundtruth.models import TruthSet
from groundtruth.set_services import SetError
from itembank.alone import Work
from itembank.embedded import EmbeddedServices
from itembank.models import Item
from itembank.processes import running_worker
from tests.embeddings.spaces import fill, make_items, make_space
from tests.factories import make_image, make_item
from tests.groundtruth.factories import make_pair, make_query, make_truth_set
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db
State = TruthSet.State

TEXTS = (
    "시장에서 사과 세 개를 샀다", "시장에서 사과 세 개를 샀다", "시장에서 사과 네 개를 먹었다",
    "물체의 가속도를 구하시오", "물체의 속력을 구하시오",
)  # fmt: skip
TFIDF = BuildPlan(method="tfidf", scope="bank")


def make_bank() -> list[Item]:
    return [make_item(code=f"B-{number}", text=text) for number, text in enumerate(TEXTS)]


def built(plan: BuildPlan = TFIDF, name: str = "words") -> TruthSet:
    truth_set = create_build(name=name, plan=plan)
    run_build(truth_set.pk)
    truth_set.refresh_from_db()
    return truth_set


def pairs(truth_set: TruthSet) -> dict[tuple[str, str], int | None]:
    rows = truth_set.pairs.values_list("query__item__code", "item__code", "relevance")
    return {(query, item): relevance for query, item, relevance in rows}


def command(*options: str) -> str:
    output = StringIO()
    call_command("build_truth", *options, stdout=output)
    return output.getvalue()


@pytest.fixture
def eager_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is a sign of life."""
    monkeypatch.setattr(build_run, "BEAT_SECONDS", 0)


# ---- what is built


def test_every_item_with_words_is_a_query() -> None:
    make_bank()
    make_item(code="B-9", text="")
    truth_set = built()
    assert list(truth_set.queries.values_list("query_id", flat=True)) == [f"Q_B-{number}" for number in range(5)]
    assert (truth_set.state, truth_set.done) == (State.READY, truth_set.total)


def test_relevance_follows_from_the_cosine() -> None:
    make_bank()
    truth_set = built()
    found = pairs(truth_set)
    assert found["B-0", "B-1"] == 3
    assert ("B-0", "B-3") not in found
    thresholds = TFIDF.thresholds
    for pair in truth_set.pairs.all():
        assert pair.relevance == sum(pair.score >= least for least in thresholds) > 0  # type: ignore[operator]
        assert pair.provenance == {"tfidf": pair.score}


def test_pairs_below_the_lowest_score_are_left_out() -> None:
    make_bank()
    assert set(pairs(built(BuildPlan(method="tfidf", scope="bank", min_score=0.99)))) == {
        ("B-0", "B-1"), ("B-1", "B-0")
    }  # fmt: skip


def test_no_query_has_more_than_the_top() -> None:
    make_bank()
    truth_set = built(BuildPlan(method="tfidf", scope="bank", top=1, min_score=0))
    assert all(query.pairs.count() <= 1 for query in truth_set.queries.all())


def test_drawn_items_are_the_whole_corpus() -> None:
    make_bank()
    truth_set = built(BuildPlan(method="tfidf", scope="selection", quotas={"text_only": 3}, seed=2))
    own = set(truth_set.items.values_list("item__code", flat=True))
    assert len(own) == truth_set.queries.count() == 3
    assert {code for pair in pairs(truth_set) for code in pair} <= own


def test_queries_can_be_drawn_and_compared_with_the_bank() -> None:
    make_bank()
    truth_set = built(BuildPlan(method="tfidf", scope="bank", quotas={"text_only": 2}, min_score=0))
    assert (truth_set.queries.count(), truth_set.items.count()) == (2, 0)
    asked = set(truth_set.queries.values_list("item__code", flat=True))
    assert {item for _query, item in pairs(truth_set)} - asked


def test_a_set_for_a_judge_holds_candidates_without_relevance() -> None:
    items = make_bank()
    space = make_space(2)
    fill(space, items, clustered_pairs())
    plan = BuildPlan(
        method="llm-text", scope="selection", quotas={"text_only": 5}, top=2, candidates=("tfidf", space.slug)
    )
    found = pairs(built(plan))
    assert set(found.values()) == {None}
    assert {("B-0", "B-1"), ("B-0", "B-4")} <= set(found)  # alike in words, and alike in their vectors


def clustered_pairs() -> Any:
    return np.array([[1, 0], [0, 1], [0, 1], [0.6, 0.8], [1, 0.1]], np.float32)


def test_pairs_of_pictures_are_of_items_with_pictures() -> None:
    items = make_bank()
    for item in items[:2]:
        make_image(item)
    truth_set = built(BuildPlan(method="llm-images", scope="selection", quotas={"image": 2}))
    assert pairs(truth_set) == {("B-0", "B-1"): None, ("B-1", "B-0"): None}


def test_two_builds_of_the_same_bank_are_the_same() -> None:
    make_bank()
    first, second = built(), built()
    assert (first.version, second.version) == (1, 2)
    assert list(first.pairs.values_list("query__query_id", "item", "score").order_by("pk")) == list(
        second.pairs.values_list("query__query_id", "item", "score").order_by("pk")
    )


# ---- plans that make no sense


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "manual"}, "not built"),
        ({"top": 0}, "“top” must be from 1 to 50"),
        ({"min_score": 1.5}, "lowest score"),
        ({"min_score": float("nan")}, "lowest score"),
        ({"thresholds": (0.2, 0.4, 0.6)}, "three scores"),
        ({"thresholds": (0.5,)}, "three scores"),
        ({"scope": "selection"}, "how many items"),
    ],
)
def test_a_plan_that_does_not_fit_together_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(BuildError, match=message):
        BuildPlan(**{"method": "tfidf", "scope": "bank", **wrong})


def test_a_name_that_is_being_built_is_refused() -> None:
    make_bank()
    create_build(name="words", plan=TFIDF)
    with pytest.raises(BuildError, match="“words” is being built"):
        create_build(name="words", plan=TFIDF)
    assert TruthSet.objects.count() == 1


def test_an_unknown_encoder_is_refused_before_anything_is_made() -> None:
    make_bank()
    with pytest.raises(SetError, match="no source of candidates “kure”"):
        create_build(name="words", plan=BuildPlan(method="llm-text", scope="bank", candidates=("kure",)))
    assert not TruthSet.objects.exists()


def test_an_empty_bank_is_refused() -> None:
    with pytest.raises(BuildError, match="no such items"):
        create_build(name="words", plan=TFIDF)


# ---- builds that do not go through


class Interrupted(BaseException):
    """Ends a build as a signal would: nothing in it may catch this."""


def interrupt(done: int, total: int) -> None:
    if done:
        raise Interrupted


def test_an_interrupted_build_leaves_nothing_and_begins_anew(eager_heart: None) -> None:
    make_bank()
    truth_set = create_build(name="words", plan=TFIDF)
    with pytest.raises(Interrupted):
        run_build(truth_set.pk, progress=interrupt)
    truth_set.refresh_from_db()
    assert (truth_set.state, truth_set.queries.count(), truth_set.pairs.count()) == (State.BUILDING, 0, 0)
    run_build(truth_set.pk)
    truth_set.refresh_from_db()
    assert (truth_set.state, truth_set.queries.count()) == (State.READY, 5)


def test_a_doubled_message_does_nothing() -> None:
    make_bank()
    truth_set = built()
    before = list(truth_set.pairs.values())
    run_build(truth_set.pk)
    run_build(truth_set.pk + 1)
    assert list(truth_set.pairs.values()) == before


def test_a_cancelled_build_stops_and_leaves_nothing(eager_heart: None) -> None:
    make_bank()
    truth_set = create_build(name="words", plan=TFIDF)
    told: list[int] = []

    def cancel(done: int, total: int) -> None:
        told.append(done)
        if done == 3:
            cancel_build(truth_set=truth_set)

    run_build(truth_set.pk, progress=cancel)
    truth_set.refresh_from_db()
    assert (truth_set.state, truth_set.queries.count(), max(told)) == (State.CANCELLED, 0, 3)


def test_a_build_that_was_cancelled_can_begin_again() -> None:
    make_bank()
    truth_set = create_build(name="words", plan=TFIDF)
    cancel_build(truth_set=truth_set)
    run_build(build_again(truth_set=truth_set).pk)
    truth_set.refresh_from_db()
    assert truth_set.state == State.READY


def test_a_set_that_is_ready_is_neither_cancelled_nor_built_again() -> None:
    make_bank()
    truth_set = built()
    with pytest.raises(BuildError, match="is not being built"):
        cancel_build(truth_set=truth_set)
    with pytest.raises(BuildError, match="no build that failed"):
        build_again(truth_set=truth_set)


def test_a_failed_build_says_why() -> None:
    items = make_bank()
    space = make_space(2)
    fill(space, items[:2], clustered_pairs()[:2])
    truth_set = built(BuildPlan(method="llm-text", scope="bank", candidates=(space.slug,)))
    assert (truth_set.state, truth_set.pairs.count()) == (State.FAILED, 0)
    assert "3 items of the truth set have no vector" in truth_set.error


def test_items_deleted_during_a_build_fail_it_with_the_reason(eager_heart: None) -> None:
    items = make_bank()
    truth_set = create_build(name="words", plan=TFIDF)

    def delete(done: int, total: int) -> None:
        if done == total:
            Item.objects.filter(pk=items[0].pk).delete()

    run_build(truth_set.pk, progress=delete)
    truth_set.refresh_from_db()
    assert (truth_set.state, truth_set.queries.count()) == (State.FAILED, 0)
    assert "Items were deleted" in truth_set.error


def test_a_build_over_which_workers_die_is_given_up(eager_heart: None) -> None:
    make_bank()
    truth_set = create_build(name="words", plan=TFIDF)
    for _death in range(build_run.MAX_ATTEMPTS):
        with pytest.raises(Interrupted):
            run_build(truth_set.pk, progress=interrupt)
    run_build(truth_set.pk)
    truth_set.refresh_from_db()
    assert (truth_set.state, truth_set.error) == (State.FAILED, "The worker died 3 times over this build.")


def test_silent_builds_are_those_without_a_sign_of_life() -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    silent = make_truth_set(method="tfidf", state="building", heartbeat_at=long_ago)
    make_truth_set(method="tfidf", state="building", heartbeat_at=timezone.now())
    make_truth_set(method="hybrid", state="building", heartbeat_at=long_ago)
    make_truth_set(method="tfidf", state="ready", heartbeat_at=long_ago)
    assert list(silent_builds(seconds=30)) == [silent]


@pytest.mark.fault
@pytest.mark.django_db(transaction=True)
def test_a_build_whose_worker_is_killed_is_done_by_the_next(embedded_services: EmbeddedServices, settings: Any) -> None:
    settings.SWEEP_SECONDS = 0
    make_items(6000)
    with cpu_worker(embedded_services) as process:
        truth_set = start_build(name="words", plan=TFIDF)
        wait_until(lambda: fresh(truth_set).done > 0)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    wait_until(lambda: not _locked(truth_set.pk))
    killed = fresh(truth_set)
    assert (killed.state, killed.queries.count()) == (State.BUILDING, 0)
    with cpu_worker(embedded_services):
        sweep_builds()
        wait_until(lambda: fresh(truth_set).state != State.BUILDING, seconds=120)
    assert (fresh(truth_set).state, truth_set.queries.count()) == (State.READY, 6000)


def test_two_processes_do_not_build_the_same_set() -> None:
    make_bank()
    truth_set = create_build(name="words", plan=TFIDF)
    with other_session() as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", [Work.TRUTH_BUILD, truth_set.pk])
        run_build(truth_set.pk)
        truth_set.refresh_from_db()
        assert (truth_set.state, truth_set.attempts) == (State.BUILDING, 0)


def cpu_worker(services: EmbeddedServices) -> Any:
    database = f"{services.database_url.rpartition('/')[0]}/{connection.settings_dict['NAME']}"
    return running_worker("cpu", {"DATABASE_URL": database, "CELERY_BROKER_URL": services.broker_url})


def fresh(truth_set: TruthSet) -> TruthSet:
    return TruthSet.objects.get(pk=truth_set.pk)


def _locked(set_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", [set_id])
        return cursor.fetchone() is not None


def other_session() -> psycopg.Connection[Any]:
    return psycopg.connect(connection.connection.info.dsn, password=connection.connection.info.password)


# ---- the command


def test_the_command_builds_and_counts() -> None:
    make_bank()
    told = command("--method", "tfidf", "--name", "words")
    assert "“words v1”" in told and "5 queries" in told
    assert "3 Very similar" in told


def test_the_command_says_that_a_judge_must_be_asked() -> None:
    make_bank()
    told = command("--method", "llm-text", "--name", "judged", "--items", "text_only=4")
    truth_set = TruthSet.objects.get()
    assert f"manage.py judge_truth --set {truth_set.pk}" in told
    assert (truth_set.scope, truth_set.items.count()) == ("selection", 4)


def test_a_paid_method_takes_no_bank_unless_told_to() -> None:
    make_bank()
    with pytest.raises(CommandError, match="fewer items than asked"):
        command("--method", "llm-text", "--name", "judged")
    assert not TruthSet.objects.exists()


def test_the_command_takes_what_there_is_when_told_to() -> None:
    make_bank()
    command("--method", "llm-text", "--name", "judged", "--take-all")
    assert TruthSet.objects.get().queries.count() == 5


def test_the_command_fails_where_the_build_does() -> None:
    items = make_bank()
    space = make_space(2)
    fill(space, items[:1], clustered_pairs()[:1])
    with pytest.raises(CommandError, match=r"judged v1: Failed\. 4 items of the truth set"):
        command("--method", "llm-text", "--name", "judged", "--scope", "bank", "--candidates", space.slug)


@pytest.mark.parametrize(
    "options",
    [("--items", "photo=3"), ("--top", "0"), ("--thresholds", "1,2,3"), ("--min-score", "-1")],
)
def test_options_that_make_no_sense_make_nothing(options: tuple[str, ...]) -> None:
    make_bank()
    with pytest.raises(CommandError):
        command("--method", "tfidf", "--name", "words", *options)
    assert not TruthSet.objects.exists()


@pytest.fixture
def agreeing() -> Iterator[list[TruthSet]]:
    """Two sets that agree on one of their pairs."""
    items = make_bank()
    sets = [make_truth_set(name="ours"), make_truth_set(name="theirs")]
    for truth_set, candidate in zip(sets, items[2:4], strict=True):
        query = make_query(truth_set, items[0])
        make_pair(query, items[1], relevance=3)
        make_pair(query, candidate, relevance=2)
    yield sets


def test_a_hybrid_is_what_the_sets_agree_on(agreeing: list[TruthSet]) -> None:
    command("--method", "hybrid", "--name", "both", "--sets", f"ours,{agreeing[1].pk}")
    assert pairs(TruthSet.objects.get(name="both")) == {("B-0", "B-1"): 3}


def test_a_hybrid_by_vote_takes_weights(agreeing: list[TruthSet]) -> None:
    command("--method", "hybrid", "--name", "both", "--sets", "ours,theirs v1", "--combine", "vote", "--weights", "3,1")
    relevant = {pair for pair, value in pairs(TruthSet.objects.get(name="both")).items() if value}
    assert relevant == {("B-0", "B-1"), ("B-0", "B-2")}


def test_sets_that_are_not_there_are_named(agreeing: list[TruthSet]) -> None:
    for name in ("nobody", "ours v7", "999999"):
        with pytest.raises(CommandError, match=f"no truth set “{name}”"):
            command("--method", "hybrid", "--name", "both", "--sets", f"ours,{name}")
