"""Parameters of the search page become requests, and an address that asks the same."""

import base64
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from embeddings.filter_fields import LISTED, SUGGESTED, facets, matching
from embeddings.forms import SearchForm
from embeddings.search import Filters, Rerank, SearchError, SearchRequest
from embeddings.search.types import METHODS
from itembank.bank import FilterOptions, filter_options
from tests.embeddings.spaces import make_space

pytestmark = pytest.mark.django_db


def _form(query: str, files: Any = None) -> SearchForm:
    form = SearchForm(QueryDict(query), files, options=filter_options())
    assert form.is_valid(), form.errors
    return form


def _request(query: str) -> SearchRequest:
    form = _form(query)
    assert form.first.is_valid(), form.first.errors
    return form.request(form.first)


def _options(units: int) -> FilterOptions:
    return FilterOptions(["수학"], [], [f"단원 {number:04d}" for number in range(units)], [], [], [], [], [])


def test_a_text_alone_is_asked_by_meaning_with_every_default() -> None:
    assert _request("text=기울기") == SearchRequest(text="기울기")


def test_a_formula_is_asked_beside_the_text() -> None:
    request = _request("text=기울기&formula=y%3D2x")
    assert (request.text, request.formula) == ("기울기", "y=2x")


def test_a_filter_may_have_several_values() -> None:
    request = _request("text=a&subject=수학&subject=물리&difficulty=2&difficulty=3")
    assert request.filters == Filters(subject=("수학", "물리"), difficulty=(2, 3))


def test_old_links_stay_valid() -> None:
    request = _request("item=M-1&method=hybrid&encoder=e&k=20&exact=1&apart=1&subject=수학&unit=일차함수")
    assert request == SearchRequest(
        item_code="M-1", method="hybrid", encoder="e", k=20, exact=True, leave_out_near_duplicates=True,
        filters=Filters(subject=("수학",), unit=("일차함수",)),
    )  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_method_takes_only_the_settings_that_it_has(method: str) -> None:
    encoder = "" if method == "ensemble" else "&encoder=one"
    request = _request(f"text=a&method={method}&alpha=0.7&encoders=a&encoders=b&weights=2,1&exact=1{encoder}")
    assert request.method == method
    assert request.encoder == ("one" if method in {"dense", "hybrid", "rrf"} else None)
    assert request.alpha == (0.7 if method == "hybrid" else 0.5)
    assert request.encoders == (("a", "b") if method == "ensemble" else ())
    assert request.weights == ((2.0, 1.0) if method == "ensemble" else ())
    assert request.exact == (method != "lexical")


def test_weights_come_beside_each_encoder_too() -> None:
    request = _request("text=a&method=ensemble&encoders=a&encoders=c&weight.a=3&weight.b=9&weight.c=1")
    assert request.weights == (3.0, 1.0)


def test_equal_weights_are_none() -> None:
    assert _request("text=a&method=ensemble&encoders=a&encoders=b&weight.a=2&weight.b=2").weights == ()


@pytest.mark.parametrize("weights", ["x", "1,y"])
def test_a_weight_that_is_no_number_is_refused(weights: str) -> None:
    form = _form(f"text=a&method=ensemble&encoders=a&encoders=b&weights={weights}")
    assert not form.first.is_valid()
    assert form.first.problems()


def test_a_weight_of_nothing_is_refused() -> None:
    with pytest.raises(SearchError) as error:
        _request("text=a&method=ensemble&encoders=a&encoders=b&weights=0,0")
    assert error.value.code == "bad-weights"


def test_reranking_is_asked_with_its_bounds() -> None:
    request = _request("text=a&rerank=r&rerank_top=20&rerank_threshold=0.3&rerank_everywhere=1&weak_below=0.4")
    assert request.rerank == Rerank("r", top_n=20, threshold=0.3, everywhere=True)
    assert request.weak_below == 0.4


def test_settings_of_reranking_without_a_reranker_are_read_over() -> None:
    assert _request("text=a&rerank_top=20").rerank is None


def test_the_second_column_has_settings_of_its_own_and_the_same_query() -> None:
    form = _form("text=a&subject=수학&compare=1&b-method=hybrid&b-alpha=0.2&b-encoder=e")
    first, second = form.columns
    assert second.is_valid()
    assert form.request(second) == SearchRequest(
        text="a", filters=Filters(subject=("수학",)), method="hybrid", alpha=0.2, encoder="e"
    )
    assert first.is_valid()
    assert form.request(first).method == "dense"


@pytest.mark.parametrize(("method", "other"), [("dense", "lexical"), ("lexical", "dense"), ("rrf", "dense")])
def test_a_second_column_that_nobody_chose_is_another_method(method: str, other: str) -> None:
    form = _form(f"text=a&compare=1&method={method}")
    assert form.columns[1].is_valid()
    assert form.request(form.columns[1]).method == other


QUERIES = [
    "text=기울기",
    "text=a&formula=x%5E2&k=30&apart=1",
    "item=M-1&subject=수학&subject=물리&metadata=source%3DKMWPS&batch=3",
    "text=a&method=ensemble&encoders=a&encoders=b&weights=2%2C1",
    "text=a&method=hybrid&encoder=e&alpha=0.7&exact=1&weak_below=0.3",
    "text=a&rerank=r&rerank_top=20&rerank_threshold=0.2&rerank_everywhere=1",
    "text=a&compare=1&method=lexical&b-method=ensemble&b-encoders=a&b-encoders=b&b-weights=1%2C3&b-rerank=r",
]


@pytest.mark.parametrize("query", QUERIES)
def test_the_link_of_a_search_asks_the_same_again(query: str) -> None:
    form = _form(query)
    again = _form(form.link())
    for here, there in zip(form.columns, again.columns, strict=True):
        assert here.is_valid()
        assert there.is_valid()
        assert form.request(here) == again.request(there)
    assert again.link() == form.link()


def test_a_link_holds_no_defaults_and_nothing_of_a_column_that_is_not_shown() -> None:
    assert _form("text=a&k=10&method=dense&alpha=0.5&b-method=hybrid&rerank_top=50").link() == "text=a"


def test_a_picture_has_no_link_and_is_carried_along() -> None:
    upload = SimpleUploadedFile("query.png", b"picture", "image/png")
    form = _form("k=5", MultiValueDict({"image": [upload]}))
    assert form.link() == ""
    again = SearchForm(QueryDict(mutable=True), options=filter_options())
    again.data["image_kept"] = form.kept()  # type: ignore[index]
    assert again.is_valid()
    assert again.cleaned_data["picture"] == b"picture"


def test_a_picture_can_be_taken_out() -> None:
    kept = base64.b64encode(b"picture").decode()
    assert _form(f"image_kept={kept.replace('=', '%3D')}&without_image=1").cleaned_data["picture"] is None


def test_a_carried_picture_that_is_broken_is_none() -> None:
    assert _form("image_kept=%21%21&text=a").cleaned_data["picture"] is None


def test_similar_keeps_the_method_and_leaves_the_query_and_the_filters() -> None:
    link = _form("text=a&subject=수학&method=hybrid&alpha=0.3&k=20").link_similar("M-7")
    assert link == "item=M-7&k=20&method=hybrid&alpha=0.3"


def test_each_filter_can_be_taken_away() -> None:
    form = _form("text=a&subject=수학&subject=물리")
    assert [QueryDict(link).getlist("subject") for _facet, _label, link in form.links_without()] == [["물리"], ["수학"]]
    assert form.link_unfiltered() == "text=a"


def test_methods_that_cannot_answer_are_not_offered() -> None:
    offered = [[method.name for method in _form("").first.models.methods()]]
    for _number in range(2):
        make_space(4)
        offered.append([method.name for method in _form("").first.models.methods()])
    assert offered == [["dense", "lexical"], ["dense", "lexical", "hybrid", "rrf"], list(METHODS)]


def test_a_field_with_few_values_shows_them_and_one_with_thousands_is_typed() -> None:
    few = {facet.name: facet for facet in facets(_options(LISTED), {})}["unit"]
    many = {facet.name: facet for facet in facets(_options(5_000), {"unit": ["단원 4000"]})}["unit"]
    assert (len(few.boxes), few.typed) == (LISTED, False)
    assert (len(many.suggestions), many.typed, many.grows) == (SUGGESTED, True, True)
    assert list(many.boxes) == [("단원 4000", "단원 4000", True)]


def test_a_field_without_values_is_left_out() -> None:
    assert {facet.name for facet in facets(_options(0), {})} == {"subject", "category", "metadata"}


def test_a_value_that_the_bank_does_not_hold_is_still_shown_as_ticked() -> None:
    (subject,) = [facet for facet in facets(_options(0), {"subject": ["역사"]}) if facet.name == "subject"]
    assert list(subject.boxes) == [("역사", "역사", True), ("수학", "수학", False)]


def test_suggestions_hold_what_was_typed_those_that_begin_with_it_first() -> None:
    known = [(value, value) for value in ("이차함수", "함수의 뜻", "일차함수", "도형")]
    assert [value for value, _label in matching(known, " 함수", most=2)] == ["함수의 뜻", "이차함수"]
