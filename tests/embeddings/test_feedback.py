"""What people searched for and what they said of the hits, kept for them."""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from PIL import Image

from embeddings import feedback
from embeddings.feedback import FeedbackError, digest_of, marks_of, recent_queries, remember, set_mark
from embeddings.models import SearchMark, SearchQuery
from embeddings.search.answers import Hit, SearchResponse, SignalScore
from embeddings.search.types import Filters, SearchRequest
from itembank.models import Item
from tests.factories import make_item, make_staff

pytestmark = pytest.mark.django_db


def _answer(*items: Item) -> SearchResponse:
    scores = {"dense": SignalScore(score=0.5, normalised=0.5, share=0.5, rank=1)}
    hits = tuple(Hit(rank, item.pk, item.code, 0.5, scores) for rank, item in enumerate(items, start=1))
    return SearchResponse(hits, "hashing", "dense", "exact", {"total": 12.5}, notes=())


def _picture(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), colour).save(buffer, "PNG")
    return buffer.getvalue()


def _search(user: Any, link: str = "text=a", **asked: Any) -> SearchQuery:
    return remember(user=user, request=SearchRequest(**asked or {"text": "a"}), response=_answer(), link=link)


# ---- the history


def test_a_search_is_kept_with_what_was_asked_and_what_came_of_it() -> None:
    item, other = make_item(), make_item()
    request = SearchRequest(item_code=item.code)
    kept = remember(user=make_staff(), request=request, response=_answer(other), link=f"item={item.code}")
    kept.refresh_from_db()
    assert (kept.item, kept.item_code, kept.text, kept.link) == (item, item.code, "", f"item={item.code}")
    assert (kept.method, kept.encoder, kept.hit_count, kept.milliseconds, kept.times) == (
        "dense",
        "hashing",
        1,
        12.5,
        1,
    )


def test_the_same_search_asked_again_is_counted_and_comes_first() -> None:
    user = make_staff()
    first, second = _search(user), _search(user, "text=b", text="b")
    assert recent_queries(user=user) == [second, first]
    assert _search(user).times == 2
    assert recent_queries(user=user) == [first, second]


def test_another_method_is_another_line_but_the_same_question() -> None:
    user = make_staff()
    words = _search(user, "text=a&method=lexical", text="a", method="lexical")
    vectors = _search(user, "text=a", text="a")
    assert words.pk != vectors.pk
    assert words.digest == vectors.digest


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ({"text": "a"}, {"text": " a "}, True),
        ({"text": "a"}, {"text": "a", "filters": Filters(subject=("수학",)), "k": 3}, True),
        ({"text": "x", "formula": "y^2"}, {"text": "x\n$y^2$"}, True),
        ({"text": "a"}, {"text": "b"}, False),
        ({"text": "a"}, {"item_code": "a"}, False),
        ({"text": "a"}, {"text": "a", "image": b"1"}, False),
        ({"image": b"1"}, {"image": b"2"}, False),
    ],
)
def test_the_digest_is_of_what_is_asked_and_not_of_how(left: Any, right: Any, same: bool) -> None:
    assert (digest_of(SearchRequest(**left)) == digest_of(SearchRequest(**right))) is same


def test_a_person_keeps_the_newest_searches_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "KEPT", 3)
    user, other = make_staff(), make_staff("other")
    _search(other)
    kept = [_search(user, f"text={number}", text=str(number)) for number in range(5)]
    assert recent_queries(user=user) == kept[:1:-1]
    assert len(recent_queries(user=other)) == 1


def test_an_image_is_kept_as_a_small_preview_only() -> None:
    kept = _search(make_staff(), "", image=_picture())
    kept.refresh_from_db()
    assert kept.preview is not None
    with Image.open(io.BytesIO(bytes(kept.preview))) as preview:
        assert (preview.format, preview.size) == ("WEBP", (160, 107))


def test_a_very_long_text_is_remembered_with_its_link() -> None:
    user, text = make_staff(), "긴 글 " * 5_000
    link = "text=" + text
    assert _search(user, link, text=text).pk == _search(user, link, text=text).pk


def test_the_history_outlives_the_item_that_was_asked_about() -> None:
    user, item = make_staff(), make_item()
    code = item.code
    _search(user, f"item={code}", item_code=code)
    item.delete()
    (kept,) = recent_queries(user=user)
    assert (kept.item, kept.item_code) == (None, code)


def test_forgetting_one_or_all_leaves_the_thumbs_and_other_people_alone() -> None:
    user, other, item = make_staff(), make_staff("other"), make_item()
    first, theirs = _search(user), _search(other)
    _search(user, "text=b", text="b")
    set_mark(user=user, query=first, item=item, verdict=1, found_by={})
    assert feedback.forget(user=user, query=theirs.pk) == 0
    assert feedback.forget(user=user, query=first.pk) == 1
    assert feedback.forget(user=user) == 1
    assert list(SearchQuery.objects.all()) == [theirs]
    assert SearchMark.objects.count() == 1


# ---- thumbs


def test_a_thumb_is_changed_by_the_next_and_taken_back_by_none() -> None:
    user, item = make_staff(), make_item()
    query = _search(user)
    for verdict in (1, -1):
        set_mark(user=user, query=query, item=item, verdict=verdict, found_by={})
        assert marks_of(user=user, digest=query.digest, item_ids=[item.pk]) == {item.pk: verdict}
    assert set_mark(user=user, query=query, item=item, verdict=0, found_by={}) is None
    assert marks_of(user=user, digest=query.digest, item_ids=[item.pk]) == {}


def test_a_thumb_says_what_was_asked_and_how_it_was_found() -> None:
    user, asked, item = make_staff(), make_item(), make_item()
    query = _search(user, f"item={asked.code}", item_code=asked.code)
    found = {"method": "hybrid", "encoder": "kure-v1", "rank": 3, "score": 0.7, "other": "x"}
    mark = set_mark(user=user, query=query, item=item, verdict=1, found_by=found)
    assert mark is not None
    mark.refresh_from_db()
    assert (mark.query_item, mark.query_code, mark.link) == (asked, asked.code, f"item={asked.code}")
    assert mark.found_by == {"method": "hybrid", "encoder": "kure-v1", "rank": 3, "score": 0.7}


def test_people_see_their_own_thumbs_on_their_hits() -> None:
    user, other, item = make_staff(), make_staff("other"), make_item()
    set_mark(user=other, query=_search(other), item=item, verdict=1, found_by={})
    assert marks_of(user=user, digest=_search(user).digest, item_ids=[item.pk]) == {}


def test_the_query_item_itself_cannot_be_marked() -> None:
    user, item = make_staff(), make_item()
    query = _search(user, item_code=item.code)
    with pytest.raises(FeedbackError):
        set_mark(user=user, query=query, item=item, verdict=1, found_by={})


def test_another_verdict_is_refused_by_the_service_and_by_the_database() -> None:
    user, item = make_staff(), make_item()
    query = _search(user)
    with pytest.raises(FeedbackError):
        set_mark(user=user, query=query, item=item, verdict=5, found_by={})
    mark = set_mark(user=user, query=query, item=item, verdict=1, found_by={})
    assert mark is not None
    with pytest.raises(IntegrityError, match="searchmark_up_or_down"), transaction.atomic():
        SearchMark.objects.filter(pk=mark.pk).update(verdict=5)


def test_thumbs_survive_edits_of_items_and_go_with_the_hit() -> None:
    user, asked, item = make_staff(), make_item(), make_item()
    set_mark(user=user, query=_search(user, item_code=asked.code), item=item, verdict=1, found_by={})
    Item.objects.filter(pk=item.pk).update(text="another text")
    assert SearchMark.objects.count() == 1
    code = asked.code
    asked.delete()
    mark = SearchMark.objects.get()
    assert (mark.query_item, mark.query_code) == (None, code)
    item.delete()
    assert not SearchMark.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_item_deleted_while_it_is_marked_is_said_in_words() -> None:
    user, item = make_staff(), make_item()
    gone = Item.objects.get(pk=item.pk)
    item.delete()
    with pytest.raises(FeedbackError, match="deleted"):
        set_mark(user=user, query=_search(user), item=gone, verdict=1, found_by={})


@pytest.mark.django_db(transaction=True)
def test_the_same_search_from_many_windows_at_once_is_one_line_that_counts_each() -> None:
    user = make_staff()

    def ask(_window: int) -> int:
        try:
            return _search(user).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as windows:
        assert len(set(windows.map(ask, range(6)))) == 1
    assert SearchQuery.objects.get().times == 6


@pytest.mark.django_db(transaction=True)
def test_a_thumb_pressed_twice_at_once_is_one_mark() -> None:
    user, item = make_staff(), make_item()
    query = _search(user)

    def press(verdict: int) -> None:
        try:
            set_mark(user=user, query=query, item=item, verdict=verdict, found_by={})
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as presses:
        list(presses.map(press, [1, -1] * 3))
    assert SearchMark.objects.get().verdict in {1, -1}
