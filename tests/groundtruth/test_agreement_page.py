"""The page of agreement: who is held against whom, on which pairs, what they cost, and where they differ."""

import csv
import io
import re
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from groundtruth.agreement import Weights
from groundtruth.agreement_basis import basis, cost, jobs_in_both_orders
from groundtruth.agreement_selectors import (
    agreement,
    by_category,
    by_subject,
    comparisons,
    differences,
    false_negatives,
    false_positives,
    read_labels,
)
from groundtruth.models import JudgeJob, Judgement, JudgeQuestion, LedgerEntry, Prompt, TruthPair, TruthSet
from groundtruth.review_rounds import create_round
from groundtruth.review_services import judge, show_judgement
from groundtruth.set_services import freeze_set
from tests.factories import allow, make_item, make_staff
from tests.groundtruth.factories import make_judge_job, make_pair, make_prompt, make_query, make_truth_set

pytestmark = pytest.mark.django_db

ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def truth_set() -> TruthSet:
    return make_truth_set(name="set", method="llm-text")


@pytest.fixture
def prompt() -> Prompt:
    return make_prompt()


@pytest.fixture
def viewer(client: Client) -> User:
    user = allow(make_staff("viewer"), "groundtruth.view_truthset")
    client.force_login(user)
    return user


def pair_of(truth_set: TruthSet, relevance: int | None, approved: int | None, **item: Any) -> TruthPair:
    """A pair of a query of its own."""
    query = make_query(truth_set, make_item(**item))
    return make_pair(query, relevance=relevance, approved_relevance=approved)


def by_model(pair: TruthPair, relevance: int, prompt: Prompt | None, **fields: Any) -> Judgement:
    values = {"source": "model", "judge": "gpt-4o-mini"} | fields
    return Judgement.objects.create(pair=pair, relevance=relevance, prompt=prompt, **values)


def by_person(pair: TruthPair, relevance: int | None, person: User, **fields: Any) -> Judgement:
    values = {"source": "person", "judge": person.username, "reviewer": person} | fields
    return Judgement.objects.create(pair=pair, relevance=relevance, **values)


def keys(truth_set: TruthSet) -> list[str]:
    return [each.key for each in comparisons(read_labels(truth_set))]


# ---- who is held against whom


def test_the_method_is_held_against_what_people_approved(truth_set: TruthSet) -> None:
    for relevance, approved in [(3, 3), (2, 1), (0, 2), (1, 1), (None, 3), (2, None)]:
        pair_of(truth_set, relevance, approved)
    (found,) = comparisons(read_labels(truth_set))
    assert found.key == "method/people"
    assert [(each.left, each.right) for each in found.observations] == [(3, 3), (2, 1), (0, 2), (1, 1)]
    assert agreement(found).exact.value == 0.5


def test_each_model_and_version_of_its_prompt_is_a_judge_of_its_own(truth_set: TruthSet, prompt: Prompt) -> None:
    pair = pair_of(truth_set, None, 2)
    later = make_prompt()
    by_model(pair, 1, prompt)
    by_model(pair, 2, later)
    by_model(pair, 3, later, judge="gpt-4o")
    found = {each.key: each.observations[0].left for each in comparisons(read_labels(truth_set))}
    assert found == {
        f"model:{prompt.pk}:gpt-4o-mini/people": 1,
        f"model:{later.pk}:gpt-4o-mini/people": 2,
        f"model:{later.pk}:gpt-4o/people": 3,
    }


def test_what_a_model_said_in_the_other_order_is_left_out(truth_set: TruthSet, prompt: Prompt) -> None:
    pair = pair_of(truth_set, None, 2)
    by_model(pair, 0, prompt, swapped=True)
    assert keys(truth_set) == []


def test_persons_are_held_against_each_other_on_pairs_that_both_judged(truth_set: TruthSet) -> None:
    kim, lee = make_staff("kim"), make_staff("lee")
    both, one, unsure = (pair_of(truth_set, None, None) for _ in range(3))
    by_person(both, 3, kim)
    by_person(both, 2, lee)
    by_person(one, 3, kim)
    by_person(unsure, 3, kim)
    by_person(unsure, None, lee, outcome="unsure")
    (found,) = comparisons(read_labels(truth_set))
    assert found.key == f"person:{kim.pk}/person:{lee.pk}"
    assert [(each.pair, each.left, each.right) for each in found.observations] == [(both.pk, 3, 2)]


def test_all_couples_of_persons_come_together_where_there_are_several(truth_set: TruthSet) -> None:
    people = [make_staff(name) for name in ("kim", "lee", "park")]
    pair, other = pair_of(truth_set, None, None), pair_of(truth_set, None, None)
    for person, relevance in zip(people, (3, 3, 1), strict=True):
        by_person(pair, relevance, person)
    for person in people[:2]:
        by_person(other, 2, person)
    pooled, *couples = comparisons(read_labels(truth_set))
    assert [each.pairs for each in couples] == [2, 1, 1]
    assert pooled.symmetric and pooled.pairs == 2
    assert agreement(pooled).exact.value == pytest.approx(2 / 4)


def test_the_two_reviewers_of_a_pair_still_count_when_a_third_decided(truth_set: TruthSet) -> None:
    people = [make_staff(name) for name in ("kim", "lee", "park")]
    pair = pair_of(truth_set, 3, None)
    made = create_round(truth_set=truth_set, name="round", order="random", reviewers_a_pair=2)
    for person, answer in zip(people, "313", strict=True):
        judge(review=made.pairs.get(), user=person, answer=answer)
    found = {each.key: each for each in comparisons(read_labels(truth_set))}
    assert found["method/people"].observations[0][2:] == (3, 3)
    assert found[f"person:{people[0].pk}/person:{people[1].pk}"].observations == [(pair.pk, pair.query_id, 3, 1)]


def test_pairs_of_other_sets_do_not_count(truth_set: TruthSet, prompt: Prompt) -> None:
    pair = pair_of(make_truth_set(method="llm-text"), 2, 2)
    by_model(pair, 2, prompt)
    assert keys(truth_set) == []


# ---- slices, weights, differences


def test_figures_are_split_by_subject_and_category_of_the_query_item(truth_set: TruthSet) -> None:
    for subject, text, relevance in [("수학", "$x^2$의 값", 3), ("수학", "기울기", 2), ("국어", "글의 주제", 1)]:
        pair_of(truth_set, relevance, 3, subject=subject, text=text)
    labels = read_labels(truth_set)
    (found,) = comparisons(labels)
    subjects = {each.value: (each.agreement.n, each.agreement.exact.value) for each in by_subject(labels, found)}
    assert subjects == {"수학": (2, 0.5), "국어": (1, None)}
    assert {each.value: each.agreement.n for each in by_category(labels, found)} == {"latex": 1, "text_only": 2}


def test_weights_change_kappa(truth_set: TruthSet) -> None:
    for relevance, approved in [(0, 0), (0, 1), (1, 1), (2, 2), (3, 3), (3, 2)]:
        pair_of(truth_set, relevance, approved)
    (found,) = comparisons(read_labels(truth_set))
    by_hand = {Weights.QUADRATIC: 13 / 15, Weights.LINEAR: 17 / 23}
    assert {each: agreement(found, each).kappa.value for each in Weights} == pytest.approx(by_hand)


def test_false_positives_and_negatives_are_listed_the_widest_apart_first(truth_set: TruthSet) -> None:
    pairs = [pair_of(truth_set, *labels) for labels in [(2, 1), (3, 0), (2, 2), (1, 3), (1, 2), (0, 1)]]
    (found,) = comparisons(read_labels(truth_set))
    assert [each.pair for each in false_positives(found)] == [pairs[1].pk, pairs[0].pk]
    assert [each.pair for each in false_negatives(found)] == [pairs[3].pk, pairs[4].pk]


def test_a_pair_on_which_several_couples_differ_is_listed_once_with_all_their_words(truth_set: TruthSet) -> None:
    pair = pair_of(truth_set, None, None)
    for name, relevance in (("kim", 3), ("lee", 0), ("park", 1)):
        by_person(pair, relevance, make_staff(name), reason=f"{name} says")
    labels = read_labels(truth_set)
    pooled = comparisons(labels)[0]
    (row,) = differences(labels, pooled, false_positives(pooled))
    assert row.said == [("kim", 3), ("lee", 0), ("park", 1)]
    assert row.reasons == ["kim: kim says", "lee: lee says", "park: park says"]
    assert false_negatives(pooled) == []


def test_reasons_are_of_the_judge_compared_and_of_people(truth_set: TruthSet, prompt: Prompt) -> None:
    pair = pair_of(truth_set, None, 0)
    by_model(pair, 3, prompt, reason="same idea")
    by_model(pair, 1, prompt, judge="gpt-4o", reason="another judge")
    by_person(pair, 0, make_staff("kim"), reason="other unit")
    labels = read_labels(truth_set)
    chosen = next(each for each in comparisons(labels) if "mini" in each.key)
    (row,) = differences(labels, chosen, false_positives(chosen))
    assert row.reasons == ["gpt-4o-mini: same idea", "kim: other unit"]


# ---- cost and what the figures rest on


def ledger(job: JudgeJob, state: str, usd: str) -> None:
    query = make_query(job.truth_set)
    position = job.questions.count()
    question = JudgeQuestion.objects.create(job=job, position=position, query=query, pairs=[], question_hash="0")
    money = {"reserved_usd": Decimal(usd)} | ({"charged_usd": Decimal(usd)} if state in {"settled", "unknown"} else {})
    LedgerEntry.objects.create(
        job=job, question=question, question_hash=f"{job.pk}/{position}", model=job.model, day=timezone.now(),
        state=state, **money,
    )  # fmt: skip


def test_cost_per_accepted_pair_is_all_that_was_charged_by_the_pairs_people_call_similar(truth_set: TruthSet) -> None:
    job, trial = make_judge_job(truth_set), make_judge_job(truth_set, purpose="trial")
    for state, usd in [("settled", "0.30"), ("unknown", "0.05"), ("released", "9"), ("sent", "0.70")]:
        ledger(job, state, usd)
    ledger(trial, "settled", "0.01")
    ledger(make_judge_job(make_truth_set()), "settled", "5")
    for approved in (3, 2, 1, None):
        pair_of(truth_set, 3, approved)
    found = cost(truth_set, read_labels(truth_set))
    parts = (found.judging, found.trials, found.unknown, found.on_their_way)
    assert parts == tuple(map(Decimal, ("0.30", "0.01", "0.05", "0.70")))
    assert (found.per_accepted, found.per_reviewed) == (Decimal("0.18"), Decimal("0.12"))


def test_cost_per_accepted_pair_is_not_defined_without_one(truth_set: TruthSet) -> None:
    ledger(make_judge_job(truth_set), "settled", "0.30")
    pair_of(truth_set, 3, 1)
    found = cost(truth_set, read_labels(truth_set))
    assert (found.per_accepted, found.per_reviewed) == (None, Decimal("0.30"))


def test_pairs_whose_judgement_people_could_see_are_counted(truth_set: TruthSet) -> None:
    kim = make_staff("kim")
    asked, blind = pair_of(truth_set, 3, None), pair_of(truth_set, 3, None)
    made = create_round(truth_set=truth_set, name="round", order="random")
    show_judgement(review=made.pairs.get(pair=asked), user=kim)
    show_judgement(review=made.pairs.get(pair=blind), user=make_staff("lead, who judges nothing"))
    for pair in (asked, blind):
        judge(review=made.pairs.get(pair=pair), user=kim, answer="3")
    found = basis(truth_set)
    assert (found.pairs, found.judged, found.approved, found.seen) == (2, 2, 2, 1)


def test_jobs_that_asked_in_both_orders_are_named(truth_set: TruthSet) -> None:
    both, plain = make_judge_job(truth_set), make_judge_job(truth_set)
    query = make_query(truth_set)
    for job, swapped in ((both, False), (both, True), (plain, False)):
        JudgeQuestion.objects.create(
            job=job, position=swapped, swapped=swapped, query=query, pairs=[], question_hash="0"
        )
    assert jobs_in_both_orders(truth_set) == [both]


# ---- the page


def address(truth_set: TruthSet, query: str = "") -> str:
    return f"/admin/groundtruth/agreement/{truth_set.pk}/{query}"


def page(client: Client, truth_set: TruthSet, query: str = "") -> str:
    response = client.get(address(truth_set, query), headers=ENGLISH)
    assert response.status_code == 200
    return response.content.decode()


def text_of(html: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", html).split())


def test_who_may_see_truth_sets_sees_the_page_and_nobody_else(client: Client, truth_set: TruthSet) -> None:
    addresses = (address(truth_set), address(truth_set, "csv/"))
    assert {client.get(each).status_code for each in addresses} == {302}
    client.force_login(allow(make_staff("other"), "groundtruth.review_pairs", "groundtruth.view_judgejob"))
    assert {client.get(each).status_code for each in addresses} == {403}
    client.force_login(allow(make_staff("able"), "groundtruth.view_truthset"))
    assert {client.get(each).status_code for each in addresses} == {200}


@pytest.mark.usefixtures("viewer")
def test_a_set_that_is_not_there_is_not_found(client: Client) -> None:
    assert client.get("/admin/groundtruth/agreement/1/").status_code == 404


@pytest.mark.usefixtures("viewer")
def test_a_set_that_nobody_reviewed_says_how_to_begin(client: Client, truth_set: TruthSet) -> None:
    pair_of(truth_set, 3, None)
    html = page(client, truth_set)
    assert f"manage.py sample_review --set {truth_set.pk} --pairs 50" in html
    assert "weighted kappa" not in html


@pytest.mark.usefixtures("viewer")
def test_a_set_without_pairs_asks_for_pairs_first(client: Client, truth_set: TruthSet) -> None:
    html = page(client, truth_set)
    assert "no pairs yet" in html
    assert "sample_review" not in html


@pytest.mark.usefixtures("viewer")
def test_a_frozen_set_that_nobody_reviewed_asks_for_a_new_version(client: Client, truth_set: TruthSet) -> None:
    pair_of(truth_set, 3, None)
    freeze_set(truth_set=truth_set, user=None)
    html = page(client, truth_set)
    assert "Make a new version" in html
    assert "sample_review" not in html


@pytest.mark.usefixtures("viewer")
def test_the_page_shows_figures_with_their_intervals(client: Client, truth_set: TruthSet) -> None:
    for number in range(20):
        pair_of(truth_set, number % 4, 3 if number == 0 else number % 4)
    text = text_of(page(client, truth_set))
    assert "95.0% same relevance 76 to 99%" in text
    assert re.search(r"0\.\d\d weighted kappa \d\.\d\d to \d\.\d\d", text)


@pytest.mark.usefixtures("viewer")
def test_what_is_not_defined_is_said_and_not_a_number(client: Client, truth_set: TruthSet) -> None:
    for _ in range(12):
        pair_of(truth_set, 2, 2)
    text = text_of(page(client, truth_set))
    assert "– weighted kappa not defined" in text
    assert "100.0% same relevance" in text
    assert "nan" not in text.lower()


@pytest.mark.usefixtures("viewer")
def test_the_page_lists_one_kind_of_difference_and_pages_it(client: Client, truth_set: TruthSet) -> None:
    wrong = [pair_of(truth_set, 3, 0) for _ in range(21)]
    missed = pair_of(truth_set, 1, 2)
    first, second = page(client, truth_set), page(client, truth_set, "?list=positives&p=2")
    assert wrong[0].item.code in first and wrong[20].item.code not in first
    assert wrong[20].item.code in second and missed.item.code not in second
    assert missed.item.code in page(client, truth_set, "?list=negatives")


def test_items_are_linked_for_those_who_may_open_them(client: Client, truth_set: TruthSet, viewer: User) -> None:
    pair = pair_of(truth_set, 3, 0)
    link = f"/admin/itembank/item/{pair.item_id}/change/"
    assert link not in page(client, truth_set)
    allow(viewer, "itembank.view_item")
    assert link in page(client, truth_set)


def test_pairs_are_linked_for_those_who_may_see_them(client: Client, truth_set: TruthSet, viewer: User) -> None:
    link = f"/admin/groundtruth/truthpair/{pair_of(truth_set, 3, 0).pk}/change/"
    assert link not in page(client, truth_set)
    allow(viewer, "groundtruth.view_truthpair")
    assert link in page(client, truth_set)
    assert client.get(link).status_code == 200


@pytest.mark.usefixtures("viewer")
def test_another_comparison_and_other_weights_can_be_chosen(client: Client, truth_set: TruthSet) -> None:
    kim, lee = make_staff("kim"), make_staff("lee")
    for relevance, approved in [(0, 0), (0, 1), (1, 1), (2, 2), (3, 3), (3, 2)]:
        pair = pair_of(truth_set, relevance, approved)
        by_person(pair, approved, kim)
        by_person(pair, relevance, lee)
    chosen = f"?c=person:{kim.pk}/person:{lee.pk}"
    assert "0.87 weighted kappa" in text_of(page(client, truth_set, chosen))
    text = text_of(page(client, truth_set, f"{chosen}&weights=linear"))
    assert "0.74 weighted kappa" in text
    assert "precision" not in text
    assert "Similar only to kim" not in text_of(page(client, truth_set, "?c=no-such&weights=none&list=x&p=x"))


@pytest.mark.usefixtures("viewer")
def test_each_comparison_is_a_link_away(client: Client, truth_set: TruthSet, prompt: Prompt) -> None:
    by_model(pair_of(truth_set, 2, 3), 3, prompt, judge="org/model & co: v1")
    (link,) = re.findall(r'class="ib-link" href="(\?c=[^"]*)"', page(client, truth_set))
    chosen = text_of(
        re.findall(r'<h2 class="ib-agreement-name.*?</h2>', page(client, truth_set, unescape(link)), re.DOTALL)[0]
    )
    assert unescape(chosen).startswith("org/model & co: v1 · ")


@pytest.mark.usefixtures("viewer")
def test_a_rater_with_markup_in_its_name_is_shown_as_text(client: Client, truth_set: TruthSet, prompt: Prompt) -> None:
    by_model(pair_of(truth_set, None, 2), 3, prompt, judge="<b>&judge", reason="<script>")
    html = page(client, truth_set)
    assert "<b>&judge" not in html and "&lt;b&gt;&amp;judge" in html


@pytest.mark.usefixtures("viewer")
def test_more_pairs_and_judges_take_no_more_queries(client: Client, truth_set: TruthSet, prompt: Prompt) -> None:
    people = [make_staff(name) for name in ("kim", "lee")]

    def asked(pairs: int) -> int:
        for _ in range(pairs):
            pair = pair_of(truth_set, 3, 0)
            by_model(pair, 3, prompt)
            for person in people:
                by_person(pair, 0, person, reason="no")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page(client, truth_set)
        return len(queries)

    asked(1)
    few = asked(1)
    people += [make_staff(name) for name in ("park", "choi", "jung")]
    prompt = make_prompt()
    assert asked(30) == few <= 16


# ---- the table


@pytest.mark.usefixtures("viewer")
def test_the_table_holds_what_every_rater_says_of_each_reviewed_pair(
    client: Client, truth_set: TruthSet, prompt: Prompt
) -> None:
    pair = pair_of(truth_set, 2, 3, subject="=1+1")
    by_model(pair, 1, prompt)
    by_person(pair, 3, make_staff("kim"))
    pair_of(truth_set, 3, None)
    response = client.get(address(truth_set, "csv/"), headers=ENGLISH)
    assert 'filename="agreement-set-v1.csv"' in response["Content-Disposition"]
    content = b"".join(response.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    header, *rows = csv.reader(io.StringIO(content))
    assert header[:5] == ["query_id", "source_item_id", "item_id", "subject", "category"]
    assert header[5:7] == ["people", "method"]
    assert len(rows) == 1
    said = dict(zip(header, rows[0], strict=True))
    assert said["subject"] == "'=1+1"
    assert [said["people"], said["method"], said["kim"]] == ["3", "2", "3"]
    assert [name for name in header if name.startswith("gpt-4o-mini · ")] == [header[7]]
    assert said[header[7]] == "1"


# ---- what reviewers are not to see


@pytest.mark.usefixtures("viewer")
def test_what_is_still_under_review_counts_but_is_not_listed(client: Client, truth_set: TruthSet) -> None:
    pair = pair_of(truth_set, 3, None)
    made = create_round(truth_set=truth_set, name="round", order="random", reviewers_a_pair=2)
    for name, answer in (("kim", "3"), ("lee", "0")):
        judge(review=made.pairs.get(), user=make_staff(name), answer=answer, comment=f"{name} says")
    text = text_of(page(client, truth_set))
    assert "kim / lee" in text
    assert "1 more are still under review" in text
    assert "kim says" not in text and pair.item.code not in text
    assert len(rows_of(client, truth_set)) == 1
    judge(review=made.pairs.get(), user=make_staff("park"), answer="0")
    assert "kim says" in text_of(page(client, truth_set))
    assert len(rows_of(client, truth_set)) == 2


def rows_of(client: Client, truth_set: TruthSet) -> list[bytes]:
    return b"".join(client.get(address(truth_set, "csv/")).streaming_content).splitlines()  # type: ignore[attr-defined]
