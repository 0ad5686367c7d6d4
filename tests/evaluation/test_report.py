"""What a report says: its sections, computed from stored rankings."""

from collections.abc import Iterator

import pytest
from django.utils import timezone
from django.utils.translation import override

from evaluation.gates import CONDITIONAL_GO
from evaluation.models import Report
from evaluation.report.content import content
from evaluation.report.document import Block, Bullets, Case, Chart, Document, Table, Text, Tiles
from evaluation.report.measuring import measure
from tests.evaluation.factories import make_performance, make_run
from tests.evaluation.report_scene import DENSE, Scene, make_report, make_scene
from tests.factories import make_item
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with override("en"):
        yield


@pytest.fixture
def scene() -> Scene:
    return make_scene()


def read(report: Report) -> Document:
    return content(measure(report))


def blocks(document: Document, key: str) -> tuple[Block, ...]:
    return next(section.blocks for section in document.sections if section.key == key)


def tables(document: Document, key: str) -> list[Table]:
    return [block for block in blocks(document, key) if isinstance(block, Table)]


def rows(table: Table) -> dict[str, list[str]]:
    return {str(row[0]): [str(cell) for cell in row[1:]] for row in table.rows}


def words(document: Document, key: str) -> str:
    found = blocks(document, key)
    texts = [block.text for block in found if isinstance(block, Text)]
    return " ".join([*texts, *(item for block in found if isinstance(block, Bullets) for item in block.items)])


def test_every_part_that_was_promised_is_there(scene: Scene) -> None:
    document = read(make_report(scene.run(0, 1, 2)))
    assert [section.key for section in document.sections] == [
        "verdict", "key-figures", "environment", "data-set", "accuracy", "slices", "models", "truths", "comparison",
        "performance", "analysis", "errors", "recommendations", "appendix",
    ]  # fmt: skip


def test_the_key_figures_are_those_that_a_hand_computes(scene: Scene) -> None:
    """Of 6 queries 3 have their item first and 3 at rank 3: MRR is (3 + 3/3) / 6, and all are in the first 5."""
    (tiles,) = blocks(read(make_report(scene.run(0, 1, 2))), "key-figures")
    assert isinstance(tiles, Tiles)
    shown = {tile.label: tile.value for tile in tiles.tiles}
    assert shown["Mean reciprocal rank (RR)"] == "0.667"
    assert shown["Recall of the first 5 (R@5)"] == "1.000"
    assert shown["queries"] == "6"


def test_criteria_are_those_of_the_day_that_the_report_was_made(scene: Scene) -> None:
    from evaluation.models import Criterion

    report = make_report(scene.run(*range(6)))
    Criterion.objects.update(threshold=0.01)
    shown = rows(tables(read(report), "verdict")[0])
    assert shown["MRR"][0].startswith("≥\u00a00.650")


def test_what_nobody_measured_is_no_pass(scene: Scene) -> None:
    document = read(make_report(scene.run(*range(6))))
    assert rows(tables(document, "verdict")[0])["P95 latency (ms)"][2].startswith("INSUFFICIENT")
    assert document.decision.outcome == "CONDITIONAL GO"
    assert "manage.py benchmark service" in words(document, "performance")


def test_a_model_that_finds_too_little_is_no_go(scene: Scene) -> None:
    found_nothing = make_run(scene.truth, {query: [] for query in scene.queries})
    assert read(make_report(found_nothing)).decision.outcome == "NO-GO"


def test_speed_comes_from_the_performance_run(scene: Scene) -> None:
    document = read(make_report(scene.run(0, **DENSE), performance=make_performance(p95_ms=250.0)))
    assert rows(tables(document, "verdict")[0])["P95 latency (ms)"][1:3] == ["250", "FAIL (missed)"]
    assert rows(tables(document, "performance")[0])["Text"][:4] == ["1,000", "21", "20", "42"]
    assert any(isinstance(block, Chart) for block in blocks(document, "performance"))


def test_the_speed_of_the_encoder_alone_decides_nothing_about_a_reranked_run(scene: Scene) -> None:
    run = scene.run(0, reranker="judge", **DENSE)
    document = read(make_report(run, performance=make_performance()))
    assert rows(tables(document, "verdict")[0])["P95 latency (ms)"][2].startswith("INSUFFICIENT")


def test_queries_left_out_are_counted_and_named(scene: Scene) -> None:
    make_pair(make_query(scene.truth, scene.wrong[0], query_id="Q_EMPTY"), scene.wrong[1], relevance=0)
    shown = rows(tables(read(make_report(scene.run(0))), "data-set")[0])
    assert shown["No relevant item in the truth"] == ["1", "left out", "Q_EMPTY"]
    assert shown["Nothing found"][0] == "0"


def test_a_truth_without_a_relevant_item_makes_a_report_that_says_so(scene: Scene) -> None:
    scene.truth.pairs.update(relevance=0)
    document = read(make_report(scene.run(0)))
    assert "nothing can be measured" in words(document, "accuracy")
    assert document.decision.outcome != "GO"


def test_the_threshold_of_relevance_is_the_reports(scene: Scene) -> None:
    pair = scene.truth.pairs.get(query=scene.queries[0], relevance=3)
    type(pair).objects.filter(pk=pair.pk).update(relevance=2)
    (tiles,) = blocks(read(make_report(scene.run(0), minimum_relevance=3)), "key-figures")
    assert isinstance(tiles, Tiles)
    assert {tile.label: tile.value for tile in tiles.tiles}["queries"] == "5"


def test_slices_are_by_what_the_query_items_are(scene: Scene) -> None:
    by_name = {table.columns[0]: rows(table) for table in tables(read(make_report(scene.run(0, 2, 4))), "slices")}
    assert by_name["unit"]["단원 0"][0] == "3"
    assert by_name["unit"]["단원 0"][4].startswith("1.000")
    assert by_name["unit"]["단원 1"][4].startswith("0.333")


def test_unjudged_results_leave_a_metric_open(scene: Scene) -> None:
    """Three queries have an unjudged item at rank 2 behind a wrong one: it may lift RR from 1/3 to 1/2."""
    shown = rows(tables(read(make_report(scene.run(0, 1, 2))), "accuracy")[1])
    assert shown["Mean reciprocal rank (RR)"] == ["0.667", "[0.667,\u00a00.750]", "3"]


def test_the_candidate_is_compared_with_the_baseline_query_by_query(scene: Scene) -> None:
    report = make_report(scene.run(*range(5), name="new"), baseline=scene.run(0, 5, name="old"))
    table = tables(read(report), "comparison")[0]
    by_metric = {str(row[1]): [str(cell) for cell in row] for row in table.rows}
    assert by_metric["RR"][2].startswith("+0.333")
    assert by_metric["RR"][5] == "4 / 1 / 1"


def test_queries_that_changed_most_show_both_rankings(scene: Scene) -> None:
    report = make_report(scene.run(1), baseline=scene.run())
    changed = tables(read(report), "comparison")[-1]
    assert len(changed.rows) == 1
    assert str(changed.rows[0][0]) == scene.queries[1].query_id
    assert str(changed.rows[0][-1]).startswith(f"{scene.relevant[1].code}*")


def test_a_reranker_is_advised_by_slice() -> None:
    """It wins in one unit and changes nothing in the other."""
    scene = make_scene(24)
    even = range(0, 24, 2)
    report = make_report(
        scene.run(*even, reranker="judge", name="with"), runs=[scene.run(name="without"), scene.run(name="other")]
    )
    document = read(report)
    by_unit = next(table for table in tables(document, "comparison") if table.columns[0] == "unit")
    assert [str(row[-1]) for row in by_unit.rows] == ["better", "not shown"]
    assert by_unit.note == "Switch it on only for: 단원 0."
    assert "judge (unit): Switch it on only for: 단원 0." in words(document, "recommendations")


def test_runs_over_other_truths_stand_beside_without_a_test(scene: Scene) -> None:
    other = make_scene(3, name="by teachers")
    report = make_report(scene.run(0), runs=[other.run(1, name="elsewhere")])
    document = read(report)
    assert [table.caption for table in tables(document, "truths")] == [
        "by teachers v1 (Entered or imported)", f"{scene.truth} (Entered or imported)",
    ]  # fmt: skip
    assert tables(document, "comparison") == []


def test_hybrids_that_differ_in_alpha_alone_are_a_curve(scene: Scene) -> None:
    hybrids = [
        scene.run(*range(number + 1), method="hybrid", encoders=("one",), alpha=number / 2) for number in range(3)
    ]
    report = make_report(hybrids[1], runs=[hybrids[0], hybrids[2], scene.run()])
    titles = [block.title for block in blocks(read(report), "models") if isinstance(block, Chart)]
    assert titles[-1] == "Hybrid search by the share of the dense score (alpha)"
    assert "highest at alpha 1," in words(read(report), "models")


def test_worst_queries_come_with_ranks_and_causes(scene: Scene) -> None:
    cases = [block for block in blocks(read(make_report(scene.run(*range(5)))), "errors") if isinstance(block, Case)]
    assert [case.query_id for case in cases] == [scene.queries[5].query_id]
    assert [str(cell) for cell in cases[0].relevant.rows[0]] == [scene.relevant[5].code, "3", "3"]
    assert any("unjudged" in cause for cause in cases[0].causes)


def test_nothing_went_wrong_is_said_too(scene: Scene) -> None:
    assert "at the top" in words(read(make_report(scene.run(*range(6)))), "errors")


def test_runs_of_one_name_are_told_apart(scene: Scene) -> None:
    first, second = scene.run(0, name="same"), scene.run(1, name="same")
    table = tables(read(make_report(first, runs=[second])), "models")[0]
    assert [str(row[0]) for row in table.rows] == [f"same #{first.pk}", f"same #{second.pk}"]


def test_every_setting_is_in_the_appendix(scene: Scene) -> None:
    shown = str(blocks(read(make_report(scene.run(0, depth=77), baseline=scene.run(seed=5))), "appendix"))
    assert all(name in shown for name in scene.run().configuration if name != "fingerprints")
    assert "77" in shown
    assert scene.truth.fingerprint in shown


def test_a_criterion_out_of_reach_of_the_truth_rules_no_run_out() -> None:
    """Twelve of twelve relevant items come first, and R@5 is 5/12."""
    truth = make_truth_set(fingerprint="a" * 64, frozen_at=timezone.now())
    rankings = {}
    for _number in range(20):
        query = make_query(truth, make_item())
        items = [make_item() for _place in range(12)]
        for item in items:
            make_pair(query, item, relevance=3)
        rankings[query] = items
    decision = measure(make_report(make_run(truth, rankings))).decision
    assert decision.outcome == CONDITIONAL_GO
    assert "Out of reach" in decision.conditions[0]


def test_the_appendix_tells_the_rule_that_the_decision_follows(scene: Scene) -> None:
    """Missing a line alone rules no run out."""
    told = words(read(make_report(scene.run(0))), "appendix")
    assert "NO-GO: a figure is beyond a no-go line" in told
    assert "accuracy criterion is FAIL" not in told


def test_the_time_of_the_whole_call_is_no_stage(scene: Scene) -> None:
    document = read(make_report(scene.run(0, **DENSE), performance=make_performance()))
    stages = next(table for table in tables(document, "performance") if table.columns[1] == "Stage")
    assert {row[1] for row in stages.rows} == {"encode", "search"}


def test_a_criterion_says_its_relevance_where_the_figures_are_of_another(scene: Scene) -> None:
    names = rows(tables(read(make_report(scene.run(0), minimum_relevance=3)), "verdict")[0])
    assert "Top-5 recall, relevance ≥ 1" in names
    assert "P95 latency (ms)" in names
    assert "Top-5 recall" in rows(tables(read(make_report(scene.run(0))), "verdict")[0])
