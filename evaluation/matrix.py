"""Scenarios ready to run side by side: what is asked, of what, by which method, with and without a reranker."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from django.contrib.auth.models import User
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from evaluation.engine.fingerprints import Fingerprints
from evaluation.engine.queries import judged_pairs
from evaluation.models import EvaluationRun
from evaluation.run_services import create_run, same_run
from evaluation.run_settings import EvaluationError, RunSettings
from groundtruth.models import TruthSet

ALPHAS = tuple(step / 10 for step in range(11))


@dataclass(frozen=True, slots=True)
class Scenario:
    """Which of an item is asked (`query_view`), and which items are searched (`corpus`)."""

    key: str
    title: Promise
    query_view: str
    corpus: str


SCENARIOS = (
    Scenario("text-text", _("Text → text items"), "text", "text-only"),
    Scenario("text-image", _("Text → items with images"), "text", "with-images"),
    Scenario("image-image", _("Image → items with images"), "image", "with-images"),
    Scenario("both-both", _("Text and image → all items"), "item", "all"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Runs over every combination of truths, encoders and scenarios; `base` has what they share.

    `rerankers` may hold "", for without. `alphas` add hybrids, `lexical` adds BM25 alone.
    """

    truth_sets: Sequence[TruthSet]
    encoders: Sequence[str]
    scenarios: Sequence[Scenario] = SCENARIOS
    rerankers: Sequence[str] = ("",)
    alphas: Sequence[float] = ()
    lexical: bool = False
    base: RunSettings

    def settings(self) -> Iterator[RunSettings]:
        """Of each run on one truth, in the order of a table's rows."""
        for scenario, reranker in product(self.scenarios, self.rerankers):
            asked: dict[str, Any] = {"query_view": scenario.query_view, "corpus": scenario.corpus, "reranker": reranker}
            for method in self._methods(words=scenario.query_view != "image"):
                yield replace(self.base, **asked, **method)

    def _methods(self, *, words: bool) -> Iterator[dict[str, Any]]:
        """Images alone cannot be asked by `words`."""
        for encoder in self.encoders:
            yield {"method": "dense", "encoders": (encoder,)}
            for alpha in self.alphas if words else ():
                yield {"method": "hybrid", "encoders": (encoder,), "alpha": alpha}
        if self.lexical and words:
            yield {"method": "lexical", "encoders": ()}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A combination that cannot be run, and why (translated)."""

    truth_set: TruthSet
    settings: RunSettings
    reason: str


def create_matrix(matrix: Matrix, *, name: str, user: User | None = None) -> tuple[list[EvaluationRun], list[Skipped]]:
    """Waiting runs, and completed ones that have the same rankings already; what cannot be asked is skipped aloud."""
    runs: list[EvaluationRun] = []
    skipped: list[Skipped] = []
    fingerprints = Fingerprints()
    for truth_set, settings in product(matrix.truth_sets, list(matrix.settings())):
        try:
            run = create_run(truth_set=truth_set, settings=settings, matrix=name, user=user, fingerprints=fingerprints)
        except EvaluationError as error:
            skipped.append(Skipped(truth_set, settings, str(error)))
            continue
        if not _has_relevant(run):
            reason = gettext("No query of “%(truth)s” has a relevant item among those searched.") % {
                "truth": run.truth_set
            }
            skipped.append(Skipped(truth_set, settings, reason))
            run.delete()
            continue
        if before := same_run(run):
            run.delete()
            run = before
        runs.append(run)
    return runs, skipped


def _has_relevant(run: EvaluationRun) -> bool:
    """Whether any relevant item is searched: no metric could be computed else."""
    pairs = judged_pairs(run.truth_set, RunSettings.from_json(run.configuration))
    return pairs.filter(final_relevance__gt=0).exists()
