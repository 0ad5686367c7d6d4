"""Truth sets: versions, freezing, copies, deletion, and pairs by hand."""

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from groundtruth.models import (
    Change,
    Judgement,
    JudgeQuestion,
    LedgerEntry,
    ReviewPair,
    ReviewRound,
    TruthPair,
    TruthSet,
)
from groundtruth.review_rounds import close_round, create_round
from groundtruth.set_services import (
    SetError,
    SetFrozenError,
    add_pair,
    create_set,
    delete_set,
    freeze_set,
    lock_for_writing,
    new_version,
    set_relevance,
)
from tests.factories import make_item, make_staff
from tests.groundtruth.factories import make_judge_job, make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db


def a_full_set(**fields: Any) -> TruthSet:
    """Two queries, one of them with three pairs: judged, approved otherwise, and not judged."""
    truth_set = make_truth_set(**fields)
    query = make_query(truth_set)
    make_query(truth_set)
    make_pair(query, relevance=3, score=0.8, provenance={"tfidf": 0.8})
    make_pair(query, relevance=0, approved_relevance=2)
    make_pair(query)
    return truth_set


def frozen(truth_set: TruthSet) -> TruthSet:
    return freeze_set(truth_set=truth_set, user=None)


def test_a_name_that_exists_gets_the_next_version() -> None:
    create_set(name="unit", method="manual", scope="bank")
    second = create_set(name=" unit ", method="manual", scope="bank", user=make_staff())
    assert str(second) == "unit v2"


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "n" * 101, "nul\0"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(SetError):
        create_set(name=name, method="manual", scope="bank")


def test_a_selection_keeps_its_items_once() -> None:
    items = [make_item(), make_item()]
    ids = [items[1].pk, items[0].pk, items[0].pk]
    truth_set = create_set(name="chosen", method="manual", scope="selection", item_ids=ids)
    assert set(truth_set.items.values_list("item_id", flat=True)) == {each.pk for each in items}
    assert truth_set.items.count() == 2


@pytest.mark.parametrize(("scope", "item_ids"), [("selection", None), ("bank", [])])
def test_items_belong_to_a_selection_and_to_no_other_scope(scope: str, item_ids: list[int] | None) -> None:
    with pytest.raises(ValueError, match="item_ids"):
        create_set(name="wrong", method="manual", scope=scope, item_ids=item_ids)


def test_freezing_fills_in_who_when_and_the_fingerprint_and_is_recorded() -> None:
    user = make_staff()
    truth_set = freeze_set(truth_set=a_full_set(), user=user)
    assert truth_set.frozen
    assert truth_set.frozen_by == user
    assert len(truth_set.fingerprint) == 64
    change = Change.objects.get(action="freeze")
    assert (change.truth_set, change.user, change.new) == (truth_set, user, {"fingerprint": truth_set.fingerprint})


def test_the_fingerprint_does_not_depend_on_the_order_of_entry_or_on_unjudged_candidates() -> None:
    items = [make_item() for _ in range(3)]
    sets = [make_truth_set(), make_truth_set()]
    for truth_set, order in zip(sets, (items[1:], items[:0:-1]), strict=True):
        query = make_query(truth_set, items[0])
        for item in order:
            make_pair(query, item, relevance=2)
    make_pair(sets[1].queries.get())
    assert frozen(sets[0]).fingerprint == frozen(sets[1]).fingerprint


@pytest.mark.parametrize("change", ["relevance", "query", "type"])
def test_the_fingerprint_changes_with_what_the_set_says(change: str) -> None:
    truth_set = a_full_set()
    copy = new_version(truth_set=truth_set, user=None)
    if change == "relevance":
        set_relevance(pair=copy.pairs.filter(relevance=3)[0], relevance=1, user=None)
    elif change == "query":
        make_query(copy)
    else:
        copy.queries.update(query_type="other")
    assert frozen(truth_set).fingerprint != frozen(copy).fingerprint


def test_a_set_without_a_relevant_pair_is_not_frozen() -> None:
    truth_set = make_truth_set()
    make_pair(make_query(truth_set), relevance=3, approved_relevance=0)
    with pytest.raises(SetError, match="no relevant pair"):
        frozen(truth_set)


@pytest.mark.parametrize("state", ["building", "failed", "cancelled"])
def test_only_a_set_that_is_ready_is_frozen(state: str) -> None:
    with pytest.raises(SetError, match="not ready"):
        frozen(a_full_set(state=state))


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_set_under_judgement_is_neither_frozen_nor_copied_nor_deleted(state: str) -> None:
    truth_set = a_full_set()
    make_judge_job(truth_set, state=state)
    for forbidden in (freeze_set, new_version, delete_set):
        with pytest.raises(SetError, match="still at work"):
            forbidden(truth_set=truth_set, user=None)


def _writers(truth_set: TruthSet) -> dict[str, Callable[[], object]]:
    pair = truth_set.pairs.all()[0]
    return {
        "freeze": lambda: freeze_set(truth_set=truth_set, user=None),
        "delete": lambda: delete_set(truth_set=truth_set),
        "add": lambda: add_pair(truth_set=truth_set, query_item=make_item(), item=make_item(), relevance=3),
        "relevance": lambda: set_relevance(pair=pair, relevance=1, user=None),
    }


@pytest.mark.parametrize("writer", ["freeze", "delete", "add", "relevance"])
def test_a_frozen_set_never_changes(writer: str) -> None:
    truth_set = frozen(a_full_set())
    with pytest.raises(SetFrozenError, match="Make a new version"):
        _writers(truth_set)[writer]()
    assert TruthPair.objects.filter(truth_set=truth_set, approved_relevance=1).count() == 0


def test_a_new_version_of_a_frozen_set_copies_all_of_it_and_can_change() -> None:
    item = make_item()
    first = create_set(name="unit", method="llm-text", scope="selection", item_ids=[item.pk], guidelines="Look twice.")
    query = make_query(first, item)
    make_pair(query, relevance=3, score=0.8, provenance={"tfidf": 0.8})
    make_pair(query, relevance=0, approved_relevance=2)
    frozen(first)
    second = new_version(truth_set=first, user=make_staff())
    columns = ("query__query_id", "item", "relevance", "score", "approved_relevance", "provenance", "final_relevance")
    assert list(second.pairs.order_by("item").values_list(*columns)) == list(
        first.pairs.order_by("item").values_list(*columns)
    )
    assert list(second.items.values_list("item", flat=True)) == [item.pk]
    assert (second.version, second.previous, second.frozen, second.guidelines) == (2, first, False, "Look twice.")
    assert set_relevance(pair=second.pairs.all()[0], relevance=1, user=None).final_relevance == 1


def test_deleting_a_set_takes_all_of_it_and_leaves_its_trail() -> None:
    truth_set, other = a_full_set(), a_full_set()
    pair = truth_set.pairs.filter(relevance=3)[0]
    set_relevance(pair=pair, relevance=1, user=None)
    Judgement.objects.create(pair=pair, source="model", judge="gpt-4o", relevance=3)
    review = ReviewRound.objects.create(truth_set=truth_set, name="first")
    ReviewPair.objects.create(round=review, pair=pair, position=1)
    job = make_judge_job(truth_set)
    JudgeQuestion.objects.create(job=job, position=1, query=pair.query, pairs=[pair.pk], question_hash="0" * 64)
    delete_set(truth_set=truth_set, user=make_staff())
    connection.check_constraints()
    assert list(TruthSet.objects.all()) == [other]
    assert TruthPair.objects.count() == 3
    trail = Change.objects.order_by("id").values_list("action", "truth_set", "pair", "target")
    expected = [("set-relevance", None, None, f"{pair.query} / {pair.item}"), ("delete", None, None, str(truth_set))]
    assert [tuple(line) for line in trail] == expected


def test_a_set_that_money_was_spent_on_is_not_deleted() -> None:
    truth_set = a_full_set()
    pair = truth_set.pairs.all()[0]
    job = make_judge_job(truth_set, state="completed")
    question = JudgeQuestion.objects.create(
        job=job, position=1, query=pair.query, pairs=[pair.pk], question_hash="0" * 64
    )
    LedgerEntry.objects.create(
        job=job,
        question=question,
        question_hash="0" * 64,
        model="gpt-4o",
        day=timezone.localdate(),
        reserved_usd=Decimal(1),
    )
    with pytest.raises(SetError, match="ledger must stay"):
        delete_set(truth_set=truth_set)


def test_a_pair_by_hand_brings_its_query_and_is_recorded() -> None:
    truth_set, user, item = make_truth_set(), make_staff(), make_item()
    pair = add_pair(truth_set=truth_set, query_item=item, item=make_item(), relevance=2, user=user)
    second = add_pair(truth_set=truth_set, query_item=item, item=make_item(), relevance=0)
    pair.refresh_from_db()
    assert (pair.final_relevance, pair.query.query_id, second.query) == (2, f"Q_{item.code}", pair.query)
    change = Change.objects.filter(action="add-pair").earliest("id")
    assert (change.user, change.new, change.pair) == (user, 2, pair)


def test_a_pair_by_hand_in_a_set_of_another_method_is_approved_at_once() -> None:
    truth_set = make_truth_set(method="tfidf")
    pair = add_pair(truth_set=truth_set, query_item=make_item(), item=make_item(), relevance=2)
    assert (pair.relevance, pair.approved_relevance) == (None, 2)


def test_pairs_that_make_no_sense_are_refused() -> None:
    truth_set, query_item, item = make_truth_set(), make_item(), make_item()
    add_pair(truth_set=truth_set, query_item=query_item, item=item, relevance=2)
    for arguments in (
        {"query_item": query_item, "item": item, "relevance": 2},
        {"query_item": item, "item": item, "relevance": 2},
        {"query_item": item, "item": query_item, "relevance": 4},
    ):
        with pytest.raises(SetError):
            add_pair(truth_set=truth_set, **arguments)  # type: ignore[arg-type]
    assert truth_set.pairs.count() == 1


def test_a_pair_outside_of_the_sets_items_is_refused() -> None:
    inside = make_item()
    truth_set = create_set(name="chosen", method="manual", scope="selection", item_ids=[inside.pk])
    with pytest.raises(SetError, match="not among"):
        add_pair(truth_set=truth_set, query_item=inside, item=make_item(), relevance=2)


def test_an_approved_relevance_wins_is_recorded_and_can_be_taken_back() -> None:
    pair, user = make_pair(make_query(make_truth_set()), relevance=3), make_staff()
    assert set_relevance(pair=pair, relevance=0, user=user).final_relevance == 0
    assert set_relevance(pair=pair, relevance=0, user=user).final_relevance == 0
    assert set_relevance(pair=pair, relevance=None, user=user).final_relevance == 3
    changes = Change.objects.order_by("id").values_list("old", "new", "user", "pair")
    assert list(changes) == [(None, 0, user.pk, pair.pk), (0, None, user.pk, pair.pk)]


def test_the_lock_is_refused_where_it_would_hold_nothing() -> None:
    truth_set = make_truth_set()
    truth_set.delete()
    with pytest.raises(SetError, match="no longer there"), transaction.atomic():
        lock_for_writing(truth_set=TruthSet(pk=0, name="gone"))


@pytest.mark.django_db(transaction=True)
def test_two_who_make_the_same_name_at_once_get_two_versions() -> None:
    versions: list[int] = []

    def make() -> None:
        try:
            versions.append(create_set(name="raced", method="manual", scope="bank").version)
        finally:
            connection.close()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == [1, 2, 3, 4]


@pytest.mark.django_db(transaction=True)
def test_a_set_that_is_being_written_to_is_frozen_only_afterwards() -> None:
    truth_set = a_full_set()

    def freeze() -> None:
        try:
            frozen(truth_set)
        finally:
            connection.close()

    freezing = threading.Thread(target=freeze)
    with transaction.atomic():
        lock_for_writing(truth_set=truth_set)
        freezing.start()
        freezing.join(0.3)
        assert freezing.is_alive()
        TruthPair.objects.filter(truth_set=truth_set, relevance=3).update(relevance=1)
    freezing.join()
    copy = new_version(truth_set=truth_set, user=None)
    assert frozen(copy).fingerprint == TruthSet.objects.get(pk=truth_set.pk).fingerprint


def test_freezing_closes_the_review_rounds_that_are_open() -> None:
    truth_set, user = a_full_set(), make_staff()
    for name in ("closed", "opened"):
        create_round(truth_set=truth_set, name=name)
    close_round(review_round=truth_set.rounds.get(name="closed"), user=None)
    freeze_set(truth_set=truth_set, user=user)
    assert not ReviewRound.objects.filter(closed_at=None).exists()
    trail = Change.objects.filter(action="close-round").order_by("pk")
    assert list(trail.values_list("target", "user")) == [("closed", None), ("opened", user.pk)]


def test_a_set_that_is_gone_meanwhile_is_an_answer_and_no_error_of_the_server() -> None:
    truth_set = a_full_set()
    TruthSet.objects.get(pk=truth_set.pk).delete()
    with pytest.raises(SetError, match="no longer there"):
        new_version(truth_set=truth_set, user=None)
