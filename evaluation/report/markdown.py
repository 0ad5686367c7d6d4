"""The report as Markdown. Charts are left out: the tables have their figures."""

import re
from collections.abc import Iterable, Iterator

from django.utils.translation import gettext as _

from evaluation.report.document import Block, Bullets, Case, Chart, Document, Facts, Heading, Table, Text, Tiles
from evaluation.report.numbers import NOTHING

# What Markdown or a viewer's HTML would take for a sign of its own, anywhere or where a line begins.
SIGNS = re.compile(r"[\\`*_{}\[\]<>|#$~&]")
STARTS = re.compile(r"^(?:(?=[-+=])|\d+(?=[.)](?:\s|$)))")  # a list, but no decimal


def markdown_of(document: Document) -> bytes:
    lines = [f"# {plain(document.title)}", "", f"**{document.decision.outcome}** – {plain(document.outcome_words)}", "",
             plain(document.decision.summary), "", plain(document.subtitle), ""]  # fmt: skip
    for section in document.sections:
        lines += [f"## {plain(section.title)}", ""]
        for block in section.blocks:
            lines += [*_lines(block), ""]
    return ("\n".join(lines).rstrip() + "\n").encode()


def plain(text: str) -> str:
    """One line that shows as it is."""
    return STARTS.sub(r"\g<0>\\", SIGNS.sub(r"\\\g<0>", " ".join(text.split())))


def _lines(block: Block) -> Iterable[str]:
    match block:
        case Text() | Heading():
            return [plain(block.text) if isinstance(block, Text) else f"### {plain(block.text)}"]
        case Bullets():
            return [f"- {plain(item)}" for item in block.items]
        case Facts() | Tiles():
            return _grid(("", ""), _pairs(block))
        case Chart():
            return [f"*{plain(block.title)}: {plain(_('chart in the HTML file'))}*"]
    return _table(block) if isinstance(block, Table) else _case(block)


def _pairs(block: Facts | Tiles) -> Iterable[tuple[str, str]]:
    if isinstance(block, Facts):
        return block.pairs
    return [(tile.label, f"{tile.value} {tile.detail}".strip()) for tile in block.tiles]


def _table(table: Table) -> Iterator[str]:
    yield f"**{plain(table.caption)}**"
    yield ""
    yield from _grid(table.columns, table.rows)
    if table.note:
        yield ""
        yield plain(table.note)


def _grid(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    names = list(columns)
    yield f"| {' | '.join(map(plain, names))} |"
    yield f"|{'---|' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(plain(str(cell)) or NOTHING for cell in row)} |"


def _case(case: Case) -> Iterator[str]:
    yield f"### {plain(f'{case.query_id} · {case.title}')}"
    yield from ("", f"> {plain(case.text) or NOTHING}", "", plain(case.figures), "")
    yield from (f"- {plain(cause)}" for cause in case.causes)
    for table in (case.relevant, case.found):
        yield ""
        yield from _table(table)
