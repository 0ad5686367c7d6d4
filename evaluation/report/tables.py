"""Figures for spreadsheets: CSV by query and by model, and an XLSX with both and all tables of the report.

top_k is the recall of the first k results (R@k), as in the criteria; the hit rates have columns of their own in the
XLSX. Cells that a spreadsheet would take for a formula begin with an apostrophe (groundtruth/exchange/truth_csv.py).
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from evaluation.metrics import FORMULAS, METRICS
from evaluation.report.document import Document, Number, Table
from evaluation.report.measuring import Measured, RunFigures
from groundtruth.exchange.truth_csv import ESCAPED
from itembank.imports.rejected import BOM, FORMULA_STARTS

if TYPE_CHECKING:
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

Value = str | float | int | None

BY_QUERY = {"top_1": "R@1", "top_3": "R@3", "top_5": "R@5", "top_10": "R@10", "mrr": "RR", "ndcg_10": "nDCG@10"}
HITS = {f"hit_{k}": f"Success@{k}" for k in (1, 3, 5, 10)}
BY_MODEL = ("model", "latency_mean", "latency_p95", "throughput", "vram_gb")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a ZIP can name
DIGITS = 6
WIDEST, NARROWEST = 60, 8
MEASURED_ROWS = 500  # of a sheet, for the widths of its columns


def queries_csv(measured: Measured) -> bytes:
    return _csv(query_rows(measured, BY_QUERY))


def models_csv(measured: Measured) -> bytes:
    return _csv(model_rows(measured))


def query_rows(measured: Measured, columns: dict[str, str]) -> Iterator[Sequence[Value]]:
    yield ("query_id", "model", *columns)
    for run in measured.runs:
        values = [run.per_query.values[metric] for metric in columns.values()]
        for place, query in enumerate(run.per_query.queries):
            yield (query, run.label, *(round(float(each[place]), DIGITS) for each in values))


def model_rows(measured: Measured) -> Iterator[Sequence[Value]]:
    """Latencies in ms, throughput in queries a second, memory in GB; empty where the run's model was not measured."""
    yield BY_MODEL
    for run in measured.runs:
        yield (run.label, *_speed(measured, run))


def _speed(measured: Measured, run: RunFigures) -> Sequence[Value]:
    figures = measured.speed_of(run)
    if figures is None:
        return (None,) * (len(BY_MODEL) - 1)
    throughput = (figures.get("throughput") or {}).get("1")
    return (figures.get("latency_mean_ms"), figures.get("p95_ms"), throughput, figures.get("memory_gb"))


def _csv(rows: Iterable[Sequence[Value]]) -> bytes:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerows([harmless("" if cell is None else cell) for cell in row] for row in rows)
    return (BOM + written.getvalue()).encode()


def harmless(cell: Value) -> Value:
    """Numbers stay what they are, also negative ones."""
    if isinstance(cell, str) and (cell.startswith(FORMULA_STARTS) or ESCAPED.match(cell)):
        return f"'{cell}"
    return cell


# ---- XLSX


def xlsx_of(document: Document, measured: Measured) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)  # there may be hundreds of thousands of cells
    _fill(book.create_sheet(_("Summary")), _summary(document))
    _fill(book.create_sheet(_("Metrics")), _metric_rows(measured))
    _fill(book.create_sheet(_("By query")), query_rows(measured, BY_QUERY | HITS))
    _fill(book.create_sheet(_("By model")), model_rows(measured))
    _fill(book.create_sheet(_("Tables")), _all_tables(document))
    _fill(book.create_sheet(_("Columns")), _columns())
    written = io.BytesIO()
    book.save(written)
    return undated(written.getvalue())


def _summary(document: Document) -> Iterator[Sequence[Value]]:
    yield (document.title,)
    yield (document.subtitle,)
    yield (document.decision.outcome, document.outcome_words)
    yield (document.decision.summary,)
    for reason in (*document.decision.reasons, *document.decision.conditions):
        yield ("", reason)


def _metric_rows(measured: Measured) -> Iterator[Sequence[Value]]:
    yield ("model", "truth_set", "metric", "mean", "low", "high", "queries", "interval")
    for run in measured.runs:
        for metric in METRICS:
            found = run.intervals[metric]
            means = (round(each, DIGITS) for each in (found.mean, found.low, found.high))
            yield (run.label, str(run.run.truth_set), metric, *means, found.n, found.method)


def _all_tables(document: Document) -> Iterator[Sequence[Value]]:
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Table):
                yield (f"{section.title}: {block.caption}",)
                yield block.columns
                yield from (tuple(_cell(each) for each in row) for row in block.rows)
                yield ()


def _cell(cell: str | Number) -> Value:
    """A plain number stays one; a figure with its interval is text as on the page."""
    if not isinstance(cell, Number):
        return cell
    return cell.shown.lstrip("+") if "[" in cell.shown else cell.value


def _columns() -> Iterator[Sequence[Value]]:
    yield (_("Column"), _("Metric"), _("Formula for one query"), _("Meaning"))
    for column, metric in (BY_QUERY | HITS).items():
        found = FORMULAS[metric.partition("@")[0]]
        yield (column, metric, found.expression, str(found.meaning))
    for column, unit in zip(BY_MODEL[1:], ("ms", "ms", _("queries a second"), "GB"), strict=True):
        yield (column, unit)


def _fill(sheet: "WriteOnlyWorksheet", rows: Iterable[Sequence[Value]]) -> None:
    """Widths come first: what is written cannot be gone back to."""
    from openpyxl.utils import get_column_letter

    held = [[_storable(cell) for cell in row] for row in rows]
    wide = [row for row in held[:MEASURED_ROWS] if len(row) > 1]
    for place, column in enumerate(zip_longest(*wide, fillvalue=""), start=1):
        width = max(len(str(cell)) for cell in column) + 2
        sheet.column_dimensions[get_column_letter(place)].width = min(max(width, NARROWEST), WIDEST)  # type: ignore[attr-defined]
    for row in held:
        sheet.append(row)


def _storable(cell: Value) -> Value:
    """Without what XML cannot hold; NaN, which XLSX does not know, is empty."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if isinstance(cell, float) and cell != cell:  # noqa: PLR0124  NaN alone differs from itself
        return None
    return harmless(ILLEGAL_CHARACTERS_RE.sub("", cell) if isinstance(cell, str) else cell)


def undated(workbook: bytes) -> bytes:
    """The same workbook without the moment that it was made at: equal contents give equal bytes."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as source, zipfile.ZipFile(written, "w") as target:
        for name in source.namelist():
            held = source.read(name)
            if name == "docProps/core.xml":
                held = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"1980-01-01T00:00:00Z", held)
            target.writestr(zipfile.ZipInfo(name, EPOCH), held, zipfile.ZIP_DEFLATED)
    return written.getvalue()
