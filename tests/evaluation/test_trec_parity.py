"""Our figures are those of the official trec_eval, on its own test files where they are at hand (never copied here)."""

from pathlib import Path

import pytest
from django.conf import settings

from evaluation.metrics import Judged, Ranked, per_query
from evaluation.trec import read_qrels, read_run

OFFICIAL = Path(settings.BASE_DIR).parent / "shared" / "data" / "trec_eval" / "test"
PREFIXES = {"recall_": "R@", "success_": "Success@", "ndcg_cut_": "nDCG@", "P_": "P@"}
WHOLE = {"map": "AP", "recip_rank": "RR"}

official = pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official test files of trec_eval are not at hand")


def ours(measure: str) -> str | None:
    """Our name of a measure of trec_eval; None for those we do not have."""
    for prefix, name in PREFIXES.items():
        if measure.startswith(prefix) and measure.removeprefix(prefix).isdigit():
            return name + measure.removeprefix(prefix)
    return WHOLE.get(measure)


def stated(output: str) -> dict[tuple[str, str], str]:
    """(our metric, query or "all") -> the figure as printed, with four decimals."""
    rows = [line.split() for line in (OFFICIAL / output).read_text().splitlines()]
    return {(name, query): value for measure, query, value in rows if (name := ours(measure))}


def read(qrels: str, run: str, depth: int | None) -> tuple[Judged, Ranked]:
    with (OFFICIAL / qrels).open() as labels, (OFFICIAL / run).open() as results:
        return read_qrels(labels), read_run(results, depth)


def computed(judged: Judged, ranked: Ranked, names: list[str], minimum_relevance: int) -> dict[tuple[str, str], str]:
    """As `stated`. trec_eval counts a query without a relevant item as 0 in its means, where we leave it out."""
    found = per_query(judged, ranked, names, minimum_relevance)
    figures = {}
    for name in names:
        counted = len(found.queries) + len(found.left_out)
        figures[name, "all"] = f"{found.values[name].sum() / counted:.4f}"
        figures.update(
            {(name, query): f"{value:.4f}" for query, value in zip(found.queries, found.values[name], strict=True)}
        )
    return figures


@official
@pytest.mark.parametrize(
    ("qrels", "run", "output", "minimum_relevance", "every_query", "depth"),
    [
        ("qrels.test", "results.test", "out.test", 1, False, None),
        ("qrels.test", "results.test", "out.test.a", 1, False, None),
        ("qrels.test", "results.test", "out.test.aq", 1, False, None),
        ("qrels.test", "results.trunc", "out.test.aqc", 1, True, None),  # trec_eval -c
        ("qrels.test", "results.trunc", "out.test.aqcM", 1, True, 100),  # trec_eval -c -M100
        ("qrels.rel_level", "results.test", "out.test.aql", 2, False, None),  # trec_eval -l2, labels -1 to 4
        ("qrels.test", "results.test", "out.test.meas_params", 1, False, None),
        ("qrels.comment.test", "results.comment.test", "out.comment.test", 1, False, None),
        ("qrels.test.with-comments", "results.test", "out.test.aq", 1, False, None),
    ],
)
def test_figures_equal_the_official_ones_to_four_decimals(
    *, qrels: str, run: str, output: str, minimum_relevance: int, every_query: bool, depth: int | None
) -> None:
    expected = stated(output)
    judged, ranked = read(qrels, run, depth)
    if not every_query:
        judged = {query: labels for query, labels in judged.items() if query in ranked}
    names = sorted({name for name, _query in expected})
    found = computed(judged, ranked, names, minimum_relevance)
    assert {place: found[place] for place in expected} == expected
    assert len(names) >= 11


@official
def test_the_official_run_has_ties_that_the_rule_decides() -> None:
    """By (score, code ascending) it would be another ranking: the parity above is no accident of tieless data."""
    _judged, ranked = read("qrels.test", "results.test", None)
    rows = [line.split() for line in (OFFICIAL / "results.test").read_text().splitlines()]
    ascending: dict[str, list[str]] = {}
    for query, _q0, item, _rank, _score, _name in sorted(rows, key=lambda row: (row[0], -float(row[4]), row[2])):
        ascending.setdefault(query, []).append(item)
    assert ascending != ranked
    assert {query: sorted(items) for query, items in ascending.items()} == {
        query: sorted(items) for query, items in ranked.items()
    }


RUN = """
# query Q0 item rank score name
q1 Q0 a 1 0.5 run
q1 Q0 c 2 0.5 run
q1 Q0 b 3 0.9 run
q1 Q0 d 4 0.5 run
"""


def test_a_run_is_ordered_by_score_and_ties_by_code_descending_whatever_the_rank_says() -> None:
    assert read_run(RUN.splitlines()) == {"q1": ["b", "d", "c", "a"]}


def test_a_run_can_be_cut() -> None:
    assert read_run(RUN.splitlines(), depth=2) == {"q1": ["b", "d"]}


def test_labels_are_read_with_their_grades() -> None:
    assert read_qrels(["q1 0 a 2", "", "# nobody", "q1 0 b 0", "q2\t0\ta\t1"]) == {
        "q1": {"a": 2, "b": 0},
        "q2": {"a": 1},
    }


def test_ties_of_a_run_are_scored_as_trec_eval_scores_them() -> None:
    """The one relevant item is tied with two others; its code is the last, so that trec_eval takes it first."""
    lines = ["q1 Q0 a 1 0.5 run", "q1 Q0 b 2 0.5 run", "q1 Q0 c 3 0.5 run"]
    found = per_query({"q1": {"c": 1}}, read_run(lines), ["RR", "AP", "R@1"])
    assert {name: found.mean(name) for name in found.values} == {"RR": 1, "AP": 1, "R@1": 1}
    found = per_query({"q1": {"a": 1}}, read_run(lines), ["RR", "AP", "R@1"])
    assert found.mean("RR") == pytest.approx(1 / 3)
