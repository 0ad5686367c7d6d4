"""The pages of a person's searches and of thumbs, and where thumbs are sent to."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from PIL import Image

from embeddings.feedback import remember, set_mark
from embeddings.models import SearchMark, SearchQuery
from embeddings.search.answers import Hit, SearchResponse, SignalScore
from embeddings.search.types import SearchRequest
from itembank.models import Item
from tests.factories import allow, make_image, make_item, make_staff

pytestmark = pytest.mark.django_db

HISTORY, CLEAR = "/admin/search/history/", "/admin/search/history/clear/"
MARK, MARKS = "/admin/search/mark/", "/admin/search/marks/"
HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture
def teacher() -> User:
    return allow(make_staff("teacher"), "embeddings.search_items", "embeddings.add_searchmark")


@pytest.fixture
def lead() -> User:
    return allow(make_staff("lead"), "embeddings.search_items", "embeddings.view_searchmark")


@pytest.fixture
def signed_in(client: Client) -> Callable[[User], Client]:
    def sign_in(user: User) -> Client:
        client.force_login(user)
        client.cookies["django_language"] = "en"
        return client

    return sign_in


def _search(user: User, link: str | None = None, **asked: Any) -> SearchQuery:
    asked = asked or {"text": "a"}
    item = make_item(code=f"H-{SearchQuery.objects.count()}-{user.pk}-{Item.objects.count()}")
    scores = {"dense": SignalScore(score=0.5, normalised=0.5, share=0.5, rank=1)}
    answer = SearchResponse((Hit(1, item.pk, item.code, 0.5, scores),), "hashing", "dense", "exact", {"total": 12.0})
    given = asked.get("text") or asked.get("item_code")
    link = link if link is not None else f"{'text' if 'text' in asked else 'item'}={given}"
    return remember(user=user, request=SearchRequest(**asked), response=answer, link=link)


def _mark(user: User, verdict: int = 1, **fields: Any) -> SearchMark:
    query = _search(user, item_code=make_item().code)
    mark = set_mark(user=user, query=query, item=make_item(**fields), verdict=verdict, found_by={"rank": 2})
    assert mark is not None
    return mark


def _picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(buffer, "PNG")
    return buffer.getvalue()


# ---- the history


def test_the_history_is_empty_at_first_and_says_so(signed_in: Callable[..., Client], teacher: User) -> None:
    assert "No search yet" in signed_in(teacher).get(HISTORY).content.decode()


def test_searches_are_told_with_link_method_and_filters(signed_in: Callable[..., Client], teacher: User) -> None:
    _search(teacher, "text=%24x%5E2%24&subject=%EC%88%98%ED%95%99&category=image", text="$x^2$ 을 구하시오")
    html = signed_in(teacher).get(HISTORY).content.decode()
    assert "<math" in html
    assert "subject: 수학" in html
    assert "category: With image" in html
    assert 'href="/admin/search/?text=%24x%5E2%24&amp;subject=%EC%88%98%ED%95%99&amp;category=image"' in html


def test_an_item_that_was_asked_about_is_shown_with_its_picture(
    signed_in: Callable[..., Client], teacher: User
) -> None:
    item = make_item()
    image = make_image(item)
    _search(teacher, item_code=item.code)
    html = signed_in(teacher).get(HISTORY).content.decode()
    assert reverse("admin:itembank_item_change", args=[item.pk]) in html
    assert f"/media/thumbnails/{image.pk}/96/" in html


def test_a_deleted_item_leaves_its_code_without_a_link_to_ask_again(
    signed_in: Callable[..., Client], teacher: User
) -> None:
    item = make_item(code="GONE-1")
    _search(teacher, item_code=item.code)
    item.delete()
    html = signed_in(teacher).get(HISTORY).content.decode()
    assert "GONE-1" in html
    assert "no longer there" in html
    assert "?item=GONE-1" not in html


def test_a_picture_is_shown_small_and_asked_to_be_chosen_again(signed_in: Callable[..., Client], teacher: User) -> None:
    _search(teacher, "", image=_picture())
    html = signed_in(teacher).get(HISTORY).content.decode()
    assert "data:image/webp;base64," in html
    assert "choose it again" in html


def test_a_long_text_is_posted_again_with_its_filters(signed_in: Callable[..., Client], teacher: User) -> None:
    text = "x" * 5_000
    _search(teacher, f"text={text}&subject=a&subject=b", text=text)
    html = signed_in(teacher).get(HISTORY).content.decode()
    assert f'<input type="hidden" name="text" value="{text}">' in html
    assert '<input type="hidden" name="subject" value="b">' in html


def test_hostile_texts_stay_texts(signed_in: Callable[..., Client], teacher: User) -> None:
    _search(teacher, "text=a", text="<script>alert(1)</script>")
    assert "<script>alert(1)" not in signed_in(teacher).get(HISTORY).content.decode()


def test_nobody_sees_or_deletes_the_searches_of_others(
    signed_in: Callable[..., Client], teacher: User, lead: User
) -> None:
    theirs = _search(lead, text="somebody's own")
    client = signed_in(teacher)
    assert "somebody" not in client.get(HISTORY).content.decode()
    client.post(f"{HISTORY}{theirs.pk}/delete/")
    client.post(CLEAR)
    assert SearchQuery.objects.filter(pk=theirs.pk).exists()


def test_one_search_is_deleted_at_a_click(signed_in: Callable[..., Client], teacher: User) -> None:
    first, second = _search(teacher), _search(teacher, text="b")
    assert signed_in(teacher).post(f"{HISTORY}{first.pk}/delete/").status_code == 302
    assert list(SearchQuery.objects.all()) == [second]


def test_deleting_all_asks_first(signed_in: Callable[..., Client], teacher: User) -> None:
    _search(teacher)
    client = signed_in(teacher)
    assert "1 search is deleted" in client.get(CLEAR).content.decode()
    assert SearchQuery.objects.exists()
    assert client.post(CLEAR)["Location"] == HISTORY
    assert not SearchQuery.objects.exists()


def test_the_history_is_paged_and_takes_few_queries(
    signed_in: Callable[..., Client], teacher: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(55):
        _search(teacher, item_code=make_item().code) if number % 2 else _search(teacher, text=str(number))
    client = signed_in(teacher)
    client.get(HISTORY)
    with django_assert_max_num_queries(15):
        html = client.get(HISTORY).content.decode()
    assert "1 / 2" in html
    assert len(client.get(HISTORY, {"p": "2"}).context["lines"]) == 5


@pytest.mark.parametrize("page", ["x", "-1", "99", "0", "\x00"])
def test_an_impossible_page_is_some_page(signed_in: Callable[..., Client], teacher: User, page: str) -> None:
    assert signed_in(teacher).get(HISTORY, {"p": page}).status_code == 200


@pytest.mark.parametrize("address", [HISTORY, CLEAR, MARKS])
def test_the_pages_need_their_permissions(signed_in: Callable[..., Client], address: str) -> None:
    assert signed_in(make_staff("nobody")).get(address).status_code == 403


def test_the_sidebar_leads_to_history_and_thumbs(signed_in: Callable[..., Client], teacher: User) -> None:
    html = signed_in(teacher).get("/admin/").content.decode()
    assert f'href="{HISTORY}"' in html
    assert f'href="{MARKS}"' in html


# ---- where thumbs are sent to


def test_a_script_marks_changes_and_takes_back(signed_in: Callable[..., Client], teacher: User) -> None:
    query, item = _search(teacher), make_item()
    client = signed_in(teacher)
    sent = {"query": query.pk, "item": item.code, "method": "hybrid", "rank": "3", "score": "0.75", "encoder": "a"}
    for verdict in ("1", "-1"):
        response = client.post(MARK, sent | {"verdict": verdict})
        assert response.json() == {"verdict": int(verdict)}
    mark = SearchMark.objects.get()
    assert mark.verdict == -1
    assert mark.found_by == {"method": "hybrid", "encoder": "a", "rank": 3, "score": 0.75}
    assert client.post(MARK, sent | {"verdict": "0"}).json() == {"verdict": 0}
    assert not SearchMark.objects.exists()


def test_a_plain_form_goes_back_to_its_page(signed_in: Callable[..., Client], teacher: User) -> None:
    query, item = _search(teacher), make_item()
    sent = {"query": query.pk, "item": item.code, "verdict": "1"}
    back = "http://testserver/admin/search/?text=a"
    response = signed_in(teacher).post(MARK, sent, HTTP_ACCEPT=HTML, HTTP_REFERER=back)
    assert response["Location"] == back


def test_nobody_is_led_to_another_site(signed_in: Callable[..., Client], teacher: User) -> None:
    query, item = _search(teacher), make_item()
    sent = {"query": query.pk, "item": item.code, "verdict": "1", "next": "https://evil.example/"}
    assert signed_in(teacher).post(MARK, sent, HTTP_ACCEPT=HTML)["Location"] == "/admin/search/"


def test_a_plain_form_is_told_what_was_wrong(signed_in: Callable[..., Client], teacher: User) -> None:
    sent = {"query": _search(teacher).pk, "item": "none", "verdict": "1"}
    response = signed_in(teacher).post(MARK, sent, HTTP_ACCEPT=HTML, follow=True)
    assert "There is no such item any more" in response.content.decode()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"verdict": "2"}, 400),
        ({"verdict": ""}, 400),
        ({"query": "0"}, 404),
        ({"query": "x"}, 404),
        ({"query": "9" * 40}, 404),
        ({"query": "-1"}, 404),
        ({"query": "²"}, 404),
        ({"item": ""}, 404),
        ({"item": "\x00"}, 404),
        ({"item": "x" * 10_000}, 404),
        ({"item": "' OR 1=1 --"}, 404),
    ],
)
def test_what_cannot_be_marked_is_refused_in_words(
    signed_in: Callable[..., Client], teacher: User, changes: dict[str, str], status: int
) -> None:
    sent = {"query": str(_search(teacher).pk), "item": make_item().code, "verdict": "1"} | changes
    response = signed_in(teacher).post(MARK, sent)
    assert response.status_code == status
    assert response.json()["error"]
    assert not SearchMark.objects.exists()


@pytest.mark.parametrize(
    "found",
    [{"rank": "-3", "score": "nan"}, {"rank": "9" * 5_000, "score": "inf"}, {"rank": "²", "score": "x"},
     {"method": "<b>", "encoder": "a\x00\n"}, {"encoder": "x" * 50_000}],
)  # fmt: skip
def test_a_strange_origin_is_left_out_and_the_mark_kept(
    signed_in: Callable[..., Client], teacher: User, found: dict[str, str]
) -> None:
    sent = {"query": _search(teacher).pk, "item": make_item().code, "verdict": "1"} | found
    assert signed_in(teacher).post(MARK, sent).json() == {"verdict": 1}
    assert not {"rank", "score", "method"} & SearchMark.objects.get().found_by.keys()


def test_the_query_of_somebody_else_is_not_there(signed_in: Callable[..., Client], teacher: User, lead: User) -> None:
    sent = {"query": _search(lead).pk, "item": make_item().code, "verdict": "1"}
    assert signed_in(teacher).post(MARK, sent).status_code == 404


def test_marking_needs_its_permission_a_post_and_its_token(signed_in: Callable[..., Client], teacher: User) -> None:
    assert signed_in(teacher).get(MARK).status_code == 405
    assert signed_in(make_staff("nobody")).post(MARK).status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(teacher)
    assert strict.post(MARK, {"verdict": "1"}).status_code == 403


# ---- the list of thumbs


def test_people_see_their_own_thumbs_and_leads_everybodys(
    signed_in: Callable[..., Client], teacher: User, lead: User
) -> None:
    own, other = _mark(teacher), _mark(allow(make_staff("other"), "embeddings.add_searchmark"), -1)
    assert [line.mark for line in signed_in(teacher).get(MARKS).context["lines"]] == [own]
    assert {line.mark for line in signed_in(lead).get(MARKS).context["lines"]} == {own, other}


def test_thumbs_are_filtered_by_person_verdict_and_subject(
    signed_in: Callable[..., Client], teacher: User, lead: User
) -> None:
    up, down, physics = _mark(teacher), _mark(teacher, -1), _mark(lead, subject="물리학")
    client = signed_in(lead)

    def shown(**filters: Any) -> set[SearchMark]:
        return {line.mark for line in client.get(MARKS, filters).context["lines"]}

    assert shown(person=teacher.pk) == {up, down}
    assert shown(verdict=-1) == {down}
    assert shown(subject="물리학") == {physics}
    assert shown(person=teacher.pk, verdict=1, subject="수학") == {up}


@pytest.mark.parametrize("filters", [{"person": "x"}, {"person": "9" * 30}, {"verdict": "5"}, {"subject": "\x00"}])
def test_filters_that_make_no_sense_filter_nothing(
    signed_in: Callable[..., Client], lead: User, filters: dict[str, str]
) -> None:
    _mark(lead)
    assert len(signed_in(lead).get(MARKS, filters).context["lines"]) == 1


def test_the_list_of_thumbs_takes_as_many_queries_for_fifty_as_for_two(
    signed_in: Callable[..., Client], lead: User, django_assert_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = signed_in(lead)
    for _each in range(2):
        make_image(_mark(lead).item)
    client.get(MARKS)
    with CaptureQueriesContext(connection) as few:
        client.get(MARKS)
    for number in range(48):
        _mark(make_staff(f"person-{number}"))
    with django_assert_num_queries(len(few)):
        client.get(MARKS)


def test_a_thumb_of_ones_own_is_taken_back_and_no_other(
    signed_in: Callable[..., Client], teacher: User, lead: User
) -> None:
    own, other = _mark(teacher), _mark(lead)
    client = signed_in(teacher)
    for mark in (own, other):
        assert client.post(f"{MARKS}{mark.pk}/delete/").status_code == 302
    assert list(SearchMark.objects.all()) == [other]


def test_thumbs_of_a_person_who_left_stay(signed_in: Callable[..., Client], teacher: User, lead: User) -> None:
    mark = _mark(teacher)
    teacher.delete()
    html = signed_in(lead).get(MARKS).content.decode()
    assert mark.item.code in html
    assert "no longer here" in html


def test_a_huge_number_in_an_address_is_nothing(signed_in: Callable[..., Client], teacher: User) -> None:
    client = signed_in(teacher)
    for address in (f"{MARKS}{10**30}/delete/", f"{HISTORY}{10**30}/delete/"):
        assert client.post(address).status_code == 302


def test_items_are_read_with_the_thumbs(signed_in: Callable[..., Client], lead: User) -> None:
    mark = _mark(lead)
    Item.objects.filter(pk=mark.item_id).update(text="an edited text")
    assert "an edited text" in signed_in(lead).get(MARKS).content.decode()


def test_an_item_with_thumbs_is_deleted_in_the_admin_like_any_other(
    signed_in: Callable[..., Client], lead: User
) -> None:
    mark = _mark(lead)
    user = allow(lead, "itembank.view_item", "itembank.delete_item")
    address = reverse("admin:itembank_item_delete", args=[mark.item_id])
    assert signed_in(user).post(address, {"post": "yes"}).status_code == 302
    assert not SearchMark.objects.exists()
