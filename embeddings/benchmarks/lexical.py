"""Search by words at full size: build, load, memory and latency, against plain sparse products in the same run.

Runs on a database of its own in a temporary home. Items have synthetic terms (Zipf's law, some words in nearly every
item, as 구하다 is), whose queries are harder than real ones; the analyser is timed on sample items.
"""

import random
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from numpy.typing import NDArray

from embeddings.benchmarks.own_home import run_in_own_home
from embeddings.models import LexicalGeneration
from embeddings.search.generations import built_generation, store_generation
from embeddings.search.lexical import count_matrix, counted, weight_matrix
from embeddings.search.lexical_index import INDEX
from embeddings.search.lexical_search import lexical
from embeddings.search.types import Filters
from embeddings.term_services import NEWER_SHARE, index_terms
from itembank.canonical import embedding_text
from itembank.sample import generate_text_rows
from itembank.terms import load, terms_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_P95_MS = 10.0
VOCABULARY, MEAN_TERMS = 60_000, 45
SAMPLE_TEXTS = 4_000
K = 10
WARM_UP = 10  # queries
FILTERS = {
    "no filter": Filters(),
    "20% filter": Filters(grade=("g0",)),
    "2% filter": Filters(unit=("u00",)),
    "0.2% filter": Filters(item_type=("t000",)),
}
ITEMS = """
INSERT INTO itembank_item (code, subject, grade, unit, item_type, text, choices, answer, explanation, curriculum_code,
    cognitive_level, metadata, category, content_hash, record_hash, created_at, updated_at)
SELECT 'L-' || lpad(n::text, 7, '0'), 's', 'g' || n %% 5, 'u' || lpad((n %% 50)::text, 2, '0'),
    't' || lpad((n %% 500)::text, 3, '0'), repeat('본문 ', 60), '[]', '', '', '', '', '{}', 'text_only',
    md5(n::text) || md5(n::text), md5(n::text) || md5(n::text), now(), now()
FROM generate_series(0, %s - 1) AS n
"""

Documents = list[list[str]]
Ask = Callable[[list[str]], Any]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--items", type=int, default=176_443)
    parser.add_argument("--queries", type=int, default=300, help="of each kind (default 300)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", help="use this empty bank instead of a temporary one (used by the command itself)")


def run(*, items: int, queries: int, seed: int, home: str | None, **options: Any) -> None:
    """Print times, sizes and the verdict. Raises CommandError."""
    if home is None:
        return run_in_own_home("lexical", items=items, queries=queries, seed=seed)
    if Path(home).resolve() != settings.HOME_DIR:
        raise CommandError("--home must be the ITEMBANK_HOME of this process; leave it out for a temporary one.")
    call_command("migrate", interactive=False, verbosity=0)
    documents = _documents(items, seed)
    _fill(documents)
    _measure_upkeep(items)
    asked = {size: _queries(documents, size, queries, seed) for size in (4, 30)}
    p95 = _measure_queries(documents, asked)
    _measure_newer(documents, asked[30])
    _measure_analyser(items, seed)
    print(f"P95 of 4 and 30 terms {p95:.1f} ms, at most {MAX_P95_MS:g} ms: {'PASS' if p95 <= MAX_P95_MS else 'FAIL'}")
    return None


# ---- the bank


def _documents(items: int, seed: int) -> Documents:
    chance = np.random.default_rng(seed)
    ranks = 1 / np.arange(1, VOCABULARY + 1)
    lengths = np.clip(chance.lognormal(np.log(MEAN_TERMS) - 0.18, 0.6, items), 3, 400).astype(int)
    drawn = chance.choice(VOCABULARY, size=int(lengths.sum()), p=ranks / ranks.sum())
    names = [f"낱말{number}" for number in range(VOCABULARY)]
    return [[names[each] for each in part] for part in np.split(drawn, np.cumsum(lengths)[:-1])]


def _fill(documents: Documents) -> None:
    with connection.cursor() as cursor:
        cursor.execute(ITEMS, [len(documents)])
        cursor.execute("SELECT id, content_hash FROM itembank_item ORDER BY code")
        items = cursor.fetchall()
        with cursor.copy("COPY embeddings_itemterms (item_id, content_hash, terms, version) FROM STDIN") as copy:
            for version, ((item_id, digest), terms) in enumerate(zip(items, documents, strict=True), start=1):
                copy.write_row((item_id, digest, "\n".join(terms), version))
        cursor.execute("SELECT setval('embeddings_itemterms_version', %s)", [len(documents)])
        cursor.execute("VACUUM ANALYZE itembank_item, embeddings_itemterms")


def _queries(documents: Documents, size: int, count: int, seed: int) -> Documents:
    """So many terms of an item each, as one who knows half of it asks."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    long = [terms for terms in documents if len(terms) >= size]
    return [chance.sample(chance.choice(long), size) for _number in range(count)]


# ---- ours


def _measure_upkeep(items: int) -> None:
    with _printed(f"build of a generation, {items:,} items"):
        built = built_generation()
    with _printed("store"):
        store_generation(built)
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(length(data)), pg_total_relation_size('embeddings_itemterms') "
                       "FROM embeddings_lexicalpart")  # fmt: skip
        stored, terms = cursor.fetchone()
    del built
    print(f"{'stored':<44}{stored / 1e6:9.1f} MB of arrays, {terms / 1e6:.1f} MB of terms")
    with _printed("look for changes where there are none"):
        index_terms()
    before = psutil.Process().memory_info().rss
    with _printed("load into a process"):
        INDEX.current()
    print(f"{'memory of the loaded index':<44}{(psutil.Process().memory_info().rss - before) / 1e6:9.1f} MB")


def _measure_queries(documents: Documents, asked: dict[int, Documents]) -> float:
    """The higher P95 of ours without a filter, in milliseconds. Each query goes to all before the next, so that other
    work on the machine slows all of them alike.
    """
    references = dict(_references(documents))
    highest = 0.0
    for size, queries in asked.items():
        ours = {f"ours, {name}": partial(lexical, filters=filters, k=K) for name, filters in FILTERS.items()}
        spent = _latencies({**ours, **references}, queries)
        for name, each in spent.items():
            _print_latency(f"{size} terms: {name}", each, spent["scipy"])
        highest = max(highest, float(np.percentile(spent["ours, no filter"], 95, axis=0)[0]))
        _check(queries[:20], references["scipy"])
    return highest


def _measure_newer(documents: Documents, queries: Documents) -> None:
    """With so many documents newer than the generation as it may have before the next is built."""
    count = int(NEWER_SHARE * len(documents))
    newest = LexicalGeneration.objects.values_list("version", flat=True).get()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE embeddings_itemterms SET version = nextval('embeddings_itemterms_version') WHERE version > %s",
            [newest - count],
        )
    with _printed(f"refresh, {count:,} items edited"):
        INDEX.current()
    spent = _latencies({"ours": partial(lexical, filters=Filters(), k=K)}, queries)["ours"]
    _print_latency("30 terms: ours, after these edits", spent, spent)


# ---- references


def _references(documents: Documents) -> Iterator[tuple[str, Ask]]:
    """The same scores by plain means: no filters, no changes, no items behind the places."""
    columns: dict[str, int] = {}
    with _printed("scipy: build"):
        weights = weight_matrix(count_matrix((counted(terms, columns) for terms in documents), columns)).T.tocsr()
    yield "scipy", partial(_product, weights, columns)
    if find_spec("bm25s") is None:
        print("bm25s is not installed and was not measured")
        return
    bm25s: Any = import_module("bm25s")
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    with _printed("bm25s: build"):
        index.index(documents, show_progress=False)
    yield "bm25s", lambda terms: index.retrieve([list(terms)], k=K, show_progress=False)


def _product(weights: "csr_matrix", columns: dict[str, int], terms: Sequence[str]) -> NDArray[np.float32]:
    """The K highest scores."""
    scores = (count_matrix([counted(terms, columns)], columns) @ weights).toarray().ravel()
    best: NDArray[np.float32] = np.sort(scores[np.argpartition(scores, len(scores) - K)[-K:]])[::-1]
    return best


def _check(queries: Documents, reference: Ask) -> None:
    """Raises CommandError where our scores differ from the plain ones."""
    for terms in queries:
        ours = [hit.score for hit in lexical(terms, filters=Filters(), k=K)]
        if not np.allclose(ours, reference(terms)[: len(ours)], atol=1e-3):
            raise CommandError(f"The scores of {terms} differ from those of a plain product.")


def _measure_analyser(items: int, seed: int) -> None:
    rows: Iterable[Any] = generate_text_rows(SAMPLE_TEXTS, seed)
    texts = [embedding_text(text=row["text"], choices=row.get("choices", [])) for row in rows]
    with _printed("analyser: load into a process"):
        load()
    began = time.perf_counter()
    count = sum(1 for _terms in terms_of(texts))
    rate = count / (time.perf_counter() - began)
    print(f"{'analyser: sample texts':<44}{rate:9.0f} texts/s, so {items:,} in {items / rate / 60:.1f} minutes")


# ---- printing


@contextmanager
def _printed(name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    print(f"{name:<44}{time.perf_counter() - began:9.2f} s", flush=True)


def _print_latency(name: str, spent: Sequence[tuple[float, float]], plain: Sequence[tuple[float, float]]) -> None:
    (p50, cpu), (p95, _cpu) = np.percentile(spent, [50, 95], axis=0)
    ratio = p50 / np.percentile(plain, 50, axis=0)[0]
    print(f"{name:<36}{p50:7.2f} ms P50 {p95:7.2f} ms P95 {cpu:7.2f} ms CPU here {ratio:6.2f} x", flush=True)


def _latencies(contenders: dict[str, Ask], queries: Documents) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of each query: elapsed, and of this process's CPU, which other work on the machine slows less."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for terms in [*queries[:WARM_UP], *queries]:
        for name, ask in contenders.items():
            began, cpu = time.perf_counter(), time.process_time()
            ask(terms)
            spent[name].append(((time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000))
    return {name: each[WARM_UP:] for name, each in spent.items()}
