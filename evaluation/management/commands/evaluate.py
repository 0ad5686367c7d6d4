"""`manage.py evaluate`: how well a search finds what a truth set calls similar."""

import json
import math
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from embeddings.gpu import SLOT
from evaluation.engine.run import Progress, work_on
from evaluation.matrix import ALPHAS, Matrix, Skipped, create_matrix
from evaluation.models import EvaluationRun
from evaluation.results import RunResults, results_of
from evaluation.run_services import UNFINISHED, cancel_run, create_run
from evaluation.run_settings import CORPORA, METHODS, QUERY_VIEWS, SCOPES, EvaluationError, RunSettings
from evaluation.tasks import ring
from groundtruth.selectors import named_set
from groundtruth.set_services import SetError

POLL_SECONDS = 0.5
WIDTH = 200  # of the table: wider than most terminals, since a cut figure is none
SHOWN = ("R@5", "R@10", "Success@5", "RR", "nDCG@10", "AP", "Judged@10")


class Command(BaseCommand):
    help = "Evaluate a way to search on a truth set, exactly and reproducibly. The truth set is frozen by it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--truth", nargs="+", required=True, metavar="NAME", help="names, “name v2” or ids")
        parser.add_argument("--encoder", nargs="+", default=[], metavar="SLUG", dest="encoders")
        parser.add_argument("--method", choices=METHODS, default="dense")
        parser.add_argument("--weights", nargs="+", type=float, default=[], help="of an ensemble's encoders")
        parser.add_argument("--alpha", type=float, default=0.5, help="share of the dense score in a hybrid")
        parser.add_argument("--rerank", default="", metavar="SLUG", dest="reranker")
        parser.add_argument("--rerank-top", type=int, default=50, metavar="N")
        parser.add_argument("--rerank-threshold", type=float, default=0.0, metavar="SCORE")
        parser.add_argument(
            "--scope", choices=SCOPES, default="truth", help="search the truth's own items, or the bank"
        )
        parser.add_argument("--query-view", choices=QUERY_VIEWS, default="item")
        parser.add_argument("--corpus", choices=CORPORA, default="all")
        parser.add_argument("--depth", type=int, default=100, help="results kept a query (default 100)")
        parser.add_argument("--seed", type=int, default=1, help="of the intervals")
        parser.add_argument("--minimum-relevance", type=int, default=1, choices=[1, 2, 3])
        parser.add_argument("--name", default="")
        parser.add_argument(
            "--matrix", default="", metavar="NAME",
            help="run all scenarios with each encoder, lexical search and hybrids from 0.0 to 1.0 under this name",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            runs, skipped = self._runs(options)
            for run in runs:
                self._work(run, quiet=options["as_json"])
            results = [results_of(run, minimum_relevance=options["minimum_relevance"]) for run in runs]
        except (EvaluationError, SetError) as error:
            raise CommandError(str(error)) from error
        self._report(results, skipped, as_json=options["as_json"])

    def _runs(self, options: dict[str, Any]) -> tuple[list[EvaluationRun], list[Skipped]]:
        sets = [named_set(name) for name in options["truth"]]
        if options["matrix"]:
            base = RunSettings(method="lexical", **_chosen(options, "scope", "depth", "seed", "rerank_top"))
            rerankers = ("", options["reranker"]) if options["reranker"] else ("",)
            matrix = Matrix(
                truth_sets=sets,
                encoders=options["encoders"],
                rerankers=rerankers,
                alphas=ALPHAS,
                lexical=True,
                base=base,
            )
            return create_matrix(matrix, name=options["matrix"])
        names = (
            "scope", "method", "encoders", "weights", "alpha", "query_view", "corpus", "depth", "reranker",
            "rerank_top", "rerank_threshold", "seed",
        )  # fmt: skip
        settings = RunSettings(**_chosen(options, *names))
        return [create_run(truth_set=each, settings=settings, name=options["name"]) for each in sets], []

    def _work(self, run: EvaluationRun, *, quiet: bool) -> None:
        """To its end; Ctrl-C cancels it, and what it has stays."""
        try:
            with progress_bar(run, quiet=quiet) as told, device_for(run) as here:
                if here:
                    work_on(run.pk, progress=told)
                else:
                    _leave_to_worker(run, told)
        except KeyboardInterrupt:
            cancel_run(run=run)
            raise CommandError(_("Run %(id)s was cancelled; in the admin it can go on.") % {"id": run.pk}) from None
        run.refresh_from_db()
        if run.state != EvaluationRun.State.COMPLETED:
            raise CommandError(f"{run}: {run.get_state_display()}. {run.error}".strip())

    def _report(self, results: list[RunResults], skipped: list[Skipped], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps([as_dict(each) for each in results], ensure_ascii=False, indent=2))
            return
        Console(file=cast("IO[str]", self.stdout), width=WIDTH).print(table(results))
        seen = Counter(
            (str(each.truth_set), each.settings.query_view, each.settings.corpus, each.reason) for each in skipped
        )
        for (truth, view, corpus, reason), count in seen.items():
            self.stderr.write(f"{truth}: {view} → {corpus} ({count}): {reason}")


@contextmanager
def device_for(run: EvaluationRun) -> Iterator[bool]:
    """Whether this process can do the run: one with a reranker needs the GPU slot, which a worker may own."""
    if not run.configuration.get("reranker"):
        yield True
        return
    with SLOT.owned_if_free() as here:
        yield here


def _leave_to_worker(run: EvaluationRun, told: Progress) -> None:
    ring(run)
    while run.state in UNFINISHED:
        time.sleep(POLL_SECONDS)
        run.refresh_from_db()
        told(run.done, run.total)


def _chosen(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: tuple(options[name]) if isinstance(options[name], list) else options[name] for name in names}


def table(results: list[RunResults]) -> Table:
    """A row a run: means with their 95% intervals."""
    made = Table(_("run"), _("queries"), _("left out"), *SHOWN, box=SIMPLE, padding=(0, 1, 0, 0))
    for column in made.columns[1:]:
        column.no_wrap = True
    for each in results:
        cells = [
            "–" if math.isnan(found.mean) else f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"
            for found in map(each.intervals.get, SHOWN)
            if found
        ]
        left_out = len(each.per_query.left_out) + each.unaskable
        made.add_row(str(each.run), str(len(each.per_query.queries)), str(left_out), *cells)
    return made


def as_dict(results: RunResults) -> dict[str, Any]:
    """Nothing in it changes when the same is run again, but the run's id."""
    run = results.run
    return {
        "run": run.pk,
        "name": run.name,
        "truth": str(run.truth_set),
        "settings": run.configuration,
        "fingerprint": run.fingerprint,
        "queries": len(results.per_query.queries),
        "without_relevant_item": len(results.per_query.left_out),
        "unaskable": results.unaskable,
        "metrics": {
            name: {"mean": _number(found.mean), "low": found.low, "high": found.high, "interval": found.method}
            for name, found in results.intervals.items()
        },
    }


def _number(mean: float) -> float | None:
    """JSON knows no NaN, the mean of no query."""
    return None if math.isnan(mean) else mean


@contextmanager
def progress_bar(run: EvaluationRun, *, quiet: bool) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ProgressBar(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task(run.name, total=run.total)
        yield lambda done, total: bar.update(task, completed=done, total=total)
