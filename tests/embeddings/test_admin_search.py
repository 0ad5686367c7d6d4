"""The search page: queries in, cards out, and a clear word where there is nothing to show."""

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image

from embeddings.models import Encoder
from embeddings.services import activate_encoder
from embeddings.term_services import index_terms
from itembank.models import Item
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.factories import allow, make_admin, make_image, make_item, make_staff

pytestmark = pytest.mark.django_db

PAGE = "/admin/search/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


@pytest.fixture
def encoder() -> Encoder:
    """The active encoder, over forty items."""
    space = make_space(8)
    fill(space, make_items(40), clustered(40, 8))
    return activate_encoder(encoder=space)


def _first_code() -> str:
    return Item.objects.order_by("code").values_list("code", flat=True)[0]


def _error(response: Any) -> str:
    return str(response.context["answer"].error.error_code)


def _picture(form: str = "PNG") -> SimpleUploadedFile:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(buffer, form)
    return SimpleUploadedFile("query.png", buffer.getvalue(), "image/png")


def test_an_empty_page_searches_nothing(admin: Client, encoder: Encoder) -> None:
    response = admin.get(PAGE)
    assert response.status_code == 200
    assert "answer" not in response.context


def test_an_empty_bank_says_so(admin: Client) -> None:
    assert not admin.get(PAGE).context["has_items"]
    assert "inbox" in admin.get(PAGE).content.decode()


def test_similar_items_are_shown_as_cards_with_rank_code_and_score(admin: Client, encoder: Encoder) -> None:
    response = admin.get(PAGE, {"item": _first_code()})
    cards = response.context["cards"]
    assert [card.hit.rank for card in cards] == list(range(1, 11))
    html = response.content.decode()
    for card in cards:
        assert card.hit.code in html
        assert f"{card.hit.score:.3f}" in html


def test_the_page_tells_route_and_times(admin: Client, encoder: Encoder) -> None:
    context = admin.get(PAGE, {"item": _first_code()}).context
    assert context["response"].route == "exact"
    assert len(context["answer"].columns[0].stages) == 3


def test_k_filters_and_encoder_are_respected(admin: Client, encoder: Encoder) -> None:
    other = make_items(5, subject="물리학")
    second = make_space(8)
    fill(second, other, clustered(5, 8, seed=1))
    query = {"item": other[0].code, "subject": "물리학", "k": "2", "encoder": second.slug}
    context = admin.get(PAGE, query).context
    assert context["response"].encoder == second.slug
    assert [card.item.subject for card in context["cards"]] == ["물리학", "물리학"]


def test_filters_offer_the_values_that_occur(admin: Client, encoder: Encoder) -> None:
    facets = {facet.name: facet for facet in admin.get(PAGE).context["form"].facets}
    assert facets["subject"].boxes == [("수학", "수학", False)]


def test_a_text_search_gets_an_address_that_reproduces_it(admin: Client, encoder: Encoder) -> None:
    response = admin.post(PAGE, {"text": "일차함수 $y=x$", "subject": "수학", "k": "10", "exact": "on"})
    assert response.status_code == 302
    assert response["Location"].startswith(f"{PAGE}?text=")
    for part in ("exact=1", "subject="):
        assert part in response["Location"]
    assert "k=" not in response["Location"]


def test_a_text_too_long_for_an_address_is_answered_at_once(admin: Client, encoder: Encoder) -> None:
    text = "다음 글을 읽고 물음에 답하시오. " * 40
    response = admin.post(PAGE, {"text": text, "encoder": "none"})
    assert response.status_code == 200
    assert _error(response) == "unknown-encoder"
    assert text.strip() in response.content.decode()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"item": "none"}, "unknown-item"),
        ({"text": "글", "item": "x"}, "two-queries"),
        ({"text": "글", "encoder": "none"}, "unknown-encoder"),
        ({"item": "x", "category": "none"}, "unknown-category"),
        ({"item": "x", "difficulty": "nine"}, "bad-difficulty"),
    ],
)
def test_hopeless_queries_are_answered_in_words(
    admin: Client, encoder: Encoder, query: dict[str, str], code: str
) -> None:
    response = admin.get(PAGE, query)
    assert response.status_code == 200
    assert _error(response) == code
    assert 'role="alert"' in response.content.decode()


@pytest.mark.parametrize("query", [{"text": "x" * 20_001}, {"text": "a", "k": "0"}, {"text": "a", "k": "x"}])
def test_broken_forms_name_the_field(admin: Client, encoder: Encoder, query: dict[str, str]) -> None:
    response = admin.get(PAGE, query)
    assert response.context["form"].errors
    assert "ib-note ib-bad" in response.content.decode()


@pytest.mark.parametrize("text", ["\x00", "\x00일차함수"])
def test_control_characters_are_refused_in_words(admin: Client, encoder: Encoder, text: str) -> None:
    assert admin.get(PAGE, {"text": text}).status_code == 200


def test_filters_that_leave_nothing_say_so(admin: Client, encoder: Encoder) -> None:
    response = admin.get(PAGE, {"item": _first_code(), "subject": "없는 과목"})
    assert response.context["cards"] == []
    assert "search_off" in response.content.decode()


def test_without_an_encoder_in_use_the_page_points_to_the_encoders(admin: Client) -> None:
    make_items(1)
    response = admin.get(PAGE, {"item": _first_code()})
    assert _error(response) == "no-active-encoder"
    assert "/admin/embeddings/encoder/" in response.content.decode()


def test_a_file_that_is_no_picture_is_refused_in_words(admin: Client, encoder: Encoder) -> None:
    upload = SimpleUploadedFile("query.png", b"<svg onload=alert(1)>", "image/png")
    response = admin.post(PAGE, {"image": upload})
    assert response.status_code == 200
    assert _error(response)
    assert response.context["query_picture"] == ""


def test_the_query_picture_is_shown_again_made_safe(admin: Client, encoder: Encoder) -> None:
    response = admin.post(PAGE, {"image": _picture()})
    assert response.context["query_picture"].startswith("data:image/webp;base64,")


def test_an_oversized_picture_names_the_limit(admin: Client, encoder: Encoder) -> None:
    upload = SimpleUploadedFile("query.png", bytes(11 * 1024 * 1024), "image/png")
    assert "10" in str(admin.post(PAGE, {"image": upload}).context["form"].errors["image"])


def test_hits_with_images_show_them(admin: Client) -> None:
    items = [make_item() for _ in range(5)]
    image = make_image(items[1])
    space = make_space(8)
    items[1].refresh_from_db()
    fill(space, items, clustered(5, 8))
    html = admin.get(PAGE, {"item": items[0].code, "encoder": space.slug}).content.decode()
    assert f"/media/thumbnails/{image.pk}/320/" in html


@pytest.mark.parametrize("column", [{}, {"compare": "1", "method": "hybrid"}])
def test_the_number_of_queries_does_not_grow_with_that_of_hits(
    admin: Client, encoder: Encoder, column: dict[str, str]
) -> None:
    index_terms()
    for item in Item.objects.all()[:10]:
        make_image(item)
    asked = {"item": _first_code(), **column}
    admin.get(PAGE, asked)  # what a process reads once
    counted = []
    for k in ("2", "30"):
        with CaptureQueriesContext(connection) as queries:
            assert len(admin.get(PAGE, {**asked, "k": k}).context["cards"]) == int(k)
        counted.append(len(queries))
    assert counted[0] == counted[1]
    assert counted[0] <= (60 if column else 32)


def test_searching_needs_its_permission(client: Client) -> None:
    client.force_login(make_staff())
    assert client.get(PAGE).status_code == 403
    client.force_login(allow(make_staff("other"), "embeddings.search_items"))
    assert client.get(PAGE).status_code == 200


def test_visitors_are_asked_to_sign_in(client: Client) -> None:
    assert client.get(PAGE)["Location"].startswith("/admin/login/")


def test_a_post_without_its_token_is_refused(encoder: Encoder) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_admin())
    assert client.post(PAGE, {"text": "글"}).status_code == 403


def test_a_search_by_both_says_what_each_signal_gave(admin: Client, encoder: Encoder) -> None:
    index_terms()
    response = admin.get(PAGE, {"item": _first_code(), "method": "hybrid"})
    assert set(response.context["cards"][0].hit.signals) == {"dense", "lexical"}
    why = response.context["cards"][0].why
    assert [row.rank is None for row in why.rows].count(False)
    assert sum(row.share for row in why.rows) == pytest.approx(why.hit.score, abs=1e-6)
    assert "&amp;method=hybrid" in response.content.decode()


def test_the_same_text_with_other_numbers_is_left_out_where_that_is_asked(admin: Client) -> None:
    items = [make_item() for _number in range(3)] + [make_item(text="원의 넓이를 구하시오.")]
    space = make_space(8)
    fill(space, items, clustered(4, 8))
    activate_encoder(encoder=space)
    shown = {
        apart: [card.hit.code for card in admin.get(PAGE, {"item": items[0].code, **apart_of}).context["cards"]]
        for apart, apart_of in {False: {}, True: {"apart": "1"}}.items()
    }
    assert len(shown[False]) == 3
    assert shown[True] == [items[3].code]


def test_methods_by_both_are_offered_where_there_is_an_encoder(admin: Client) -> None:
    assert 'value="hybrid"' not in admin.get(PAGE).content.decode()
    make_space(8)
    assert 'value="hybrid"' in admin.get(PAGE).content.decode()
