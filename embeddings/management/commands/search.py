"""`manage.py search`: the search page's search, on the command line."""

import json
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from rich.console import Console

from embeddings import worker
from embeddings.encoders.errors import EncoderError
from embeddings.gpu import SLOT
from embeddings.management.search_output import plain, print_explained, print_table
from embeddings.models import QueryEncoding, Reranker
from embeddings.reranker_services import get_or_create_reranker, settle_reranker
from embeddings.rerankers.presets import RERANKER_PRESETS
from embeddings.search import Filters, Rerank, SearchError, SearchRequest, SearchResponse, search
from embeddings.search.queries import encode_on_worker
from embeddings.search.rerank import RerankedHit, requested_input, rerank
from embeddings.search.reranking import why_not
from embeddings.search.types import DEFAULT_TOP_N, FILTER_FIELDS, MAX_K, METHODS
from itembank import terms

SERVED = "remote"  # the backend whose model runs elsewhere


class Command(BaseCommand):
    help = "Find items by text, image (or both), or like an item of the bank."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("text", nargs="?", default="")
        parser.add_argument("--image", metavar="FILE", help="PNG, JPEG, WebP or GIF")
        parser.add_argument("--item", metavar="CODE", help="search for items like this one")
        parser.add_argument(
            "--formula", default="", metavar="LATEX", help="search for a formula, alone or beside a text"
        )
        parser.add_argument(
            "--method",
            choices=METHODS,
            default="dense",
            help="by vectors (default), by words, by both (normalised scores: hybrid; ranks: rrf), by several encoders",
        )
        parser.add_argument(
            "--encoder",
            nargs="+",
            default=[],
            metavar="SLUG",
            help="default: the encoder that serves searches; several of an ensemble",
        )
        parser.add_argument(
            "--weights", nargs="+", type=float, default=[], metavar="X", help="of the ensemble's encoders"
        )
        parser.add_argument(
            "--alpha", type=float, default=0.5, help="of a hybrid: the share of the vectors (default 0.5)"
        )
        parser.add_argument(
            "--weak-below",
            type=float,
            metavar="X",
            help="mark hits with a lower score (default: each signal's own line)",
        )
        parser.add_argument(
            "--leave-out-near-duplicates", action="store_true", help="no items whose text differs in numbers alone"
        )
        parser.add_argument("--explain", action="store_true", help="say of each hit what each signal gave")
        parser.add_argument(
            "--filter",
            nargs="+",
            action="extend",
            default=[],
            metavar="FIELD=VALUE",
            help=f"any of the values of a field, all of the fields: {', '.join(FILTER_FIELDS)} (batch=UPLOAD-NUMBER, "
            "metadata=KEY=VALUE)",
        )
        parser.add_argument("--k", type=int, default=10, help=f"number of hits, 1 to {MAX_K} (default 10)")
        parser.add_argument("--exact", action="store_true", help="compare with every vector, use no index")
        parser.add_argument(
            "--rerank", metavar="SLUG", help="a reranker, or a preset to make one, reads the best hits with the query"
        )
        parser.add_argument(
            "--rerank-top",
            type=int,
            default=DEFAULT_TOP_N,
            metavar="N",
            help=f"hits that the reranker reads, 1 to {MAX_K} (default {DEFAULT_TOP_N})",
        )
        parser.add_argument(
            "--rerank-threshold",
            type=float,
            default=0.0,
            metavar="X",
            help="hits that the reranker scores below (0 to 1) keep their order after the others",
        )
        parser.add_argument(
            "--rerank-everywhere",
            action="store_true",
            help="also where the reranker is switched off since evaluation showed harm",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            request = _request(options)
            if request.method in {"lexical", "hybrid", "rrf"}:
                terms.load()
            if options["rerank"]:
                response, reranked = search_and_rerank(request, options)
            else:
                response, reranked = search(request, encode=encode_here_or_on_worker), None
        except SearchError as error:
            raise CommandError(error.message) from error
        except EncoderError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            told = plain(response, reranked, explain=options["explain"], rerank=bool(options["rerank"]))
            self.stdout.write(json.dumps(told, ensure_ascii=False))
        else:
            console = Console(file=cast("IO[str]", self.stdout))
            print_table(response, reranked, console)
            if options["explain"]:
                print_explained(response.hits, console)


def search_and_rerank(
    request: SearchRequest, options: dict[str, Any]
) -> tuple[SearchResponse, tuple[RerankedHit, ...] | None]:
    """The answer with its hits in the first stage's order, and the best of them in the reranker's; None where it is
    switched off for this query.

    Where a worker has the GPU slot of this machine, it does the work.
    """
    reranker, top = find_reranker(options["rerank"]), options["rerank_top"]
    asked = Rerank(reranker.slug, top, options["rerank_threshold"], options["rerank_everywhere"])
    if notes := why_not(replace(request, rerank=asked)):
        response = search(request, encode=encode_here_or_on_worker)
        return replace(response, notes=(*notes, *response.notes)), None
    with _device_for(reranker) as here:
        if not here:
            return _reranked_by_worker(request, replace(asked, everywhere=True))
        response = search(replace(request, k=max(request.k, top)), encode=encode_here_or_on_worker)
        started = time.perf_counter()
        reranked = rerank(
            requested_input(request),
            response.hits,
            reranker=settle_reranker(reranker).spec(),
            top_n=top,
            top_k=request.k,
            threshold=options["rerank_threshold"],
        )
    spent = (time.perf_counter() - started) * 1000
    timings = {**response.timings_ms, "rerank": spent, "total": response.timings_ms["total"] + spent}
    return replace(response, timings_ms=timings, reranked_by=reranker.slug if reranked else ""), reranked


def _reranked_by_worker(request: SearchRequest, asked: Rerank) -> tuple[SearchResponse, tuple[RerankedHit, ...]]:
    response = search(replace(request, rerank=asked), encode=encode_on_worker)
    reranked = tuple(
        RerankedHit(replace(hit, rank=told.rank), hit.rank, told.score, told.image_used, told.problem)
        for hit in response.hits
        if (told := hit.reranked)
    )
    return response, reranked


def find_reranker(slug: str) -> Reranker:
    """The reranker, made from its preset at first use. Raises CommandError naming all there are, ModelUnavailable."""
    existing = Reranker.objects.filter(slug=slug).first()
    if existing is not None:
        return existing
    if slug in RERANKER_PRESETS:
        return get_or_create_reranker(preset=slug)
    rerankers = ", ".join(Reranker.objects.values_list("slug", flat=True)) or "-"
    raise CommandError(
        _("There is no reranker “%(slug)s”. Rerankers: %(rerankers)s. Presets: %(presets)s.")
        % {"slug": slug, "rerankers": rerankers, "presets": ", ".join(RERANKER_PRESETS)}
    )


@contextmanager
def _device_for(reranker: Reranker) -> Iterator[bool]:
    """Own the GPU slot for the time, or have none to own: a server has its own device. False where a worker has it."""
    if reranker.backend == SERVED:
        yield True
        return
    with SLOT.owned_if_free() as here:
        yield here


def encode_here_or_on_worker(query: QueryEncoding) -> None:
    """Through the worker where one owns the GPU slot of this machine, in this process where none does."""
    if SLOT.held:
        worker.encode_query(str(query.pk))
        return
    with SLOT.owned_if_free() as here:
        if here:
            worker.encode_query(str(query.pk))
            return
    encode_on_worker(query)


def _request(options: dict[str, Any]) -> SearchRequest:
    encoders = tuple([options["encoder"]] if isinstance(options["encoder"], str) else options["encoder"] or ())
    ensemble = options["method"] == "ensemble" or len(encoders) > 1
    return SearchRequest(
        text=options["text"],
        formula=options["formula"],
        image=_image(options["image"]),
        item_code=options["item"],
        method=options["method"],
        encoder=encoders[0] if encoders and not ensemble else None,
        encoders=encoders if ensemble else (),
        weights=tuple(options["weights"]),
        alpha=options["alpha"],
        filters=Filters.parse(options["filter"]),
        k=options["k"],
        exact=options["exact"],
        weak_below=options["weak_below"],
        leave_out_near_duplicates=options["leave_out_near_duplicates"],
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
