import os
import subprocess
import sys

import numpy as np
import pytest
from django.conf import settings

from embeddings.benchmarks.peers import FaissHnsw, Hnsw, Hnswlib, NumpyScan, best_passing, recall
from embeddings.benchmarks.synthetic import BLOCK_ROWS, NO_FILTER, SELECTIONS, Bank, Selection, store_items
from embeddings.benchmarks.verdicts import Verdicts
from embeddings.search.conditions import values_of
from itembank.models import Item

BANK = Bank(items=5000, dimensions=64, seed=3)


def test_one_seed_gives_one_bank_and_another_seed_another() -> None:
    matrix, again = BANK.matrix(), Bank(5000, 64, 3).matrix()
    assert np.array_equal(matrix, again)
    assert not np.array_equal(matrix, Bank(5000, 64, 4).matrix())
    assert np.array_equal(BANK.queries(20)[0], Bank(5000, 64, 3).queries(20)[0])


def test_vectors_come_in_blocks_of_unit_length_at_the_precision_in_which_they_are_stored() -> None:
    starts = [start for start, _ in BANK.blocks()]
    matrix = BANK.matrix()
    assert starts == [0, BLOCK_ROWS]
    assert np.allclose(np.linalg.norm(matrix, axis=1), 1, atol=2e-3)
    assert np.array_equal(matrix, matrix.astype(np.float16).astype(np.float32))


def test_vectors_share_a_mean_gather_by_subject_and_have_near_copies() -> None:
    matrix, subjects = BANK.matrix(), BANK.labels["subject"]
    cosines = matrix[:1000] @ matrix[:1000].T
    same = subjects[:1000, None] == subjects[None, :1000]
    np.fill_diagonal(cosines, np.nan)
    assert np.nanmean(cosines[~same]) > 0.3
    assert np.nanmean(cosines[same]) > np.nanmean(cosines[~same]) + 0.05
    whole = matrix[:BLOCK_ROWS] @ matrix[:BLOCK_ROWS].T
    np.fill_diagonal(whole, 0)
    assert 0.06 < np.mean(whole.max(axis=1) > 0.995) < 0.2  # copies and what they are copies of


def test_queries_are_new() -> None:
    assert (BANK.queries(50)[0] @ BANK.matrix().T).max() < 0.99


@pytest.mark.parametrize(
    ("name", "share"), [("no filter", 1), ("80%", 0.8), ("20%", 0.2), ("20%, two fields", 0.2), ("2%", 0.02)]
)
def test_filters_pass_the_share_that_they_are_named_for(name: str, share: float) -> None:
    assert Selection(name).passing(BANK, subject=0).mean() == pytest.approx(share, rel=0.25)


def test_a_filter_can_miss_the_subject_of_every_query() -> None:
    selection = Selection("20%, another subject")
    for subject in range(14):
        passing = selection.passing(BANK, subject)
        assert passing.mean() == pytest.approx(0.2, rel=0.1)
        assert not (BANK.labels["subject"][passing] == subject).any()


@pytest.mark.django_db(transaction=True)
def test_stored_items_pass_the_filters_that_their_labels_pass() -> None:
    bank = Bank(items=1200, dimensions=8, seed=1)
    stored = store_items(bank)
    assert stored == list(Item.objects.order_by("pk").values_list("pk", "content_hash"))
    for selection in SELECTIONS:
        if selection == NO_FILTER:
            continue
        filters = selection.filters(0)
        lookups = {f"{field}__in": values for field, values in values_of(filters).items()}
        passing = set(Item.objects.filter(**lookups).values_list("pk", flat=True))
        assert passing == {place + 1 for place in np.flatnonzero(selection.passing(bank, 0))}, selection.name
    assert Item.objects.create(code="NEXT", subject="수학", category="text_only", **HASHES).pk == bank.items + 1


HASHES = {"content_hash": "0" * 64, "record_hash": "0" * 64}


@pytest.mark.parametrize("kind", [FaissHnsw, Hnswlib])
def test_a_graph_goes_as_deep_as_it_must(kind: type[Hnsw]) -> None:
    matrix, (vectors, _) = BANK.matrix(), BANK.queries(30)
    truth = [NumpyScan(matrix).search(vector) for vector in vectors]
    index = kind(matrix)
    index.tune(vectors, truth)
    assert recall([index.search(vector) for vector in vectors], truth) >= 0.99


def test_exact_products_and_hnswlib_find_only_what_passes() -> None:
    matrix, (vectors, _) = BANK.matrix(), BANK.queries(1)
    passing = np.arange(len(matrix)) % 2 == 0
    truth = best_passing(matrix @ vectors[0], passing)
    assert set(NumpyScan(matrix).search(vectors[0], passing)) == set(truth)
    assert not (Hnswlib(matrix).search(vectors[0], passing) % 2).any()


def test_hnswlib_finds_nothing_where_too_few_pass() -> None:
    matrix, (vectors, _) = BANK.matrix(), BANK.queries(1)
    assert len(Hnswlib(matrix).search(vectors[0], np.zeros(len(matrix), bool))) == 0


def test_recall_is_the_mean_share_of_the_true_neighbours() -> None:
    truth = [np.array([1, 2, 3, 4]), np.array([5, 6]), np.array([], int)]
    assert recall([np.array([4, 3, 9, 8]), np.array([6, 5]), np.array([], int)], truth) == 0.75


def test_only_what_passes_is_a_true_neighbour() -> None:
    scores = np.arange(100, dtype=np.float32)
    assert sorted(best_passing(scores, np.arange(100) < 50)) == list(range(40, 50))
    assert sorted(best_passing(scores, np.arange(100) < 3)) == [0, 1, 2]


def test_a_target_that_is_missed_is_named_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = Verdicts()
    verdicts.at_least("recall", 0.98, 0.99)
    verdicts.at_most("latency", 3.0, 4.0)
    verdicts.summary()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("(")[-1] for line in lines[:2]] == ["at least 0.99: FAIL)", "at most 4: PASS)"]
    assert lines[2] == "missed: recall"


def test_the_whole_benchmark_runs_in_a_bank_of_its_own_and_prints_every_figure() -> None:
    """Small: what it measures means nothing here, but every part of it really runs."""
    sizes = ["--items", "2500", "--dim", "1792", "--queries", "10", "--seconds", "0.5", "--no-peers"]
    ended = subprocess.run(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), "benchmark", "search", *sizes],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=270,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    for name in (
        "memory bound",
        "load / bare COPY",
        "index",
        "search, 20%, another subject",
        "8 clients",
        "a job beside",
    ):
        assert name in ended.stdout
    assert ended.stdout.count("recall@10 1.0000") + ended.stdout.count("recall@10 0.99") >= 6
    assert "(at most 0: FAIL)" not in ended.stdout
