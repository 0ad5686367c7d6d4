"""Truth sets out of thumbs: what goes in, what is left out and told, and that they serve like any other set."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from embeddings.feedback import digest_of
from embeddings.models import SearchMark
from embeddings.search.types import SearchRequest
from groundtruth.from_marks import Choice, make_from_marks, planned
from groundtruth.models import Judgement, TruthSet
from groundtruth.set_services import SetError, freeze_set, new_version
from itembank.models import Item
from tests.factories import allow, make_item, make_staff

pytestmark = pytest.mark.django_db

PAGE = "/admin/groundtruth/from-thumbs/"
LONG_AGO, NOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def mark(user: User | None, query: Item | str | None, item: Item, verdict: int = 1, at: datetime = NOW) -> SearchMark:
    """A thumb in a search by an item, by a text, or (None) by a picture."""
    if isinstance(query, Item):
        asked: dict[str, Any] = {"query_item": query, "query_code": query.code}
        request = SearchRequest(item_code=query.code)
    else:
        asked = {"query_text": query or ""}
        request = SearchRequest(text=query) if query else SearchRequest(image=b"x")
    return SearchMark.objects.create(
        user=user, digest=digest_of(request), item=item, verdict=verdict, marked_at=at, **asked
    )


@pytest.fixture
def people() -> list[User]:
    return [make_staff(name) for name in ("kim", "lee", "park")]


@pytest.fixture
def items() -> list[Item]:
    return [make_item() for _ in range(5)]


@pytest.fixture
def marks(people: list[User], items: list[Item]) -> None:
    """Two of three say that 1 is similar to 0; they are at odds on 2; 3 is not similar to 4; a text and a picture."""
    kim, lee, park = people
    query, near, torn, far, other = items
    mark(kim, query, near)
    mark(lee, query, near)
    mark(park, query, near, -1)
    mark(kim, query, torn)
    mark(lee, query, torn, -1)
    mark(kim, other, far, -1)
    mark(kim, "글", near)
    mark(kim, None, near)


def make(choice: Choice | None = None, name: str = "thumbs", **fields: Any) -> TruthSet:
    return make_from_marks(name=name, choice=choice or Choice(), viewer=None, user=fields.get("user"))


def said_by(truth_set: TruthSet) -> dict[tuple[str, str], tuple[int | None, float | None]]:
    pairs = truth_set.pairs.select_related("query__item", "item")
    return {(pair.query.item.code, pair.item.code): (pair.final_relevance, pair.score) for pair in pairs}


# ---- what goes in


def test_thumbs_become_pairs_with_the_share_of_those_that_point_up(marks: None, items: list[Item]) -> None:
    query, near, _torn, far, other = items
    assert said_by(make()) == {
        (query.code, near.code): (2, pytest.approx(2 / 3)),
        (other.code, far.code): (0, 0.0),
    }


def test_each_person_is_a_judge_of_the_pair_at_the_time_of_the_thumb(
    marks: None, people: list[User], items: list[Item]
) -> None:
    truth_set = make(Choice(up=3, down=1))
    said = Judgement.objects.filter(pair__truth_set=truth_set, pair__item=items[1]).order_by("pk")
    assert [(each.judge, each.reviewer, each.source, each.relevance, each.created_at) for each in said] == [
        ("kim", people[0], "person", 3, NOW),
        ("lee", people[1], "person", 3, NOW),
        ("park", people[2], "person", 1, NOW),
    ]  # fmt: skip


def test_the_counts_before_are_those_of_what_is_made(marks: None) -> None:
    plan = planned(Choice())
    assert (plan.all_thumbs, len(plan.queries), len(plan.pairs), plan.similar) == (8, 2, 2, 1)
    assert (plan.by_text, plan.by_picture, plan.gone, plan.undecided) == (1, 1, 0, 1)
    assert (plan.disputed, plan.without_similar) == (1, 1)
    truth_set = make()
    assert (truth_set.queries.count(), truth_set.pairs.count()) == (2, 2)


def test_thumbs_are_chosen_by_person_time_and_subject(people: list[User]) -> None:
    kim, lee, _park = people
    query, physics = make_item(), make_item(subject="물리학")
    old, by_lee, other = mark(kim, query, make_item(), at=LONG_AGO), mark(lee, query, make_item()), make_item()
    mark(kim, query, physics)

    def chosen(**choice: Any) -> set[int]:
        return {item for _query, item in planned(Choice(**choice)).pairs}

    assert chosen() == {old.item_id, by_lee.item_id, physics.pk}
    assert chosen(people=(lee.pk,)) == {by_lee.item_id}
    assert chosen(since=date(2026, 5, 1)) == {by_lee.item_id, physics.pk}
    assert chosen(subjects=("물리학",)) == {physics.pk}
    assert chosen(subjects=("수학",), people=(kim.pk,)) == {old.item_id}
    assert other.pk not in chosen()


def test_the_oldest_date_there_is_can_be_chosen(marks: None) -> None:
    assert planned(Choice(since=date.min)).all_thumbs == 8


def test_thumbs_of_an_account_that_is_gone_count_without_a_judge(people: list[User], items: list[Item]) -> None:
    mark(people[0], items[0], items[1])
    people[0].delete()
    truth_set = make()
    assert said_by(truth_set) == {(items[0].code, items[1].code): (2, 1.0)}
    assert not Judgement.objects.exists()


def test_thumbs_in_searches_by_a_deleted_item_are_counted_and_left_out(people: list[User], items: list[Item]) -> None:
    mark(people[0], items[0], items[1])
    mark(people[0], items[2], items[1])
    items[2].delete()
    assert planned(Choice()).gone == 1
    assert make().pairs.count() == 1


def test_an_edited_item_keeps_its_thumbs(people: list[User], items: list[Item]) -> None:
    mark(people[0], items[0], items[1])
    Item.objects.filter(pk__in=[items[0].pk, items[1].pk]).update(text="edited")
    assert make().pairs.count() == 1


def test_a_person_sees_their_own_thumbs_only_without_the_right_to_see_all(marks: None, people: list[User]) -> None:
    assert planned(Choice(), viewer=people[2]).all_thumbs == 1
    assert planned(Choice(), viewer=allow(people[2], "embeddings.view_searchmark")).all_thumbs == 8


# ---- refusals


@pytest.mark.parametrize("wrong", [{"up": 0}, {"up": 4}, {"up": 2, "down": 2}, {"down": -1}, {"rule": "luck"}])
def test_a_meaning_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SetError):
        Choice(**wrong)


def test_thumbs_that_find_nothing_similar_make_no_set(people: list[User], items: list[Item]) -> None:
    mark(people[0], items[0], items[1], -1)
    with pytest.raises(SetError, match="no set to make"):
        make()
    assert not TruthSet.objects.exists()


# ---- a set like any other


def test_the_set_says_in_the_audit_trail_where_it_comes_from(marks: None, people: list[User]) -> None:
    truth_set = make(Choice(people=(people[0].pk, people[1].pk), since=date(2026, 1, 2)), user=people[0])
    assert truth_set.parameters == {
        "thumbs_of": ["kim", "lee"], "thumbs_since": "2026-01-02", "subjects": [], "thumb_up": 2, "thumb_down": 0,
        "disagreement": "majority",
    }  # fmt: skip
    made = truth_set.changes.get(action="from-thumbs")
    assert made.user == people[0]
    left_out = {"left_out_text": 1, "left_out_picture": 1, "left_out_undecided": 1}
    assert made.new == {"pairs": 2, "judgements": 3} | left_out


def test_the_set_can_be_frozen_and_has_a_next_version(marks: None, people: list[User]) -> None:
    frozen = freeze_set(truth_set=make(), user=people[0])
    assert frozen.frozen
    assert new_version(truth_set=frozen, user=people[0]).pairs.count() == 2
    assert make().version == 3


def test_the_set_protects_its_items_from_deletion(marks: None, items: list[Item]) -> None:
    from django.db.models import ProtectedError

    make()
    with pytest.raises(ProtectedError):
        items[1].delete()


def test_the_set_takes_as_many_queries_for_many_thumbs_as_for_few(people: list[User]) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            make()
        return len(seen)

    mark(people[0], make_item(), make_item())
    few = queries()
    query = make_item()
    for _each in range(30):
        mark(people[1], query, make_item())
    assert queries() == few


# ---- the page


@pytest.fixture
def signed_in(client: Client) -> Callable[..., Client]:
    def sign_in(*permissions: str) -> Client:
        client.force_login(allow(make_staff("maker"), "groundtruth.add_truthset", *permissions))
        client.cookies["django_language"] = "en"
        return client

    return sign_in


def test_the_page_counts_before_it_makes_anything(signed_in: Callable[..., Client], marks: None) -> None:
    html = signed_in("embeddings.view_searchmark").get(PAGE).content.decode()
    for told in ("1 thumb in a search by text", "1 thumb in a search by a picture", "1 pair that people disagree on"):
        assert told in html
    assert not TruthSet.objects.exists()


def test_the_made_set_is_opened(signed_in: Callable[..., Client], marks: None) -> None:
    client = signed_in("embeddings.view_searchmark")
    response = client.post(PAGE, {"name": "교사 평가", "up": "3", "down": "1", "since": "2026-02-01"})
    truth_set = TruthSet.objects.get(name="교사 평가")
    assert response["Location"] == f"/admin/groundtruth/truthset/{truth_set.pk}/change/"
    html = client.get(response["Location"]).content.decode()
    assert "What most say" in html
    assert "2026-02-01" in html


def test_the_choice_is_kept_for_the_making(signed_in: Callable[..., Client], marks: None, people: list[User]) -> None:
    query: dict[str, Any] = {"people": [people[0].pk, people[1].pk], "rule": "unanimous"}
    html = signed_in("embeddings.view_searchmark").get(PAGE, query).content.decode()
    for person in people[:2]:
        assert f'<input type="hidden" name="people" value="{person.pk}">' in html
    assert '<input type="hidden" name="rule" value="unanimous">' in html


def test_without_thumbs_the_page_says_what_to_do(signed_in: Callable[..., Client]) -> None:
    html = signed_in("embeddings.view_searchmark").get(PAGE).content.decode()
    assert "No set can be made yet" in html


def test_somebody_elses_thumbs_cannot_be_chosen_without_the_right(
    signed_in: Callable[..., Client], marks: None, people: list[User]
) -> None:
    client = signed_in()
    assert client.get(PAGE).context["plan"].all_thumbs == 0
    response = client.post(PAGE, {"name": "x", "people": [people[0].pk]})
    assert response.status_code == 200
    assert not TruthSet.objects.exists()


@pytest.mark.parametrize(
    "given",
    [{"name": ""}, {"name": "x" * 101}, {"name": "a\nb\x00"}, {"name": "x", "up": "0"}, {"name": "x", "rule": "luck"},
     {"name": "x", "since": "yesterday"}, {"name": "x", "people": "x"}, {"name": "x", "subject": "\x00"}],
)  # fmt: skip
def test_what_makes_no_set_is_said_on_the_page(
    signed_in: Callable[..., Client], marks: None, given: dict[str, str]
) -> None:
    response = signed_in("embeddings.view_searchmark").post(PAGE, given)
    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()
    assert not TruthSet.objects.exists()


def test_the_page_needs_the_right_to_make_sets(client: Client) -> None:
    client.force_login(make_staff("nobody"))
    assert client.get(PAGE).status_code == 403


def test_the_page_is_reached_from_new_sets_and_from_the_thumbs(signed_in: Callable[..., Client]) -> None:
    client = signed_in("embeddings.view_searchmark")
    for address in ("/admin/groundtruth/truthset/add/", "/admin/search/marks/"):
        assert f'href="{PAGE}"' in client.get(address).content.decode()


# ---- the command


def test_the_command_counts_and_makes(marks: None) -> None:
    out = StringIO()
    call_command("truth_from_thumbs", "--name", "cli", "--people", "kim", "lee", "--up", "3", stdout=out)
    assert "7 thumbs: 2 queries, 2 pairs, of them 1 similar." in out.getvalue()
    assert "1 thumbs in searches by text" in out.getvalue()
    assert TruthSet.objects.get().parameters["thumbs_of"] == ["kim", "lee"]


def test_the_command_may_only_count(marks: None) -> None:
    call_command("truth_from_thumbs", "--name", "cli", "--plan-only", stdout=StringIO())
    assert not TruthSet.objects.exists()


@pytest.mark.parametrize("options", [["--people", "nobody"], ["--up", "9"], ["--subject", "없음"]])
def test_the_command_refuses_in_words(marks: None, options: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("truth_from_thumbs", "--name", "cli", *options, stdout=StringIO())
