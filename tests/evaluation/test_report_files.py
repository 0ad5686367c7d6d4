"""A report as files: page, Markdown, spreadsheets; equal runs give equal bytes, and hostile names stay text."""

import csv
import io
import re
import sys
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django.utils.translation import override
from openpyxl import load_workbook

from evaluation.models import EvaluationRun, Report
from evaluation.report import pdf
from evaluation.report.charts import Point, Series, cumulative_chart, dot_chart, line_chart
from evaluation.report.files import download_of, files_of
from evaluation.report.markdown import plain
from evaluation.report.svg import fitting, round_ticks, width_of
from evaluation.report_services import create_report
from evaluation.run_settings import EvaluationError
from tests.evaluation.factories import make_performance, make_run
from tests.evaluation.report_scene import DENSE, Scene, make_report, make_scene

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with override("en"):
        yield


@pytest.fixture
def scene() -> Scene:
    return make_scene()


def written(report: Report, name: str) -> bytes:
    return files_of(report, name)[0].held


def table_of(held: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(held.decode("utf-8-sig"))))


class Page(HTMLParser):
    """Tags with what they would load."""

    def __init__(self, held: bytes) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loaded: list[str] = []
        self.inline_styles = 0
        self.feed(held.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [value or "" for name, value in attrs if name in {"src", "href"} and value and value[0] != "#"]
        self.inline_styles += any(name == "style" for name, _value in attrs)


@pytest.mark.parametrize("name", ["html", "md", "xlsx", "csv"])
def test_two_reports_of_the_same_runs_are_the_same_bytes(
    scene: Scene, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, baseline = scene.run(0, 1), scene.run(2)
    first = [each.held for each in files_of(make_report(run, baseline=baseline), name)]
    later = timezone.now() + timedelta(days=400)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)
    monkeypatch.setattr("time.time", later.timestamp)
    assert [each.held for each in files_of(make_report(run, baseline=baseline), name)] == first


def test_the_page_loads_nothing_and_runs_nothing(scene: Scene) -> None:
    report = make_report(scene.run(0, **DENSE), baseline=scene.run(1), performance=make_performance())
    page = Page(written(report, "html"))
    assert page.loaded == []
    assert "script" not in page.tags
    assert page.inline_styles == 0
    assert {"svg", "style", "table"} <= page.tags


def test_names_from_people_stay_text(scene: Scene) -> None:
    report = make_report(scene.run(0, name="<script>alert(1)</script>"), title="<img src=x>", remarks="<b>bold</b>")
    page = Page(written(report, "html"))
    assert {"script", "img", "b"} & page.tags == set()


@pytest.mark.parametrize(("language", "title"), [("ko", "핵심 수치"), ("en", "Key figures")])
def test_the_page_is_in_the_language_of_the_moment(scene: Scene, language: str, title: str) -> None:
    with override(language):
        held = written(make_report(scene.run(0)), "html").decode()
    assert f'<html lang="{language}">' in held
    assert f"<h2>{title}</h2>" in held


def test_markdown_tables_are_whole(scene: Scene) -> None:
    held = written(make_report(scene.run(0, name="a|b*c"), baseline=scene.run(1)), "md").decode()
    assert r"a\|b\*c" in held
    lines = [re.sub(r"\\\|", "", line) for line in held.splitlines()]
    for before, line in pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert before.count("|") == line.count("|")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("- a", r"\- a"), ("1. a", r"1\. a"), ("2) a", r"2\) a"), ("0.794", "0.794"), ("a\nb", "a b"), ("<b>", r"\<b\>")],
)
def test_markdown_takes_no_sign_from_a_text(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_csv_by_query_has_the_agreed_columns(scene: Scene) -> None:
    rows = table_of(files_of(make_report(scene.run(0, name="new")), "csv")[0].held)
    assert rows[0] == ["query_id", "model", "top_1", "top_3", "top_5", "top_10", "mrr", "ndcg_10"]
    by_query = {row[0]: row[1:] for row in rows[1:]}
    assert by_query[scene.queries[0].query_id] == ["new", "1.0", "1.0", "1.0", "1.0", "1.0", "1.0"]
    assert by_query[scene.queries[1].query_id] == ["new", "0.0", "1.0", "1.0", "1.0", "0.333333", "0.5"]


def test_csv_by_model_has_speed_where_the_model_was_measured(scene: Scene) -> None:
    run = scene.run(0, name="new", method="dense", encoders=("kure-v1",))
    report = make_report(run, baseline=scene.run(name="old"), performance=make_performance("kure-v1"))
    assert table_of(files_of(report, "csv")[1].held) == [
        ["model", "latency_mean", "latency_p95", "throughput", "vram_gb"],
        ["new", "21.0", "42.0", "47.0", "2.4"],
        ["old", "", "", "", ""],
    ]


@pytest.mark.parametrize("name", ["=1+1", "+1", "@cmd", "-2"])
def test_no_cell_is_a_formula(scene: Scene, name: str) -> None:
    report = make_report(scene.run(0, name=name), title=name)
    assert table_of(files_of(report, "csv")[0].held)[1][1] == f"'{name}"
    book = load_workbook(io.BytesIO(written(report, "xlsx")))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert "f" not in {cell.data_type for cell in cells}
    assert f"'{name}" in {cell.value for cell in cells}


def test_the_workbook_has_every_figure(scene: Scene) -> None:
    book = load_workbook(io.BytesIO(written(make_report(scene.run(0, name="new")), "xlsx")))
    assert book.sheetnames == ["Summary", "Metrics", "By query", "By model", "Tables", "Columns"]
    assert book["By query"].max_row == 7
    metrics = {row[2]: row[3] for row in book["Metrics"].iter_rows(values_only=True)}
    assert metrics["RR"] == pytest.approx((1 + 5 / 3) / 6, abs=1e-6)


def test_a_click_downloads_one_file(scene: Scene) -> None:
    found = download_of(make_report(scene.run(0)), "csv")
    assert found.content_type == "application/zip"
    with zipfile.ZipFile(io.BytesIO(found.held)) as archive:
        assert archive.namelist() == ["go-live-queries.csv", "go-live-models.csv"]


def test_without_weasyprint_the_reader_is_told_what_to_do(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    assert not pdf.is_available()
    with pytest.raises(pdf.PdfUnavailableError, match="pip install weasyprint"):
        files_of(make_report(scene.run(0)), "pdf")


def test_pdf_is_made_where_weasyprint_is(scene: Scene) -> None:
    if not pdf.is_available():
        pytest.skip("WeasyPrint or its libraries are not installed")
    assert written(make_report(scene.run(0)), "pdf").startswith(b"%PDF-")


# ---- charts

POINTS = tuple(Point(float(place), 0.5 + place / 10, 0.4 + place / 10, 0.6 + place / 10) for place in range(3))
TICKS = [(0.0, "a"), (1.0, "b"), (2.0, "c")]


def test_charts_are_readable_without_colour() -> None:
    drawn = line_chart("t", TICKS, [Series("one", POINTS), Series("two", POINTS)], "k")
    root = ElementTree.fromstring(drawn)  # noqa: S314  our own
    lines = [each for each in root if each.get("fill") == "none" and each.get("stroke-width") == "2"]
    assert {each.get("stroke-dasharray") for each in lines} == {None, "7 4"}
    markers = {re.sub(r"M[\d. ]+", "", each.get("d", ""), count=1) for each in root if each.get("fill", "#")[0] == "#"}
    assert len({shape for shape in markers if shape.startswith("m")}) == 2


@pytest.mark.parametrize("drawn", [
    line_chart("<t>", TICKS, [Series("<&\">", POINTS)], "k"),
    dot_chart("t", ["<row>"], [Series("one", POINTS)]),
    cumulative_chart("t", [("text", [float(each) for each in range(101)])], (200.0, "<line>"), "ms"),
])  # fmt: skip
def test_charts_are_whole_xml_without_styles(drawn: str) -> None:
    root = ElementTree.fromstring(drawn)  # noqa: S314  our own
    assert not any("style" in each.attrib for each in root.iter())


def test_korean_letters_are_counted_at_their_width() -> None:
    assert width_of("가나") > width_of("ab")
    assert width_of(fitting("아주 긴 이름의 실행 하나", 80)) <= 80


def test_axes_have_round_ticks() -> None:
    assert round_ticks(210) == [0, 50, 100, 150, 200]


# ---- what may be reported


@pytest.mark.parametrize("state", ["waiting", "running", "failed", "cancelled"])
def test_only_a_completed_run_is_reported(scene: Scene, state: str) -> None:
    run = scene.run(0)
    EvaluationRun.objects.filter(pk=run.pk).update(state=state, error="broken")
    run.refresh_from_db()
    with pytest.raises(EvaluationError, match="is not completed"):
        create_report(title="t", candidate=run)


@pytest.mark.parametrize(("fields", "words"), [
    ({"title": " "}, "a title"), ({"minimum_relevance": 4}, "relevant from"),
])  # fmt: skip
def test_what_makes_no_report_is_said(scene: Scene, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(EvaluationError, match=words):
        make_report(scene.run(0), **fields)


def test_a_baseline_over_another_truth_is_refused(scene: Scene) -> None:
    with pytest.raises(EvaluationError, match="the same version"):
        make_report(scene.run(0), baseline=make_scene(2).run(0))


def test_a_baseline_that_searches_other_items_is_refused(scene: Scene) -> None:
    images_only = make_run(scene.truth, {}, corpus="with-images")
    with pytest.raises(EvaluationError, match="searches other items"):
        make_report(scene.run(0), baseline=images_only)


def test_a_run_is_no_baseline_of_itself(scene: Scene) -> None:
    run = scene.run(0)
    with pytest.raises(EvaluationError, match="its own baseline"):
        make_report(run, baseline=run)


@pytest.mark.parametrize("asked", [{}, {"method": "dense", "encoders": ("other",)}])
def test_the_speed_of_another_encoder_is_refused(scene: Scene, asked: dict[str, Any]) -> None:
    with pytest.raises(EvaluationError, match="kure-v1"):
        make_report(scene.run(0, **asked), performance=make_performance("kure-v1"))


def test_the_command_writes_the_files(scene: Scene, tmp_path: Path) -> None:
    run, baseline, other = scene.run(0, **DENSE), scene.run(1), scene.run(2)
    performance = make_performance()
    call_command(
        "report", run=run.pk, baseline=baseline.pk, compare=[other.pk], performance=performance.pk, out=tmp_path,
        title="Spring", formats=["html", "csv"], language="en", stdout=io.StringIO(),
    )  # fmt: skip
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "spring-models.csv", "spring-queries.csv", "spring.html",
    ]  # fmt: skip
    assert list(Report.objects.get().runs.all()) == [other]


def test_the_command_says_which_run_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no evaluation run #999"):
        call_command("report", run=999, out=tmp_path, language="en")
