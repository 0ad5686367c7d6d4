"""An evaluation run and the search that people use give the same order."""

from collections.abc import Iterator
from typing import Any

import pytest

from embeddings.models import Encoder
from embeddings.search import SearchRequest, search
from embeddings.search.generations import built_generation, store_generation
from embeddings.search.lexical_index import INDEX
from embeddings.term_services import index_terms
from evaluation.engine.run import work_on
from evaluation.models import QueryRanking
from evaluation.run_services import create_run
from evaluation.run_settings import RunSettings
from itembank.models import Item
from tests.embeddings.spaces import clustered, fill, make_space
from tests.factories import make_item
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db

WORDS = ["함수", "넓이", "기울기", "확률", "주사위", "도형", "둘레", "수열"]


@pytest.fixture(autouse=True)
def _words_of_this_test() -> Iterator[None]:
    INDEX.forget()
    yield
    INDEX.forget()


@pytest.fixture
def items() -> list[Item]:
    """Items that share words, some in all of them."""
    made = [make_item(text=" ".join(WORDS[at] for at in (n % 8, n % 5, n % 3, n % 2))) for n in range(40)]
    index_terms()
    store_generation(built_generation())
    return made


@pytest.fixture
def spaces(items: list[Item]) -> list[Encoder]:
    """Two spaces; in each, some items have equal vectors."""
    made = [make_space(16), make_space(24)]
    for seed, space in enumerate(made):
        vectors = clustered(40, space.dimensions, seed=seed)
        vectors[30:35] = vectors[29]
        fill(space, items, vectors)
    return made


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "dense"},
        {"method": "lexical"},
        {"method": "hybrid", "alpha": 0.5},
        {"method": "hybrid", "alpha": 0.8},
        {"method": "rrf"},
        {"method": "ensemble"},
        {"method": "ensemble", "weights": (3.0, 1.0)},
    ],
    ids=str,
)
def test_a_run_and_a_search_rank_alike(items: list[Item], spaces: list[Encoder], asked: dict[str, Any]) -> None:
    slugs = tuple(each.slug for each in spaces)
    encoders = {"lexical": (), "ensemble": slugs}.get(asked["method"], slugs[:1])
    truth = make_truth_set(name="truth")
    for item in items[:6]:
        make_pair(make_query(truth, item), items[20], relevance=2)
    run = create_run(truth_set=truth, settings=RunSettings(scope="bank", encoders=encoders, depth=30, **asked))
    work_on(run.pk)
    of_search = {"encoders": encoders} if len(encoders) > 1 else {"encoder": next(iter(encoders), None)}
    rankings = QueryRanking.objects.filter(run=run).select_related("query__item")
    assert len(rankings) == 6
    for ranking in rankings:
        code = ranking.query.item.code
        hits = search(SearchRequest(item_code=code, k=30, exact=True, **asked, **of_search)).hits
        assert [hit.item_id for hit in hits] == ranking.items
        assert [hit.score for hit in hits] == pytest.approx(ranking.scores, abs=2e-4)
