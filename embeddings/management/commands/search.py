"""`manage.py search`: the search page's search, on the command line."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from embeddings import worker
from embeddings.gpu import SLOT, SlotTakenError
from embeddings.models import QueryEncoding
from embeddings.search import Filters, SearchError, SearchRequest, SearchResponse, search
from embeddings.search.queries import encode_on_worker
from embeddings.search.types import FILTER_FIELDS, MAX_K
from itembank.models import Item

TEXT_CHARACTERS = 60


class Command(BaseCommand):
    help = "Find items by text, image (or both), or like an item of the bank."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("text", nargs="?", default="")
        parser.add_argument("--image", metavar="FILE", help="PNG, JPEG, WebP or GIF")
        parser.add_argument("--item", metavar="CODE", help="search for items like this one")
        parser.add_argument("--encoder", metavar="SLUG", help="default: the encoder that serves searches")
        parser.add_argument(
            "--filter",
            nargs="+",
            action="extend",
            default=[],
            metavar="FIELD=VALUE",
            help=f"any of the values of a field, all of the fields: {', '.join(FILTER_FIELDS)}",
        )
        parser.add_argument("--k", type=int, default=10, help=f"number of hits, 1 to {MAX_K} (default 10)")
        parser.add_argument("--exact", action="store_true", help="compare with every vector, use no index")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            response = search(_request(options), encode=encode_here_or_on_worker)
        except SearchError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            self.stdout.write(json.dumps(_plain(response), ensure_ascii=False))
        else:
            _print_table(response, Console(file=cast("IO[str]", self.stdout)))


def encode_here_or_on_worker(query: QueryEncoding) -> None:
    """Through the worker where one owns the GPU slot of this machine, in this process where none does."""
    try:
        SLOT.acquire()
    except SlotTakenError:
        encode_on_worker(query)
        return
    try:
        worker.encode_query(str(query.pk))
    finally:
        SLOT.release()


def _request(options: dict[str, Any]) -> SearchRequest:
    return SearchRequest(
        text=options["text"],
        image=_image(options["image"]),
        item_code=options["item"],
        encoder=options["encoder"],
        filters=Filters.parse(options["filter"]),
        k=options["k"],
        exact=options["exact"],
    )


def _image(name: str | None) -> bytes | None:
    if name is None:
        return None
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"The image {name} cannot be read: {error.strerror}.") from error
    if not data:
        raise CommandError(f"The image {name} is empty.")
    return data


def _plain(response: SearchResponse) -> dict[str, Any]:
    hits = [{"rank": hit.rank, "code": hit.code, "score": round(hit.score, 6)} for hit in response.hits]
    return {"hits": hits, "timings_ms": {stage: round(ms, 3) for stage, ms in response.timings_ms.items()}}


def _print_table(response: SearchResponse, console: Console) -> None:
    items = Item.objects.in_bulk([hit.item_id for hit in response.hits])
    table = Table(box=None, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("score", justify="right")
    for heading in ("code", "subject / unit", "text"):
        table.add_column(heading, overflow="fold")
    for hit in response.hits:
        if item := items.get(hit.item_id):
            place = " / ".join(filter(None, (item.subject, item.unit)))
            cells = str(hit.rank), f"{hit.score:.4f}", hit.code, place, _first_words(item)
            table.add_row(*map(Text, cells))  # item text is no markup
    console.print(table)
    for note in response.notes:
        console.print(note, style="yellow", markup=False)
    stages = ", ".join(f"{stage} {ms:.1f} ms" for stage, ms in response.timings_ms.items())
    console.print(f"{response.encoder}, {response.route}: {stages}", style="dim", markup=False)


def _first_words(item: Item) -> str:
    text = " ".join(item.text.split())
    return text if len(text) <= TEXT_CHARACTERS else text[: TEXT_CHARACTERS - 1] + "…"
