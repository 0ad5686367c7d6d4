"""Two columns, why each hit is one, thumbs and history on the search page."""

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from embeddings.admin.search_why import Why
from embeddings.models import Encoder, SearchMark, SearchQuery
from embeddings.search import Hit, RerankScore, SignalScore
from embeddings.services import activate_encoder
from embeddings.term_services import index_terms
from itembank.models import Item
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.factories import allow, make_admin, make_staff

pytestmark = pytest.mark.django_db

PAGE = "/admin/search/"


@pytest.fixture
def code() -> str:
    """That of the first of twenty items, which an encoder in use has vectors of; their words are indexed."""
    items = make_items(20)
    space = make_space(8)
    fill(space, items, clustered(20, 8))
    activate_encoder(encoder=space)
    index_terms()
    return items[0].code


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def _columns(client: Client, query: dict[str, Any]) -> list[Any]:
    return list(client.get(PAGE, query).context["answer"].columns)


def _codes(column: Any) -> list[str]:
    return [card.hit.code for card in column.cards]


# ---- two columns


def test_two_methods_answer_the_same_query_beside_each_other(admin: Client, code: str) -> None:
    first, second = _columns(admin, {"item": code, "compare": "1", "b-method": "lexical", "k": "5"})
    assert (first.response.method, second.response.method) == ("dense", "lexical")
    assert _codes(first) == _codes(_columns(admin, {"item": code, "k": "5"})[0])
    assert _codes(second) == _codes(_columns(admin, {"item": code, "method": "lexical", "k": "5"})[0])


def test_each_card_says_where_it_is_in_the_other_column(admin: Client, code: str) -> None:
    first, second = _columns(admin, {"item": code, "compare": "1", "b-method": "lexical", "k": "5"})
    ranks = {card.hit.code: card.hit.rank for card in second.cards}
    assert [card.place.there for card in first.cards] == [ranks.get(card.hit.code) for card in first.cards]


def test_the_same_method_twice_has_all_in_common(admin: Client, code: str) -> None:
    response = admin.get(PAGE, {"item": code, "compare": "1", "b-method": "dense"})
    common = response.context["answer"].common
    assert (common.both, common.same_rank, common.percent) == (10, 10, 100)


def test_an_error_in_one_column_leaves_the_other_standing(admin: Client, code: str) -> None:
    response = admin.get(PAGE, {"item": code, "compare": "1", "b-method": "dense", "b-encoder": "none"})
    first, second = response.context["answer"].columns
    assert (len(first.cards), second.error_code) == (10, "unknown-encoder")
    assert response.context["answer"].error is None
    assert response.context["answer"].common is None
    assert [card.place for card in first.cards] == [None] * 10


def test_a_setting_that_is_no_number_stands_in_its_column(admin: Client, code: str) -> None:
    first, second = _columns(admin, {"item": code, "compare": "1", "b-method": "hybrid", "b-alpha": "x"})
    assert (first.error, second.error_code) == ("", "broken-setting")


def test_an_error_of_the_query_is_said_once(admin: Client, code: str) -> None:
    response = admin.get(PAGE, {"item": "none", "compare": "1"})
    assert response.content.decode().count('role="alert"') == 1


def test_similar_from_a_card_goes_on_comparing_without_the_filters(admin: Client, code: str) -> None:
    query = {"item": code, "subject": "수학", "compare": "1", "b-method": "hybrid", "b-alpha": "0.3"}
    card = _columns(admin, query)[1].cards[0]
    assert card.similar == f"item={card.hit.code}&compare=1&b-method=hybrid&b-alpha=0.3"


# ---- why


SIGNALS = {"dense": SignalScore(0.8, 1.0, 0.6, 1, True), "lexical": SignalScore(None, 0.0, 0.2, None)}


def _hit(**fields: Any) -> Hit:
    values: dict[str, Any] = {"rank": 1, "item_id": 1, "code": "M-1", "score": 0.8, "signals": SIGNALS} | fields
    return Hit(**values)


def test_each_signal_has_its_part_of_the_score() -> None:
    rows = Why(_hit(), {}).rows
    assert [(row.percent, row.rank, row.image_used) for row in rows] == [(75, 1, True), (25, None, False)]


def test_a_score_below_the_line_of_its_signal_is_told() -> None:
    rows = Why(_hit(), {}, {"dense": 0.9}).rows
    assert [row.is_weak for row in rows] == [True, False]


def test_an_encoder_of_an_ensemble_goes_by_its_name() -> None:
    hit = _hit(signals={"e5": SignalScore(0.8, 1.0, 0.6, 1), "gone": SignalScore(0.8, 1.0, 0.6, 1)})
    assert [row.label for row in Why(hit, {"e5": "E5 small"}).rows] == ["E5 small", "gone"]


def test_words_that_count_most_come_first_with_their_parts() -> None:
    assert Why(_hit(matched_terms=(("a", 0.5), ("b", 1.5))), {}).terms == [("b", 75), ("a", 25)]


def test_the_page_shows_every_signal_of_a_fused_hit(admin: Client, code: str) -> None:
    html = admin.get(PAGE, {"item": code, "method": "hybrid", "k": "1"}).content.decode()
    table = html.split("data-why", 1)[1].split("</details>", 1)[0]
    assert table.count('<th scope="row">') == 2


def test_what_the_reranker_said_is_shown() -> None:
    from django.template.loader import render_to_string

    hit = _hit(reranked=RerankScore(None, 7, problem="The picture is broken."))
    html = render_to_string("embeddings/hit_why.html", {"hit": hit, "why": Why(hit, {})})
    assert "The picture is broken." in html
    assert "7" in html


# ---- alike, weak


def test_weak_hits_are_marked_by_the_cut_off_that_was_given(admin: Client, code: str) -> None:
    html = {line: admin.get(PAGE, {"item": code, "weak_below": line}).content.decode() for line in ("-1", "1.1")}
    assert [text.count("ib-weak") for text in html.values()] == [0, 10]


def test_items_of_the_same_text_with_other_numbers_are_marked_as_a_group(admin: Client, code: str) -> None:
    assert "ib-group-0" in admin.get(PAGE, {"item": code}).content.decode()


# ---- thumbs


def test_an_answered_search_is_remembered_once_with_its_link(admin: Client, code: str) -> None:
    admin.get(PAGE, {"item": code, "compare": "1", "b-method": "lexical", "subject": "수학"})
    (query,) = SearchQuery.objects.all()
    assert (query.item_code, query.method, query.hit_count) == (code, "dense", 10)
    assert admin.get(f"{PAGE}?{query.link}").context["answer"].query == query


def test_a_search_that_failed_is_not_remembered(admin: Client, code: str) -> None:
    admin.get(PAGE, {"item": "none"})
    assert not SearchQuery.objects.exists()


def test_recent_searches_are_listed_each_once(admin: Client, code: str) -> None:
    for method in ("dense", "lexical"):
        response = admin.get(PAGE, {"item": code, "method": method})
    assert [query.item_code for query, _address in response.context["recent"]] == [code]


def test_a_thumb_is_kept_and_shown_again(admin: Client, code: str) -> None:
    answer = admin.get(PAGE, {"item": code}).context["answer"]
    hit = answer.columns[0].cards[2].hit
    sent = {"query": answer.query.pk, "item": hit.code, "verdict": "-1", "rank": "3", "next": f"{PAGE}?item={code}"}
    assert admin.post(f"{PAGE}mark/", sent, headers={"Accept": "text/html"})["Location"] == f"{PAGE}?item={code}"
    assert SearchMark.objects.get().verdict == -1
    cards = _columns(admin, {"item": code, "method": "lexical", "k": "30"})[0].cards
    assert {card.hit.code: card.verdict for card in cards}[hit.code] == -1


def test_thumbs_need_their_permission(client: Client, code: str) -> None:
    client.force_login(allow(make_staff(), "embeddings.search_items"))
    assert "data-thumbs" not in client.get(PAGE, {"item": code}).content.decode()
    client.force_login(allow(make_staff("marker"), "embeddings.search_items", "embeddings.add_searchmark"))
    assert "data-thumbs" in client.get(PAGE, {"item": code}).content.decode()


# ---- pictures, previews, suggestions


def test_a_picture_search_has_no_link_and_keeps_its_picture(admin: Client) -> None:
    make_items(3)
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(buffer, "PNG")
    response = admin.post(PAGE, {"image": SimpleUploadedFile("q.png", buffer.getvalue(), "image/png"), "encoder": "x"})
    assert response.context["address"] == ""
    again = admin.post(PAGE, {"image_kept": response.context["form"].kept(), "encoder": "x"})
    assert again.context["query_picture"] == response.context["query_picture"] != ""


def test_a_picture_search_is_remembered_without_a_link(admin: Client, code: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(buffer, "PNG")
    upload = SimpleUploadedFile("q.png", buffer.getvalue(), "image/png")
    response = admin.post(PAGE, {"image": upload, "text": "문항", "method": "lexical"})
    assert response.context["answer"].query.link == ""
    assert [address for _query, address in response.context["recent"]] == [""]


def test_a_recent_search_by_an_item_that_was_deleted_is_named_and_leads_nowhere(admin: Client, code: str) -> None:
    admin.get(PAGE, {"item": code, "method": "lexical"})
    Item.objects.filter(code=code).delete()
    response = admin.get(PAGE)
    assert [(query.item_code, address) for query, address in response.context["recent"]] == [(code, "")]
    assert code in response.content.decode()


def test_asking_for_the_head_of_a_search_leaves_no_trace(admin: Client, code: str) -> None:
    assert admin.head(PAGE, {"item": code, "method": "lexical"}).status_code == 200
    assert not SearchQuery.objects.exists()


def test_a_long_text_is_among_the_recent_searches_without_an_address(admin: Client, code: str) -> None:
    response = admin.post(PAGE, {"text": "문항 " * 400, "method": "lexical"})
    assert response.context["answer"].query.link
    assert [address for _query, address in response.context["recent"]] == [""]


def test_a_post_of_nothing_says_that_there_is_nothing_to_search_for(admin: Client) -> None:
    assert admin.post(PAGE, {"text": " "}).context["answer"].error.error_code == "empty-query"


def test_a_formula_is_previewed_as_items_show_it(admin: Client) -> None:
    assert "<mfrac>" in admin.get(f"{PAGE}preview/", {"formula": r"\frac{1}{2}"}).json()["html"]


@pytest.mark.parametrize("formula", ["", "a$b", "x" * 2_000])
def test_what_is_no_formula_has_no_preview(admin: Client, formula: str) -> None:
    assert admin.get(f"{PAGE}preview/", {"formula": formula}).json() == {"html": ""}


def test_values_of_a_field_are_suggested(admin: Client) -> None:
    make_items(1, unit="이차함수")
    make_items(1, unit="일차함수")
    asked = {"field": "unit", "typed": "이차"}
    assert admin.get(f"{PAGE}suggestions/", asked).json() == {"values": [["이차함수", "이차함수"]]}
    assert admin.get(f"{PAGE}suggestions/", {"field": "text", "typed": "이차"}).json() == {"values": []}


@pytest.mark.parametrize("address", ["preview/", "suggestions/"])
def test_helping_addresses_need_the_permission_to_search(client: Client, address: str) -> None:
    client.force_login(make_staff())
    assert client.get(PAGE + address).status_code == 403


def test_thousands_of_units_do_not_swell_the_page(admin: Client) -> None:
    make_items(1)
    before = len(admin.get(PAGE).content)
    fields = {"text": "글", "category": "text_only", "content_hash": "0" * 64, "record_hash": "0" * 64}
    Item.objects.bulk_create(Item(code=f"U-{number}", unit=f"단원 {number}", **fields) for number in range(2_000))
    assert len(admin.get(PAGE).content) < before + 20_000


def test_an_encoder_that_is_not_in_use_can_be_chosen(admin: Client, code: str) -> None:
    other: Encoder = make_space(4)
    assert f'value="{other.slug}"' in admin.get(PAGE).content.decode()
