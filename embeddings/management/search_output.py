"""What `manage.py search` says: JSON, or a table."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from embeddings.search import Hit, SearchResponse
from embeddings.search.rerank import RerankedHit
from itembank.models import Item

TEXT_CHARACTERS = 60


def plain(
    response: SearchResponse, reranked: Sequence[RerankedHit] | None, *, explain: bool, rerank: bool
) -> dict[str, Any]:
    """`rerank` is that it was asked for: whether it was done is said then, and why not."""
    hits: list[dict[str, Any]] = [
        {"rank": hit.rank, "code": hit.code, "score": round(hit.score, 6)} | (_explained(hit) if explain else {})
        for hit in response.hits
    ]
    if reranked is not None:
        hits = [_plain_reranked(each) for each in reranked]
    timings = {stage: round(ms, 3) for stage, ms in response.timings_ms.items()}
    told = {"reranked_by": response.reranked_by, "notes": list(response.notes)} if rerank else {}
    lines = {"weak_below": dict(response.weak_below)} if explain else {}
    return {"hits": hits, "timings_ms": timings, **told, **lines}


def _explained(hit: Hit) -> dict[str, Any]:
    names = ("signals", "matched_terms", "weak", "group")
    return {name: value for name, value in asdict(hit).items() if name in names} | {"image_used": hit.image_used}


def print_explained(hits: Sequence[Hit], console: Console) -> None:
    for hit in hits:
        parts = [
            f"{name} {each.score:.4f} -> {each.share:.4f} (#{each.rank})"
            for name, each in hit.signals.items()
            if each.score is not None
        ]
        marks = {"weak": hit.weak, f"group {hit.group}": hit.group is not None, "image used": hit.image_used}
        words = [" ".join(term for term, _share in hit.matched_terms[:8])]
        said = filter(None, (*parts, *(mark for mark, holds in marks.items() if holds), *words))
        console.print(f"{hit.code}: {', '.join(said)}", style="dim", markup=False)


def _plain_reranked(each: RerankedHit) -> dict[str, Any]:
    return {
        "rank": each.rank,
        "code": each.hit.code,
        "score": None if each.score is None else round(each.score, 6),
        "dense_rank": each.hit.rank,
        "dense_score": round(each.hit.score, 6),
        "image_used": each.image_used,
        "problem": each.problem,
    }


def print_table(response: SearchResponse, reranked: Sequence[RerankedHit] | None, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("#", "score", *(("dense #", "image used") if reranked is not None else ())):
        table.add_column(heading, justify="right")
    for heading in ("code", "subject / unit", "text"):
        table.add_column(heading, overflow="fold")
    if reranked is None:
        rows = [(hit, [str(hit.rank), f"{hit.score:.4f}"]) for hit in response.hits]
    else:
        rows = [(each.hit, _reranked_cells(each)) for each in reranked]
    items = Item.objects.in_bulk([hit.item_id for hit, _cells in rows])
    for hit, cells in rows:
        if item := items.get(hit.item_id):
            place = " / ".join(filter(None, (item.subject, item.unit)))
            table.add_row(*map(Text, (*cells, hit.code, place, _first_words(item))))  # item text is no markup
    console.print(table)
    problems = [f"{each.hit.code}: {each.problem}" for each in reranked or () if each.problem]
    for note in (*response.notes, *problems):
        console.print(note, style="yellow", markup=False)
    stages = ", ".join(f"{stage} {ms:.1f} ms" for stage, ms in response.timings_ms.items())
    console.print(f"{response.encoder or response.method}, {response.route}: {stages}", style="dim", markup=False)


def _reranked_cells(each: RerankedHit) -> list[str]:
    score = "–" if each.score is None else f"{each.score:.4f}"
    return [str(each.rank), score, str(each.hit.rank), "yes" if each.image_used else "–"]


def _first_words(item: Item) -> str:
    text = " ".join(item.text.split())
    return text if len(text) <= TEXT_CHARACTERS else text[: TEXT_CHARACTERS - 1] + "…"
