"""`manage.py build_truth`: make a truth set by TF-IDF, as candidates for a judge, or out of other sets."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count
from django.utils.translation import gettext as _
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from groundtruth import build_dispatch, builds
from groundtruth.build_run import Progress as Told
from groundtruth.build_run import run_build
from groundtruth.builds import BUILT, DEFAULT_THRESHOLDS, DEFAULT_TOP, BuildPlan
from groundtruth.candidates import TFIDF
from groundtruth.combine import Combination
from groundtruth.hybrid import combine_sets
from groundtruth.models import Relevance, TruthSet
from groundtruth.scope import DEFAULT_QUOTAS, parse_quotas
from groundtruth.selectors import named_set
from groundtruth.set_services import SetError

Method, Scope = TruthSet.Method, TruthSet.Scope
CANDIDATES_TOP = 10  # of each source: a judge sees more than it will call similar
DEFAULT_PICTURES = {"image": 100}


class Command(BaseCommand):
    help = (
        "Make a truth set. tfidf: the nearest items by TF-IDF, of the whole bank or of drawn items. llm-text and "
        "llm-images: candidates for a language model, which a judge job must ask and a person must confirm. hybrid: "
        "what other sets agree on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--method", required=True, choices=[*BUILT, Method.HYBRID.value])
        parser.add_argument("--name", required=True)
        parser.add_argument("--top", type=int, help=_("Neighbours of each query: 5, or 10 candidates of each source."))
        parser.add_argument("--min-score", type=float, help=_("Leave out pairs with a lower cosine (tfidf)."))
        parser.add_argument("--thresholds", type=_numbers, default=DEFAULT_THRESHOLDS, metavar="A,B,C",
                            help=_("Lowest cosines of relevance 3, 2 and 1 (tfidf)."))  # fmt: skip
        parser.add_argument("--items", metavar="image=35,text_only=35,latex=30",
                            help=_("Draw so many items; with --scope bank they are the queries only."))  # fmt: skip
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--take-all", action="store_true", help=_("Be content with fewer items than asked."))
        parser.add_argument("--scope", choices=Scope.values, help=_("“bank” compares with every item."))
        parser.add_argument("--candidates", nargs="+", default=[TFIDF], metavar="tfidf|ENCODER")
        parser.add_argument("--background", action="store_true", help=_("Leave the work to the cpu worker."))
        parser.add_argument("--sets", type=_names, default=[], metavar="A,B", help=_("Sets to combine, by id or name."))
        parser.add_argument("--combine", choices=["intersection", "union", "vote"], default="intersection")
        parser.add_argument("--weights", type=_numbers, metavar="A,B", help=_("Of the sets in a vote."))
        parser.add_argument("--threshold", type=int, default=2, help=_("Relevance from which a set agrees."))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = self._combined(options) if options["method"] == Method.HYBRID else self._built(options)
        except SetError as error:
            raise CommandError(str(error)) from error
        if made.state in {TruthSet.State.FAILED, TruthSet.State.CANCELLED}:
            raise CommandError(f"{made}: {made.get_state_display()}. {made.error}".strip())
        self.stdout.write(report(made))

    def _combined(self, options: dict[str, Any]) -> TruthSet:
        return combine_sets(
            name=options["name"],
            sets=[named_set(each) for each in options["sets"]],
            combination=cast("Combination", options["combine"]),
            weights=options["weights"],
            threshold=options["threshold"],
        )

    def _built(self, options: dict[str, Any]) -> TruthSet:
        plan = plan_of(options)
        if options["background"]:
            return build_dispatch.start_build(name=options["name"], plan=plan)
        truth_set = builds.create_build(name=options["name"], plan=plan)
        try:
            with progress_bar(str(truth_set)) as told:
                run_build(truth_set.pk, progress=told)
        except KeyboardInterrupt:
            builds.cancel_build(truth_set=truth_set)
        truth_set.refresh_from_db()
        return truth_set


def plan_of(options: dict[str, Any]) -> BuildPlan:
    """What the options ask for. Paid methods never take the whole bank unless told to. Raises SetError."""
    method, quotas = options["method"], options["items"]
    paid = method != Method.TFIDF
    scope = options["scope"] or (Scope.SELECTION if paid or quotas else Scope.BANK)
    standard = DEFAULT_PICTURES if method == Method.LLM_IMAGES else DEFAULT_QUOTAS
    return BuildPlan(
        method=method,
        scope=scope,
        top=options["top"] if options["top"] is not None else CANDIDATES_TOP if paid else DEFAULT_TOP,
        min_score=options["min_score"],
        thresholds=tuple(options["thresholds"]),
        quotas=parse_quotas(quotas) if quotas else standard if scope == Scope.SELECTION else None,
        seed=options["seed"],
        take_all=options["take_all"],
        candidates=tuple(options["candidates"]),
    )


def report(truth_set: TruthSet) -> str:
    if truth_set.state == TruthSet.State.BUILDING:
        return _("“%(set)s” (%(id)s) is left to the cpu worker.") % {"set": truth_set, "id": truth_set.pk}
    counts = {
        "set": truth_set,
        "id": truth_set.pk,
        "queries": f"{truth_set.queries.count():,}",
        "pairs": f"{truth_set.pairs.count():,}",
    }
    lines = [_("“%(set)s” (%(id)s): %(queries)s queries, %(pairs)s pairs.") % counts]
    by_relevance = truth_set.pairs.order_by().values_list("final_relevance").annotate(Count("pk"))
    found = {relevance: count for relevance, count in by_relevance if relevance is not None}
    lines += [f"  {value} {Relevance(value).label}: {found[value]:,}" for value in sorted(found, reverse=True)]
    if truth_set.method in {Method.LLM_TEXT, Method.LLM_IMAGES}:
        lines.append(
            _(
                "Nothing is judged yet: plan a judge job (manage.py judge_truth --set %(id)s), look at its price and "
                "confirm it."
            )
            % {"id": truth_set.pk}
        )
    return "\n".join(lines)


@contextmanager
def progress_bar(title: str) -> Iterator[Told]:
    """It draws on a terminal only."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _numbers(text: str) -> tuple[float, ...]:
    """Raises ValueError, which argparse reports."""
    return tuple(float(each) for each in text.split(","))
