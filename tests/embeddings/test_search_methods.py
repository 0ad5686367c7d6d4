"""Searches by several signals, by formulas and with a second stage; and what each hit says of why it is there."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from embeddings import worker
from embeddings.encoders.base import Modality
from embeddings.models import Encoder, QueryEncoding, QueryReranking, Reranker
from embeddings.rerankers import registry
from embeddings.search import Filters, Hit, Rerank, SearchError, SearchRequest, SearchResponse
from embeddings.search import search as search_by_worker
from embeddings.search.lexical_index import INDEX
from embeddings.services import activate_encoder
from embeddings.term_services import index_terms
from itembank import terms as analyser
from itembank.formulas import as_formula, is_bare_latex
from itembank.models import Item
from tests.embeddings.scripted_reranker import NAME, PLACE, scripted_spec
from tests.embeddings.spaces import clustered, fill, make_space
from tests.embeddings.test_search import png
from tests.factories import make_image, make_item

pytestmark = pytest.mark.django_db

TEXTS = ["0.1 함수의 넓이", "0.9 함수의 기울기", "0.5 주사위의 확률", "0.3 확률의 합", r"0.7 $\frac{x}{2}$의 기울기"]


@pytest.fixture(autouse=True)
def _words_of_this_test() -> Iterator[None]:
    INDEX.forget()
    analyser.load()
    yield
    INDEX.forget()


@pytest.fixture
def items() -> list[Item]:
    """Five items with terms, the last with an image."""
    made = [make_item(code=f"i{number}", text=text) for number, text in enumerate(TEXTS)]
    make_image(made[-1])
    index_terms()
    return list(Item.objects.order_by("code"))


@pytest.fixture
def space(items: list[Item]) -> Encoder:
    made = make_space(64)
    fill(made, items, clustered(5, 64))
    return activate_encoder(encoder=made)


@pytest.fixture
def other(items: list[Item]) -> Encoder:
    """Another space, which sees images."""
    made = make_space(32, modality=Modality.MULTIMODAL)
    fill(made, items, clustered(5, 32, seed=7))
    return made


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> str:
    """A reranker that scores each item by the number that its text begins with."""
    monkeypatch.setitem(registry._BACKENDS, NAME, PLACE)
    return Reranker.objects.create(slug="scripted", **asdict(scripted_spec("methods")) | {"options": {}}).slug


def search(**asked: Any) -> SearchResponse:
    def encode(row: QueryEncoding) -> None:
        worker.encode_query(str(row.pk))

    def rerank(row: QueryReranking) -> None:
        worker.rerank_query(str(row.pk))

    return search_by_worker(SearchRequest(**asked), encode=encode, rerank=rerank)


def codes(response: SearchResponse) -> list[str]:
    return [hit.code for hit in response.hits]


def refused(**asked: Any) -> str:
    with pytest.raises(SearchError) as error:
        search(**asked)
    return error.value.code


def by_code(response: SearchResponse) -> dict[str, Hit]:
    return {hit.code: hit for hit in response.hits}


# ---- fused


def test_a_hybrid_adds_the_normalised_scores_of_vectors_and_words(space: Encoder) -> None:
    alone = {method: by_code(search(item_code="i0", method=method)) for method in ("dense", "lexical")}
    response = search(item_code="i0", method="hybrid", alpha=0.25)
    cosines = [hit.score for hit in alone["dense"].values()]
    first = by_code(response)["i1"]
    cosine = (alone["dense"]["i1"].score - min(cosines)) / (max(cosines) - min(cosines))
    assert first.signals["dense"].normalised == pytest.approx(cosine, abs=1e-5)
    assert first.signals["lexical"].normalised == 1.0  # the only item with a word of the query
    assert first.score == pytest.approx(0.25 * cosine + 0.75, abs=1e-5)
    assert (response.method, response.route, response.encoder) == ("hybrid", "exact+words", space.slug)


@pytest.mark.parametrize(("alpha", "method"), [(1.0, "dense"), (0.0, "lexical")])
def test_a_hybrid_of_one_share_is_that_signal(space: Encoder, alpha: float, method: str) -> None:
    expected = codes(search(item_code="i1", method=method))[:-1]  # the last of a list is worth 0, as what it lacks
    assert codes(search(item_code="i1", method="hybrid", alpha=alpha))[: len(expected)] == expected


def test_rank_fusion_adds_what_each_rank_is_worth(space: Encoder) -> None:
    hit = by_code(search(item_code="i0", method="rrf"))["i1"]
    dense = hit.signals["dense"].rank
    assert dense
    assert hit.signals["lexical"].rank == 1
    assert hit.score == pytest.approx(1 / (60 + dense) + 1 / 61)


def test_an_item_that_a_signal_does_not_find_says_so(space: Encoder) -> None:
    hit = by_code(search(item_code="i0", method="hybrid"))["i2"]
    assert (hit.signals["lexical"].score, hit.signals["lexical"].rank, hit.matched_terms) == (None, None, ())


@pytest.mark.parametrize("method", ["hybrid", "rrf", "ensemble"])
def test_the_shares_of_the_signals_add_up_to_the_score(space: Encoder, other: Encoder, method: str) -> None:
    encoders = (space.slug, other.slug) if method == "ensemble" else ()
    hits = search(item_code="i0", method=method, encoders=encoders).hits
    assert len(hits) == 4
    for hit in hits:
        assert sum(each.share for each in hit.signals.values()) == pytest.approx(hit.score)


def test_an_ensemble_weighs_its_encoders(space: Encoder, other: Encoder) -> None:
    pair = (space.slug, other.slug)
    response = search(item_code="i0", method="ensemble", encoders=pair, weights=(3.0, 1.0))
    assert set(response.hits[0].signals) == set(pair)
    for hit in response.hits:
        parts = hit.signals
        expected = 0.75 * parts[pair[0]].normalised + 0.25 * parts[pair[1]].normalised
        assert hit.score == pytest.approx(expected)
    assert response.encoder == ", ".join(pair)


def test_each_signal_of_a_text_query_reads_it(space: Encoder) -> None:
    hit = by_code(search(text="함수의 기울기", method="hybrid"))["i1"]
    assert hit.signals["dense"].rank
    assert dict(hit.matched_terms).keys() == {"함수", "기울기"}


def test_filters_hold_for_every_signal(space: Encoder, items: list[Item]) -> None:
    Item.objects.filter(code__in=["i1", "i3"]).update(subject="과학")
    response = search(item_code="i0", method="hybrid", filters=Filters(subject=("과학",)))
    assert set(codes(response)) == {"i1", "i3"}


def test_a_hybrid_without_words_goes_by_vectors_and_says_so(other: Encoder) -> None:
    activate_encoder(encoder=other)
    vector = clustered(5, 32, seed=7)[2]

    def encode(row: QueryEncoding) -> None:
        QueryEncoding.objects.filter(pk=row.pk).update(embedding=vector.tolist())

    response = search_by_worker(SearchRequest(image=png(), method="hybrid"), encode=encode)
    assert response.hits[0].code == "i2"
    assert "no words" in " ".join(response.notes)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"method": "ensemble"}, "bad-ensemble"),
        ({"method": "ensemble", "encoders": ("a",)}, "bad-ensemble"),
        ({"method": "ensemble", "encoders": ("a", "a")}, "bad-ensemble"),
        ({"method": "hybrid", "encoders": ("a", "b")}, "bad-ensemble"),
        ({"method": "ensemble", "encoders": ("a", "b"), "weights": (1.0,)}, "bad-weights"),
        ({"method": "ensemble", "encoders": ("a", "b"), "weights": (1.0, float("nan"))}, "bad-weights"),
        ({"method": "hybrid", "alpha": float("nan")}, "bad-alpha"),
        ({"weak_below": float("inf")}, "bad-number"),
    ],
)
def test_what_makes_no_search_is_refused(asked: dict[str, Any], code: str) -> None:
    assert refused(text="a", **asked) == code


# ---- explained


def test_the_image_counts_as_used_where_the_vector_compared_holds_it(space: Encoder, other: Encoder) -> None:
    response = search(item_code="i0", method="ensemble", encoders=(space.slug, other.slug))
    used = {hit.code: {name: each.image_used for name, each in hit.signals.items()} for hit in response.hits}
    assert used["i4"] == {space.slug: False, other.slug: True}
    assert not any(used["i1"].values())
    assert [hit.code for hit in response.hits if hit.image_used] == ["i4"]


def test_hits_below_the_cut_off_are_weak(space: Encoder) -> None:
    hits = search(item_code="i0", method="dense").hits
    line = hits[1].score
    marked = search(item_code="i0", weak_below=line).hits
    assert [hit.weak for hit in marked] == [False, False, True, True]


def test_hits_below_the_measured_line_of_their_encoder_are_weak(space: Encoder) -> None:
    hits = search(item_code="i0").hits
    assert not any(hit.weak for hit in hits)  # five vectors tell no line
    Encoder.objects.update(weak_below=hits[1].score)
    response = search(item_code="i0")
    assert [hit.weak for hit in response.hits] == [False, False, True, True]
    assert response.weak_below == {"dense": hits[1].score}


def test_a_hit_by_words_is_weak_where_it_has_less_than_half_of_what_was_asked(space: Encoder) -> None:
    response = search(text="기울기 함수 확률", method="lexical")  # each in two of the items
    assert {hit.code for hit in response.hits if not hit.weak} == {"i1"}
    assert len(response.hits) == 5
    assert response.hits[0].score >= response.weak_below["lexical"] > response.hits[1].score


def test_words_that_no_item_has_count_among_those_asked(space: Encoder) -> None:
    assert search(text="기울기 함수 zyx", method="lexical").hits[0].weak
    assert not search(text="기울기 함수", method="lexical").hits[0].weak


def test_a_fused_hit_is_weak_where_neither_vectors_nor_words_have_it_at_their_line(space: Encoder) -> None:
    Encoder.objects.update(weak_below=1.5)  # no vector is as near
    hits = search(item_code="i0", method="rrf", k=4).hits
    words = by_code(search(item_code="i0", method="lexical"))
    assert any(hit.weak for hit in hits)
    for hit in hits:
        assert hit.weak == (hit.code not in words or words[hit.code].weak)
    Encoder.objects.update(weak_below=-1.0)
    assert not any(hit.weak for hit in search(item_code="i0", method="rrf").hits)


# ---- formulas


@pytest.mark.parametrize("latex", [r"\frac{x}{2}", r"$\frac{x}{2}$", r"\[ \frac{x}{2} \]", r"$$\frac{x}{2}$$"])
def test_a_formula_is_found_by_its_terms_whatever_its_delimiters(space: Encoder, latex: str) -> None:
    hits = search(formula=latex, method="lexical").hits
    assert hits[0].code == "i4"
    assert {r"\frac", "x", "2"} <= dict(hits[0].matched_terms).keys()


def test_a_text_that_is_latex_alone_is_read_as_a_formula(space: Encoder) -> None:
    assert search(text=r"\frac{x}{2}", method="lexical").hits[0].code == "i4"
    assert is_bare_latex(r"\frac{x}{2}")
    assert not is_bare_latex(r"Find \alpha where this holds")
    assert not is_bare_latex(r"$\frac{x}{2}$의 값")


def test_an_encoder_reads_the_formula_with_the_text(space: Encoder) -> None:
    search(text="기울기", formula="x^2")
    assert QueryEncoding.objects.get().text == "기울기\n$x^2$"


@pytest.mark.parametrize("latex", ["x$y", "$x$ + $y$", "x\\"])
def test_what_is_not_one_formula_is_refused(latex: str) -> None:
    assert as_formula(latex) is None
    assert refused(formula=latex) == "broken-formula"


# ---- reranked


def test_the_reranker_orders_the_best_hits_and_says_where_they_stood(space: Encoder, scripted: str) -> None:
    before = {hit.code: hit.rank for hit in search(item_code="i0").hits}
    response = search(item_code="i0", rerank=Rerank(scripted))
    assert codes(response) == ["i1", "i4", "i2", "i3"]
    assert [hit.rank for hit in response.hits] == [1, 2, 3, 4]
    told = {hit.code: hit.reranked for hit in response.hits}
    assert {code: each.rank for code, each in told.items() if each} == before
    assert [each.score for each in told.values() if each] == [0.9, 0.7, 0.5, 0.3]
    assert [code for code, each in told.items() if each and each.image_used] == ["i4"]
    assert {"rerank", "search", "total"} <= response.timings_ms.keys()


def test_only_the_top_n_are_read_and_the_top_k_shown(space: Encoder, scripted: str) -> None:
    before = codes(search(item_code="i0"))
    response = search(item_code="i0", k=3, rerank=Rerank(scripted, top_n=2))
    assert sorted(codes(response)[:2]) == sorted(before[:2])
    assert codes(response)[2] == before[2]
    assert response.hits[2].reranked
    assert response.hits[2].reranked.score is None


def test_hits_under_the_rerankers_threshold_are_weak(space: Encoder, scripted: str) -> None:
    hits = search(item_code="i0", rerank=Rerank(scripted, threshold=0.6)).hits
    assert {hit.code for hit in hits if not hit.weak} == {"i1", "i4"}


def test_a_text_query_is_reranked_after_fusion(space: Encoder, scripted: str) -> None:
    response = search(text="확률", method="rrf", rerank=Rerank(scripted))
    assert codes(response) == ["i1", "i4", "i2", "i3", "i0"]
    assert not QueryReranking.objects.exists()


def test_an_unknown_reranker_is_named(space: Encoder) -> None:
    assert refused(item_code="i0", rerank=Rerank("nope")) == "unknown-reranker"


def test_a_reranker_that_cannot_run_is_told(space: Encoder, scripted: str) -> None:
    Reranker.objects.update(backend="nowhere")
    assert refused(item_code="i0", rerank=Rerank(scripted)) == "reranking-failed"


def test_without_a_worker_the_searcher_is_told_in_time(space: Encoder, scripted: str, settings: Any) -> None:
    settings.QUERY_TIMEOUT_SECONDS = 1
    with pytest.raises(SearchError) as error:
        search_by_worker(SearchRequest(item_code="i0", rerank=Rerank(scripted)))
    assert error.value.code == "worker-silent"
    assert not QueryReranking.objects.exists()
