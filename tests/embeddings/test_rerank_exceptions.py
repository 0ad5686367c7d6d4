"""A reranker is switched off for slices of queries: what is searched then, and how it is switched on again."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from embeddings import worker
from embeddings.models import Encoder, QueryEncoding, QueryReranking, Reranker, RerankException
from embeddings.reranker_services import switch_off, switch_on
from embeddings.rerankers import registry
from embeddings.search import Filters, Rerank, SearchRequest, SearchResponse
from embeddings.search import search as search_by_worker
from itembank.celery import app
from itembank.models import Item
from tests.api import Api
from tests.embeddings.scripted_reranker import NAME, PLACE, scripted_spec
from tests.embeddings.spaces import clustered, fill, make_space
from tests.factories import make_admin, make_image, make_item

pytestmark = pytest.mark.django_db

TEXTS = ["0.1 넓이", "0.9 기울기", "0.5 확률", "0.3 합"]
REASON = "nDCG@10 -0.214 [-0.310, -0.118]"


@pytest.fixture
def items() -> list[Item]:
    """The reranker would turn their order round; the first has no unit, and the last is of another subject."""
    for number, text in enumerate(TEXTS):
        make_item(code=f"i{number}", text=text, subject="수학", grade="중2", difficulty=3)
    Item.objects.filter(code="i0").update(unit="")
    Item.objects.filter(code="i3").update(subject="과학", difficulty=None)
    return list(Item.objects.order_by("code"))


@pytest.fixture
def space(items: list[Item]) -> Encoder:
    made = make_space(8)
    fill(made, items, clustered(len(TEXTS), 8))
    Encoder.objects.filter(pk=made.pk).update(is_active=True)
    return made


@pytest.fixture
def reranker(monkeypatch: pytest.MonkeyPatch) -> Reranker:
    monkeypatch.setitem(registry._BACKENDS, NAME, PLACE)
    fields = asdict(scripted_spec("exceptions")) | {"options": {}}
    return Reranker.objects.create(slug="scripted", name="Scripted", **fields)


@pytest.fixture
def user() -> User:
    return make_admin()


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    with translation.override("en"):
        yield


def off(reranker: Reranker, user: User, field: str, value: str) -> RerankException:
    return switch_off(reranker=reranker, field=field, value=value, reason=REASON, run="spring #12", user=user)


def search(reranker: Reranker, *, everywhere: bool = False, **asked: Any) -> SearchResponse:
    def encode(row: QueryEncoding) -> None:
        worker.encode_query(str(row.pk))

    def rerank(row: QueryReranking) -> None:
        worker.rerank_query(str(row.pk))

    request = SearchRequest(rerank=Rerank(reranker.slug, everywhere=everywhere), **asked)
    return search_by_worker(request, encode=encode, rerank=rerank)


def codes(response: SearchResponse) -> list[str]:
    return [hit.code for hit in response.hits]


# ---- which queries


@pytest.mark.parametrize(
    ("field", "value"),
    [("category", "text_only"), ("subject", "수학"), ("grade", "중2"), ("difficulty", "3"), ("unit", "")],
)
def test_hits_of_an_item_in_a_slice_that_is_off_keep_their_order(
    space: Encoder, reranker: Reranker, user: User, field: str, value: str
) -> None:
    plain = search_by_worker(SearchRequest(item_code="i0"))
    off(reranker, user, field, value)
    response = search(reranker, item_code="i0")
    assert codes(response) == codes(plain) != codes(search(reranker, item_code="i0", everywhere=True))
    assert response.reranked_by == ""


def test_the_answer_says_why_it_is_not_reranked_and_how_it_would_be(
    space: Encoder, reranker: Reranker, user: User
) -> None:
    off(reranker, user, "subject", "수학")
    (note,) = search(reranker, item_code="i0").notes
    assert note == (
        "The reranker “Scripted” did not reorder these hits: it is switched off for subject: 수학, where evaluation "
        f"showed harm ({REASON}, spring #12). To rerank them all the same, choose “Also where it is switched off” "
        "(rerank.everywhere, --rerank-everywhere)."
    )


def test_an_item_of_another_slice_is_reranked(space: Encoder, reranker: Reranker, user: User) -> None:
    off(reranker, user, "subject", "수학")
    off(reranker, user, "difficulty", "3")
    response = search(reranker, item_code="i3")
    assert codes(response) == ["i1", "i2", "i0"]
    assert (response.reranked_by, response.notes) == ("scripted", ())


def test_an_item_is_of_its_own_slice_whatever_the_filters_say(space: Encoder, reranker: Reranker, user: User) -> None:
    off(reranker, user, "subject", "과학")
    assert search(reranker, item_code="i0", filters=Filters(subject=("과학",))).reranked_by == "scripted"
    assert search(reranker, item_code="i3", filters=Filters(subject=("수학",))).reranked_by == ""


def test_everywhere_is_everywhere(space: Encoder, reranker: Reranker, user: User) -> None:
    off(reranker, user, "subject", "수학")
    response = search(reranker, item_code="i0", everywhere=True)
    assert (response.reranked_by, response.notes) == ("scripted", ())


@pytest.mark.parametrize(
    ("filters", "reranked_by"),
    [
        (Filters(subject=("수학",)), ""),
        (Filters(difficulty=(3,)), ""),
        (Filters(subject=("수학", "과학")), "scripted"),  # some of the hits are of a subject where it helps
        (Filters(subject=("과학",)), "scripted"),
        (Filters(), "scripted"),
    ],
)
def test_a_text_is_of_the_slice_that_its_filters_leave(
    space: Encoder, reranker: Reranker, user: User, filters: Filters, reranked_by: str
) -> None:
    off(reranker, user, "subject", "수학")
    off(reranker, user, "difficulty", "3")
    assert search(reranker, text="넓이", filters=filters).reranked_by == reranked_by


def test_another_reranker_is_not_switched_off_with_it(space: Encoder, reranker: Reranker, user: User) -> None:
    other = Reranker.objects.create(slug="other", **asdict(scripted_spec("another")) | {"options": {}})
    off(other, user, "subject", "수학")
    assert search(reranker, item_code="i0").reranked_by == "scripted"


def test_each_slice_that_holds_the_item_is_told(space: Encoder, reranker: Reranker, user: User) -> None:
    off(reranker, user, "subject", "수학")
    off(reranker, user, "category", "text_only")
    notes = search(reranker, item_code="i0").notes
    assert [("category: Text only" in note, "subject: 수학" in note) for note in notes] == [
        (True, False),
        (False, True),
    ]


# ---- what such a search is


def test_it_takes_no_time_of_the_reranker_and_looks_no_deeper(space: Encoder, reranker: Reranker, user: User) -> None:
    off(reranker, user, "subject", "수학")
    response = search(reranker, item_code="i0", k=2)
    assert "rerank" not in response.timings_ms
    assert [hit.reranked for hit in response.hits] == [None, None]
    assert not QueryReranking.objects.exists()


def test_its_weak_hits_are_those_below_the_cut_off(space: Encoder, reranker: Reranker, user: User) -> None:
    off(reranker, user, "subject", "수학")
    line = search(reranker, item_code="i0").hits[1].score
    hits = search(reranker, item_code="i0", weak_below=line).hits
    assert [hit.weak for hit in hits] == [False, False, True]


@pytest.mark.parametrize(
    ("asked", "queries"),
    [
        ({"item_code": "i0"}, 1),
        ({"text": "넓이", "filters": Filters(subject=("수학",))}, 1),
        ({"text": "넓이"}, 0),
    ],
)
def test_the_check_is_one_query_at_most(
    space: Encoder, reranker: Reranker, user: User, asked: dict[str, Any], queries: int
) -> None:
    search(reranker, **asked)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        search(reranker, **asked)
    assert sum("rerankexception" in each["sql"] for each in captured) == queries


def test_the_command_says_why_it_does_not_rerank(
    space: Encoder, reranker: Reranker, user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    off(reranker, user, "subject", "수학")
    call_command("search", "--item", "i0", "--rerank", "scripted", "--json")
    told = capsys.readouterr().out
    assert '"reranked_by": ""' in told
    assert "switched off for subject: 수학" in told


def test_the_command_reranks_everywhere_where_told_to(
    space: Encoder, reranker: Reranker, user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    off(reranker, user, "subject", "수학")
    call_command("search", "--item", "i0", "--rerank", "scripted", "--rerank-everywhere", "--json")
    told = capsys.readouterr().out
    assert '"reranked_by": "scripted"' in told
    assert told.index('"i1"') < told.index('"i2"') < told.index('"i3"')


def test_the_api_says_whether_it_reranked_and_why_not(
    space: Encoder, reranker: Reranker, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "send_task", lambda _name, args, **_options: worker.rerank_query(*args))
    api = Api("search")
    asked = {"item": "i0", "rerank": {"reranker": "scripted"}}
    assert api.post("/search", asked).json()["reranked_by"] == "scripted"
    off(reranker, user, "subject", "수학")
    answer = api.post("/search", asked).json()
    assert (answer["reranked_by"], len(answer["notes"])) == ("", 1)
    asked["rerank"] = {"reranker": "scripted", "everywhere": True}
    answer = api.post("/search", asked).json()
    assert (answer["reranked_by"], answer["notes"]) == ("scripted", [])


# ---- off and on


def test_who_switched_it_off_and_why_is_kept(reranker: Reranker, user: User) -> None:
    made = off(reranker, user, "subject", "수학")
    made.refresh_from_db()
    assert (made.created_by, made.reason, made.run) == (user, REASON, "spring #12")
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (user, str(reranker.pk))
    assert REASON in entry.change_message


def test_switching_off_twice_keeps_the_first_word(reranker: Reranker, user: User) -> None:
    first = off(reranker, user, "subject", "수학")
    again = switch_off(reranker=reranker, field="subject", value="수학", reason="another", user=user)
    assert (again.pk, again.reason) == (first.pk, REASON)
    assert LogEntry.objects.count() == 1


def test_switched_on_again_it_reranks(space: Encoder, reranker: Reranker, user: User) -> None:
    off(reranker, user, "subject", "수학")
    switch_on(reranker=reranker, field="subject", value="수학", user=user)
    assert search(reranker, item_code="i0").reranked_by == "scripted"
    assert "Switched on again for subject: 수학" in [entry.change_message for entry in LogEntry.objects.all()]


def test_switching_on_what_is_on_is_no_event(reranker: Reranker, user: User) -> None:
    switch_on(reranker=reranker, field="subject", value="수학", user=user)
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(("field", "reason"), [("text", REASON), ("subject", "")])
def test_a_field_that_is_no_slice_and_a_missing_reason_are_refused(
    reranker: Reranker, user: User, field: str, reason: str
) -> None:
    with pytest.raises(ValueError, match="a reason"):
        switch_off(reranker=reranker, field=field, value="x", reason=reason, user=user)


@pytest.mark.parametrize("wrong", [{"field": "text"}, {"reason": ""}, {"value": "수학"}])
def test_the_database_holds_the_rules_too(reranker: Reranker, user: User, wrong: dict[str, str]) -> None:
    off(reranker, user, "subject", "수학")
    told = {"field": "subject", "value": "과학", "reason": REASON} | wrong
    with pytest.raises(IntegrityError), transaction.atomic():
        RerankException.objects.create(reranker=reranker, **told)


def test_a_colleague_who_left_leaves_the_exception(reranker: Reranker, user: User) -> None:
    made = off(reranker, user, "subject", "수학")
    LogEntry.objects.all().delete()
    user.delete()
    made.refresh_from_db()
    assert made.created_by is None


def test_a_picture_of_the_item_makes_its_category(space: Encoder, reranker: Reranker, user: User) -> None:
    off(reranker, user, "category", "image")
    assert search(reranker, item_code="i0").reranked_by == "scripted"
    make_image(Item.objects.get(code="i0"))
    Item.objects.filter(code="i0").update(category="image")
    assert search(reranker, item_code="i0").reranked_by == ""
