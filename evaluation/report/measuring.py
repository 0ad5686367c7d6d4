"""Everything that a report needs to know, read from the database once and computed from the stored rankings."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from evaluation.bounds import Bounds, bounds
from evaluation.comparison import Difference, compare
from evaluation.criteria import Figure, Line, performance_figure
from evaluation.engine.queries import count_unaskable
from evaluation.gates import Decision, decide
from evaluation.intervals import Interval, interval
from evaluation.metrics import METRICS, Judged, PerQuery, Ranked, ceilings, per_query
from evaluation.models import EvaluationRun, Report
from evaluation.results import judged_of, ranked_of
from evaluation.run_settings import RunSettings
from evaluation.slices import Slice, group
from groundtruth.models import TruthQuery
from itembank.models import Item

KEY_METRICS = ("R@5", "R@10", "Success@5", "RR", "nDCG@10")
COMPARED_METRICS = (*KEY_METRICS, "AP")
OTHER_METRICS = ("R@5", "RR", "nDCG@10")
SHOWN_RESULTS = 10
BOUNDED_METRICS = ("R@5", "R@10", "Success@5", "RR", "nDCG@10", "AP")


class Intervals(dict[str, Interval]):
    """Made when first asked for: with many queries each takes a tenth of a second, and most runs show few."""

    def __init__(self, found: PerQuery, seed: int) -> None:
        super().__init__()
        self._found, self._seed = found, seed

    def __missing__(self, name: str) -> Interval:
        self[name] = interval(name, self._found.values[name], self._seed)
        return self[name]


class RunFigures:
    """A run with what its rankings are worth. Reads and computes each thing once, when it is first asked for."""

    def __init__(self, run: EvaluationRun, label: str, minimum_relevance: int) -> None:
        self.run = run
        self.label = label
        self.settings = RunSettings.from_json(run.configuration)
        self.minimum_relevance = minimum_relevance

    @cached_property
    def judged(self) -> Judged:
        return judged_of(self.run)

    @cached_property
    def ranked(self) -> Ranked:
        return ranked_of(self.run)

    @cached_property
    def per_query(self) -> PerQuery:
        return per_query(self.judged, self.ranked, METRICS, self.minimum_relevance)

    @cached_property
    def intervals(self) -> "Intervals":
        return Intervals(self.per_query, self.settings.seed)

    @cached_property
    def unaskable(self) -> int:
        return count_unaskable(self.run.truth_set, self.settings)

    @cached_property
    def bounds(self) -> Mapping[str, Bounds]:
        return bounds(self.judged, self.ranked, BOUNDED_METRICS, self.minimum_relevance)

    @cached_property
    def ceilings(self) -> Mapping[str, float]:
        """What a perfect search would have."""
        return ceilings(self.judged, ("R@5", "R@20"), self.minimum_relevance)

    @property
    def gain_below(self) -> float:
        """The share of the relevant items found from the 6th to the 20th result for which the first 5 have room."""
        return min(self.per_query.mean("R@20"), self.ceilings["R@5"]) - self.per_query.mean("R@5")

    def at(self, names: Sequence[str], minimum_relevance: int) -> PerQuery:
        if minimum_relevance == self.minimum_relevance and set(names) <= set(METRICS):
            return self.per_query
        return per_query(self.judged, self.ranked, names, minimum_relevance)

    def comparable_with(self, other: "RunFigures") -> bool:
        """Query by query: over the same version of the truth, asked the same and judged the same."""
        return self.run.truth_set_id == other.run.truth_set_id and self.judged == other.judged


@dataclass(frozen=True)
class Measured:
    """`runs` has the candidate first, then the baseline, then the others by name; each once."""

    report: Report
    runs: tuple[RunFigures, ...]
    baseline: RunFigures | None

    @property
    def candidate(self) -> RunFigures:
        return self.runs[0]

    @cached_property
    def comparable(self) -> tuple[RunFigures, ...]:
        return tuple(run for run in self.runs if run.comparable_with(self.candidate))

    @property
    def reference(self) -> RunFigures:
        """What the other runs are held against: the baseline, or the candidate where there is none."""
        return self.baseline or self.candidate

    @cached_property
    def against_baseline(self) -> tuple[Difference, ...]:
        """Of the candidate to the baseline: what the report is about, so a family of its own for Holm's correction."""
        return self._differences([self.candidate] if self.baseline else [], COMPARED_METRICS)

    @cached_property
    def of_others(self) -> tuple[Difference, ...]:
        """Of the other comparable runs to the reference, Holm-corrected over all of them."""
        others = [run for run in self.comparable if run not in {self.candidate, self.reference}]
        return self._differences(others, OTHER_METRICS)

    @property
    def differences(self) -> tuple[Difference, ...]:
        return (*self.against_baseline, *self.of_others)

    def _differences(self, runs: Sequence[RunFigures], metrics: Sequence[str]) -> tuple[Difference, ...]:
        if not runs or not self.candidate.per_query.queries:
            return ()
        found = {run.label: run.per_query for run in (self.reference, *runs)}
        return compare(found, metrics, baseline=self.reference.label)

    @cached_property
    def queries(self) -> Mapping[str, Item]:
        """query id -> its item, of the candidate's truth."""
        rows = TruthQuery.objects.filter(truth_set=self.candidate.run.truth_set).select_related("item")
        return {row.query_id: row.item for row in rows}

    @cached_property
    def codes(self) -> Mapping[str, str]:
        """Item id as text -> its code, of the first ten of every ranking and of all judged items."""
        ids = {item for run in self.comparable for items in run.ranked.values() for item in items[:SHOWN_RESULTS]}
        ids |= {item for labels in self.candidate.judged.values() for item in labels}
        rows = Item.objects.filter(pk__in=map(int, ids)).values_list("pk", "code")
        return {str(pk): code for pk, code in rows.iterator(chunk_size=10_000)}

    @cached_property
    def slices(self) -> Mapping[str, tuple[Slice, ...]]:
        """Title of the dimension -> its slices of the queries that count, where something is given."""
        asked = self.candidate.per_query.queries
        found = {
            title: group(asked, {query: value_of(self.queries[query]) for query in asked})
            for title, value_of in dimensions()
        }
        return {title: slices for title, slices in found.items() if any(part.name for part in slices)}

    def speed_of(self, run: RunFigures) -> Mapping[str, Any] | None:
        """The figures of the performance run where it measured what this run does: its one encoder, without a reranker
        behind it."""
        found = self.report.performance
        if found is None or run.settings.reranker or run.settings.encoders != (found.encoder_slug,):
            return None
        same = run.settings.fingerprints.get(found.encoder_slug) == found.encoder_fingerprint
        return found.figures if same else None

    @cached_property
    def decision(self) -> Decision:
        return decide([Line.from_json(line) for line in self.report.criteria], self._figure)

    def _figure(self, line: Line) -> Figure | None:
        if line.kind == "performance":
            speed = self.speed_of(self.candidate)
            return None if speed is None else performance_figure(line.measure, speed)
        candidate = self.candidate
        found = candidate.at([line.measure], line.minimum_relevance)
        if not found.queries:
            return None
        if line.kind == "metric":
            limits = bounds(candidate.judged, candidate.ranked, [line.measure], line.minimum_relevance)
            around = interval(line.measure, found.values[line.measure], candidate.settings.seed)
            reached = ceilings(candidate.judged, [line.measure], line.minimum_relevance)[line.measure]
            return replace(Figure.of(around, limits.get(line.measure)), ceiling=reached)
        if self.baseline is None:
            return None
        other = self.baseline.at([line.measure], line.minimum_relevance)
        pair = {"baseline": other, "candidate": found}
        return Figure.of(compare(pair, [line.measure], baseline="baseline")[0].interval)


def dimensions() -> Iterable[tuple[str, Callable[[Item], str]]]:
    return (
        (_("category"), _category),
        (_("subject"), lambda item: item.subject),
        (_("unit"), lambda item: item.unit),
        (_("grade"), lambda item: item.grade),
        (_("difficulty"), lambda item: "" if item.difficulty is None else str(item.difficulty)),
    )


def _category(item: Item) -> str:
    return str(item.get_category_display())


def measure(report: Report) -> Measured:
    others = sorted(report.runs.select_related("truth_set"), key=lambda run: (run.name, run.pk))
    first = [report.candidate, *([report.baseline] if report.baseline else [])]
    distinct = list({run.pk: run for run in [*first, *others]}.values())
    labels = _labels(distinct)
    runs = tuple(RunFigures(run, labels[run.pk], report.minimum_relevance) for run in distinct)
    baseline = next((each for each in runs if each.run.pk == report.baseline_id), None)
    return Measured(report, runs, baseline)


def _labels(runs: Sequence[EvaluationRun]) -> dict[int, str]:
    """Names without the truth of the first run; runs of one name are told apart by their numbers."""
    usual = f"{runs[0].truth_set} · "
    short = {run.pk: run.name.removeprefix(usual) or run.name for run in runs}
    names = list(short.values())
    return {pk: f"{name} #{pk}" if names.count(name) > 1 else name for pk, name in short.items()}
