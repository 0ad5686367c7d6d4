"""Rounds of review: what they hold, in which order, and the command that draws a sample."""

import io

import pytest
from django.core.management import CommandError, call_command

from groundtruth import review_rounds
from groundtruth.models import Change, Judgement, ReviewPair, ReviewRound, TruthPair, TruthSet
from groundtruth.review_rounds import ReviewError, close_round, create_round, delete_round, reopen_round, sample_round
from groundtruth.review_services import judge
from groundtruth.set_services import SetFrozenError, freeze_set
from tests.factories import make_item, make_staff
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db


def _set_of(*relevances: int | None, method: str = "manual") -> tuple[TruthSet, list[TruthPair]]:
    truth_set = make_truth_set(method=method)
    query = make_query(truth_set)
    return truth_set, [make_pair(query, relevance=relevance) for relevance in relevances]


def _held(made: ReviewRound) -> list[int]:
    return list(made.pairs.order_by("position").values_list("pair_id", flat=True))


def test_a_round_holds_all_pairs_unless_relevances_are_named() -> None:
    truth_set, pairs = _set_of(3, 0, None, 1)
    everything = create_round(truth_set=truth_set, name="all")
    some = create_round(truth_set=truth_set, name="some", relevances=[0, None])
    assert set(_held(everything)) == {pair.pk for pair in pairs}
    assert set(_held(some)) == {pairs[1].pk, pairs[2].pk}


def test_a_limit_takes_the_most_uncertain() -> None:
    truth_set, pairs = _set_of(3, 2, 2, 1, method="llm-text")
    for relevance, swapped in ((3, False), (0, True)):
        Judgement.objects.create(
            pair=pairs[2], source="model", judge="gpt-4o-mini", relevance=relevance, swapped=swapped
        )
    assert _held(create_round(truth_set=truth_set, name="few", limit=1)) == [pairs[2].pk]


def test_sets_that_a_hybrid_was_made_of_are_judges_who_may_disagree() -> None:
    truth_set = make_truth_set(method="hybrid")
    query = make_query(truth_set)
    make_pair(query, relevance=3, provenance={"a v1": 3, "b v1": 3})
    apart = make_pair(query, relevance=2, provenance={"a v1": 3, "b v1": 1})
    assert _held(create_round(truth_set=truth_set, name="hybrid"))[0] == apart.pk


def test_a_pair_that_only_one_set_of_a_hybrid_has_comes_before_one_that_both_have() -> None:
    truth_set = make_truth_set(method="hybrid", parameters={"sets": ["a v1", "b v1"]})
    query = make_query(truth_set)
    make_pair(query, relevance=3, provenance={"a v1": 3, "b v1": 3})
    alone = make_pair(query, relevance=3, provenance={"a v1": 3})
    assert _held(create_round(truth_set=truth_set, name="union"))[0] == alone.pk


def test_near_duplicates_that_tfidf_missed_come_first() -> None:
    truth_set = make_truth_set()
    query = make_query(truth_set)
    make_pair(query, provenance={"tfidf": 0.8, "kure-v1": 0.9})
    missed = make_pair(query, provenance={"kure-v1": 0.9})
    make_pair(query, provenance={"tfidf": 0.3})
    assert _held(create_round(truth_set=truth_set, name="candidates"))[0] == missed.pk


def test_a_random_round_follows_its_seed() -> None:
    truth_set, _ = _set_of(*[1] * 12)
    orders = [
        _held(create_round(truth_set=truth_set, name=name, order="random", seed=seed))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("values", [{"name": " "}, {"name": "x" * 101}, {"name": "taken"}, {"relevances": [2]}])
def test_a_round_without_name_or_pairs_is_refused(values: dict[str, object]) -> None:
    truth_set, _ = _set_of(3)
    create_round(truth_set=truth_set, name="taken")
    with pytest.raises(ReviewError):
        create_round(truth_set=truth_set, **({"name": "new"} | values))  # type: ignore[arg-type]
    assert ReviewRound.objects.count() == 1


def test_a_frozen_set_gets_no_round() -> None:
    truth_set, _ = _set_of(3)
    freeze_set(truth_set=truth_set, user=None)
    with pytest.raises(SetFrozenError):
        create_round(truth_set=truth_set, name="late")


def test_what_a_person_said_in_an_earlier_round_counts_in_the_next() -> None:
    truth_set, _ = _set_of(3)
    first = create_round(truth_set=truth_set, name="first")
    judge(review=first.pairs.get(), user=make_staff(), answer="2")
    assert create_round(truth_set=truth_set, name="one").pairs.get().state == ReviewPair.State.SETTLED
    assert create_round(truth_set=truth_set, name="two", reviewers_a_pair=2).pairs.get().state == ReviewPair.State.OPEN


def test_a_closed_round_opens_again_and_knows_what_was_said_meanwhile() -> None:
    truth_set, _ = _set_of(3)
    rounds = [create_round(truth_set=truth_set, name=name) for name in ("closed", "other")]
    close_round(review_round=rounds[0], user=None)
    judge(review=rounds[1].pairs.get(), user=make_staff(), answer="2")
    assert rounds[0].pairs.get().state == ReviewPair.State.OPEN
    reopen_round(review_round=rounds[0], user=None)
    assert rounds[0].pairs.get().state == ReviewPair.State.SETTLED


def test_rounds_are_in_the_audit_trail_also_when_they_are_gone() -> None:
    user = make_staff()
    truth_set, _ = _set_of(3)
    made = create_round(truth_set=truth_set, name="mine", user=user)
    close_round(review_round=made, user=user)
    delete_round(review_round=made, user=user)
    trail = Change.objects.filter(truth_set=truth_set, user=user, target="mine").order_by("pk")
    assert [change.action for change in trail] == ["create-round", "close-round", "delete-round"]


def test_a_deleted_round_leaves_what_people_approved() -> None:
    truth_set, pairs = _set_of(3)
    made = create_round(truth_set=truth_set, name="mine")
    judge(review=made.pairs.get(), user=make_staff(), answer="1")
    delete_round(review_round=made, user=None)
    pairs[0].refresh_from_db()
    assert pairs[0].approved_relevance == 1


# ---- samples


def _categories() -> TruthSet:
    """Pairs of two categories, in each every relevance."""
    truth_set = make_truth_set()
    for text in ("기울기를 구하시오.", "$x^2-3x+2=0$의 두 근의 합을 구하시오."):
        query = make_query(truth_set, make_item(text=text))
        for number in range(12):
            make_pair(query, relevance=number % 4)
    return truth_set


def test_the_command_draws_every_category_and_relevance() -> None:
    truth_set = _categories()
    call_command("sample_review", "--set", str(truth_set.pk), "--pairs", "8", stdout=io.StringIO())
    drawn = TruthPair.objects.filter(reviews__round=ReviewRound.objects.get())
    assert sorted(drawn.values_list("query__item__category", "relevance")) == [
        (category, relevance) for category in ("latex", "text_only") for relevance in range(4)
    ]


def test_the_same_seed_draws_the_same_pairs_whatever_people_said_meanwhile() -> None:
    truth_set = _categories()
    first = sample_round(truth_set=truth_set, pairs=6, seed=5, name="first")
    judge(review=first.pairs.get(position=1), user=make_staff(), answer="0")
    assert _held(first) == _held(sample_round(truth_set=truth_set, pairs=6, seed=5, name="again"))
    assert _held(first) != _held(sample_round(truth_set=truth_set, pairs=6, seed=6, name="other"))


@pytest.mark.parametrize("arguments", [["--set", "999"], ["--pairs", "0"], ["--seed", "-1"]])
def test_the_command_says_what_is_wrong(arguments: list[str]) -> None:
    truth_set, _ = _set_of(3)
    with pytest.raises(CommandError):
        call_command("sample_review", "--set", str(truth_set.pk), *arguments)


def test_a_set_that_nobody_judged_gives_no_sample() -> None:
    truth_set, _ = _set_of(None)
    with pytest.raises(CommandError, match="no such pairs"):
        call_command("sample_review", "--set", str(truth_set.pk))


def test_the_trail_tells_what_a_deleted_round_was() -> None:
    truth_set, _pairs = _set_of(3, 2)
    made = create_round(truth_set=truth_set, name="round", order="random", reviewers_a_pair=2)
    delete_round(review_round=made, user=None)
    said = Change.objects.get(action="delete-round").old
    assert said == {"round": "round", "pairs": 2, "settled": 0, "order": "random", "reviewers": 2}


def test_only_a_closed_round_is_opened_again() -> None:
    made = create_round(truth_set=_set_of(3)[0], name="round")
    with pytest.raises(ReviewError, match="open"):
        reopen_round(review_round=made, user=None)
    assert not Change.objects.filter(action="reopen-round").exists()


def test_a_round_too_large_for_people_is_refused_unless_a_limit_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_rounds, "MOST_PAIRS", 2)
    truth_set, _pairs = _set_of(3, 2, 1)
    with pytest.raises(ReviewError, match="at most 2 pairs"):
        create_round(truth_set=truth_set, name="all")
    assert len(_held(create_round(truth_set=truth_set, name="first", limit=2))) == 2
