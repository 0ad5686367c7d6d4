"""Search by words: up to date, the same in every process, in order, under filters, and it says which words matched."""

import json
import threading
from collections.abc import Iterator
from io import StringIO

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from embeddings.models import LexicalGeneration
from embeddings.search import Filters, SearchError, SearchRequest, search
from embeddings.search import lexical_search as lexical_search_module
from embeddings.search.generations import built_generation, store_generation
from embeddings.search.lexical import Bm25
from embeddings.search.lexical_index import INDEX, LexicalIndex
from embeddings.search.lexical_scores import Scoring, best_scores
from embeddings.search.lexical_search import lexical
from embeddings.search.query_terms import item_terms, rough_terms
from embeddings.term_services import index_terms
from itembank import terms as analyser
from itembank.models import Item
from itembank.services import save_item
from tests.factories import make_admin, make_item

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _index_of_this_test() -> Iterator[None]:
    INDEX.forget()
    yield
    INDEX.forget()


def found(*terms: str, k: int = 10, without: int | None = None, subject: tuple[str, ...] = ()) -> list[str]:
    return [hit.code for hit in lexical(terms, filters=Filters(subject=subject), k=k, without=without)]


def edit(item: Item, text: str) -> None:
    item.text = text
    save_item(item=item)


def test_a_new_item_is_found_after_the_sweep() -> None:
    make_item(code="old", text="함수의 넓이")
    index_terms()
    assert found("확률") == []
    make_item(code="new", text="주사위의 확률")
    assert found("확률") == []
    index_terms()
    assert found("확률") == ["new"]
    assert found("넓이") == ["old"]


def test_an_edited_item_is_found_by_its_new_words_and_not_by_its_old() -> None:
    item = make_item(code="a", text="함수의 넓이")
    index_terms()
    assert found("함수") == ["a"]
    edit(item, "주사위의 확률")
    index_terms()
    assert (found("함수"), found("확률")) == ([], ["a"])
    edit(item, "원의 둘레")
    index_terms()
    assert (found("확률"), found("둘레")) == ([], ["a"])


@pytest.mark.parametrize("in_generation", [True, False])
def test_a_deleted_item_is_never_found_and_others_take_its_place(in_generation: bool) -> None:
    make_item(text="통계")
    if not in_generation:
        index_terms()
    items = [make_item(code=f"d{number:03d}", text="확률") for number in range(80)]
    index_terms()
    assert found("확률", k=2) == ["d000", "d001"]
    Item.objects.filter(pk__in=[item.pk for item in items[:77]]).delete()
    assert found("확률", k=2) == ["d077", "d078"]
    assert found("확률", k=10) == ["d077", "d078", "d079"]


def test_equal_scores_go_by_code_through_old_and_new_documents() -> None:
    for code in ("d", "b", "B"):
        make_item(code=code, text="확률")
    index_terms()
    for code in ("c", "a", "C"):
        make_item(code=code, text="확률")
    index_terms()
    hits = lexical(["확률"], filters=Filters(), k=6)
    by_score = sorted(hits, key=lambda hit: (-hit.score, hit.code))
    assert hits == by_score
    assert [hit.code for hit in hits if hit.code in "BbdX"] == ["B", "b", "d"]
    store_generation(built_generation())
    assert found("확률", k=4) == ["B", "C", "a", "b"]


def test_the_item_that_asks_is_left_out() -> None:
    first = make_item(code="a", text="확률")
    make_item(code="b", text="확률")
    index_terms()
    assert found("확률", without=first.pk) == ["b"]


@pytest.mark.parametrize("few", [0, 5000])
def test_filters_hold_whether_few_or_many_items_pass(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(lexical_search_module, "FEW", few)
    monkeypatch.setattr(lexical_search_module, "SPARE", 1)
    for number in range(30):
        make_item(code=f"m{number:02d}", text="물체의 속력", subject="수학")
    make_item(code="p00", text="물체의 속력과 질량과 부피와 온도", subject="물리")
    index_terms()
    make_item(code="p01", text="물체의 속력과 질량과 부피와 온도", subject="물리")
    index_terms()
    assert sorted(found("속력", subject=("물리",))) == ["p00", "p01"]
    assert found("속력", k=2, subject=("수학", "물리")) == ["m00", "m01"]
    assert found("속력", subject=("화학",)) == []


def test_an_edit_of_a_filtered_field_counts_at_once() -> None:
    item = make_item(code="a", text="확률", subject="수학")
    index_terms()
    Item.objects.filter(pk=item.pk).update(subject="물리")
    assert found("확률", subject=("수학",)) == []
    assert found("확률", subject=("물리",)) == ["a"]


def test_shares_name_the_matched_terms_and_add_up() -> None:
    make_item(code="x", text="원의 둘레")
    make_item(code="a", text="함수의 넓이")
    make_item(code="y", text="원의 넓이")
    index_terms()
    make_item(code="b", text="사각형의 넓이와 함수")
    index_terms()
    hits = {hit.code: hit for hit in lexical(["넓이", "함수", "없음"], filters=Filters(), k=10)}
    assert set(hits) == {"a", "b", "y"}
    assert [term for term, _share in hits["a"].shares] == ["함수", "넓이"]  # the rarer gives more
    assert {term for term, _share in hits["b"].shares} == {"함수", "넓이"}
    assert hits["y"].shares == (("넓이", 1.0),)
    for hit in hits.values():
        assert sum(share for _term, share in hit.shares) == pytest.approx(1)


def test_scores_are_those_of_bm25() -> None:
    texts = ["함수의 넓이와 둘레", "원의 넓이", "원과 원의 둘레", "확률"]
    for number, text in enumerate(texts):
        make_item(code=f"t{number}", text=text)
    index_terms()
    hits = lexical(["원", "넓이", "원"], filters=Filters(), k=10)
    (expected,) = Bm25(analyser.terms_of(texts)).best([["원", "넓이", "원"]], np.array([-1]), depth=10)
    assert [hit.code for hit in hits] == [f"t{place}" for place in expected.places]
    assert [hit.score for hit in hits] == pytest.approx(expected.scores.tolist(), abs=2e-4)


def test_without_a_generation_what_is_written_is_scored_alike() -> None:
    for text in ("함수의 넓이와 둘레", "원의 넓이", "확률"):
        make_item(text=text)
    index_terms()
    with_generation = [(hit.code, hit.score) for hit in lexical(["원", "넓이"], filters=Filters(), k=5)]
    LexicalGeneration.objects.all().delete()
    without = [(hit.code, hit.score) for hit in lexical(["원", "넓이"], filters=Filters(), k=5)]
    assert [code for code, _score in without] == [code for code, _score in with_generation]
    assert [score for _code, score in without] == pytest.approx([score for _code, score in with_generation], abs=2e-4)


def test_an_empty_bank_finds_nothing() -> None:
    assert found("확률") == []


def test_two_processes_see_the_same() -> None:
    """Each with an index of its own: one that was there before the writes, one that loads all of it after them."""
    here, there = LexicalIndex(), LexicalIndex()
    for number in range(5):
        make_item(code=f"o{number}", text="원의 넓이와 확률")
    index_terms()
    here.current()
    for number in range(5):
        make_item(code=f"n{number}", text="함수의 넓이와 확률과 통계")
    index_terms()
    old, new = here.current(), there.current()
    for terms in (["넓이"], ["통계", "확률"], ["원", "함수"]):
        parts = [Scoring(each, terms).best(10) for each in (old, new)]
        for first, second in zip(*parts, strict=True):
            assert first.item_ids.tolist() == second.item_ids.tolist()
            assert first.scores.tolist() == second.scores.tolist()


def test_nothing_is_read_again_while_nothing_changes() -> None:
    make_item()
    index_terms()
    assert INDEX.current() is INDEX.current()


def test_deleting_the_newest_terms_does_not_hide_those_written_next() -> None:
    make_item(code="a", text="통계")
    index_terms()
    last = make_item(code="b", text="확률")
    index_terms()
    assert found("확률") == ["b"]
    last.delete()
    assert found("확률") == []
    make_item(code="c", text="확률")
    index_terms()
    assert found("확률") == ["c"]


@pytest.mark.django_db(transaction=True)
def test_generations_are_swapped_under_readers() -> None:
    for number in range(40):
        make_item(code=f"g{number:02d}", text=f"{number}번 문항의 확률")
    index_terms()
    stop, wrong = threading.Event(), list[object]()

    def read() -> None:
        try:
            while not stop.is_set():
                codes = found("확률", k=40)
                if len(codes) != 40:
                    wrong.append(codes)
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    readers = [threading.Thread(target=read) for _number in range(3)]
    for reader in readers:
        reader.start()
    for number in range(15):
        edit(Item.objects.get(code=f"g{number:02d}"), f"고친 {number}번 문항의 확률")
        index_terms()
        store_generation(built_generation())
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []


# ---- best scores


@pytest.mark.parametrize("most", [1, 7, 40, 5000])
def test_best_scores_are_those_of_a_full_sort_with_ties_by_row(most: int) -> None:
    random = np.random.default_rng(most)
    scores = (random.integers(0, 50, size=20_000) / 10).astype(np.float32)
    rows, values = best_scores(scores, most)
    expected = sorted((row for row in range(len(scores)) if scores[row] > 0), key=lambda row: (-scores[row], row))
    assert rows.tolist() == expected[:most]
    assert values.tolist() == pytest.approx(scores[expected[:most]].tolist())


# ---- from a request


def test_a_text_is_searched_by_its_words() -> None:
    make_item(code="a", text="함수의 넓이를 구하시오.")
    make_item(code="b", text="주사위를 던질 때의 확률을 구하시오.")
    index_terms()
    analyser.load()
    response = search(SearchRequest(text="함수 넓이는?", method="lexical"))
    assert [hit.code for hit in response.hits] == ["a"]
    assert response.hits[0].signals["lexical"].score == response.hits[0].score
    assert dict(response.hits[0].matched_terms).keys() == {"함수", "넓이"}
    assert (response.method, response.route, response.encoder, response.notes) == ("lexical", "words", "", ())
    assert set(response.timings_ms) == {"encode", "search", "total"}


def test_an_item_is_searched_by_its_stored_terms() -> None:
    first = make_item(code="a", text="함수의 넓이")
    make_item(code="b", text="함수의 둘레")
    index_terms()
    assert item_terms(first.pk).terms == ["함수", "넓이"]
    response = search(SearchRequest(item_code="a", method="lexical"))
    assert [hit.code for hit in response.hits] == ["b"]


def test_an_item_that_waits_for_the_sweep_is_searched_by_its_text() -> None:
    analyser.load()
    make_item(code="b", text="함수의 둘레")
    index_terms()
    make_item(code="a", text="함수의 넓이")
    response = search(SearchRequest(item_code="a", method="lexical"))
    assert [hit.code for hit in response.hits] == ["b"]
    assert "1 of 2 items" in response.notes[0]


def test_words_without_a_hit_say_so() -> None:
    analyser.load()
    assert "has any of these words" in search(SearchRequest(text="확률", method="lexical")).notes[0]


@pytest.mark.parametrize(("request_", "code"), [({"image": b"x", "method": "lexical"}, "words-need-text"),
                                                ({"text": "a", "method": "magic"}, "unknown-method")])  # fmt: skip
def test_what_cannot_be_searched_by_words_is_said(request_: dict[str, object], code: str) -> None:
    with pytest.raises(SearchError) as caught:
        search(SearchRequest(**request_))  # type: ignore[arg-type]
    assert caught.value.code == code


def test_until_the_analyser_is_loaded_words_are_cut_roughly(monkeypatch: pytest.MonkeyPatch) -> None:
    make_item(code="a", text="함수의 넓이를 구하시오.")
    make_item(code="b", text="주사위를 던질 때의 확률")
    index_terms()
    monkeypatch.setattr(analyser, "is_loaded", lambda: False)
    response = search(SearchRequest(text="함수의 넓이는 얼마인가?", method="lexical"))
    assert [hit.code for hit in response.hits] == ["a"]
    assert "roughly" in response.notes[0]


def test_rough_terms_are_longest_known_pieces_formulas_and_latin_words() -> None:
    known = {"일차", "일차함수", "기울기", "구하다", "은"}.__contains__
    assert list(rough_terms("일차함수의 기울기를 구하는 Graph $y=\\frac{1}{2}x$", known)) == [
        "일차함수", "기울기", "구하다", "graph", "y", "=", "\\frac", "1", "2", "x",
    ]  # fmt: skip


def test_the_command_searches_by_words() -> None:
    make_item(code="a", text="함수의 넓이")
    index_terms()
    out = StringIO()
    call_command("search", "함수", method="lexical", json=True, stdout=out)
    assert [hit["code"] for hit in json.loads(out.getvalue())["hits"]] == ["a"]


def test_the_page_searches_by_words_and_names_them(client: Client) -> None:
    analyser.load()
    make_item(code="a", text="함수의 넓이")
    index_terms()
    client.force_login(make_admin())
    response = client.get("/admin/search/", {"text": "함수 넓이", "method": "lexical"})
    assert [card.hit.code for card in response.context["cards"]] == ["a"]
    html = response.content.decode()
    assert "넓이 · 함수</span>" in html
    assert "?item=a&amp;method=lexical" in html
