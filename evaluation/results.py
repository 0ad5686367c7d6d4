"""What a run's stored rankings are worth, computed anew whenever it is asked: nothing of it is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.engine.queries import count_unaskable, judged
from evaluation.intervals import Interval, interval
from evaluation.metrics import METRICS, Judged, PerQuery, Ranked, per_query
from evaluation.models import EvaluationRun
from evaluation.run_settings import RunSettings


@dataclass(frozen=True, slots=True)
class RunResults:
    """`unaskable` queries had no image, or no text, to ask with; `per_query.left_out` have no relevant item."""

    run: EvaluationRun
    per_query: PerQuery
    intervals: Mapping[str, Interval]
    unaskable: int


def results_of(run: EvaluationRun, names: Sequence[str] = METRICS, *, minimum_relevance: int = 1) -> RunResults:
    """Metrics of all queries that were asked, each mean with its 95% interval, by the seed of the run."""
    settings = RunSettings.from_json(run.configuration)
    found = per_query(judged_of(run), ranked_of(run), names, minimum_relevance)
    intervals = {name: interval(name, found.values[name], seed=settings.seed) for name in names}
    return RunResults(run, found, intervals, count_unaskable(run.truth_set, settings))


def judged_of(run: EvaluationRun) -> Judged:
    """query id -> item id as text -> relevance."""
    return judged(run.truth_set, RunSettings.from_json(run.configuration))


def ranked_of(run: EvaluationRun) -> Ranked:
    """query id -> item ids as text, best first."""
    rows = run.rankings.values_list("query__query_id", "items")
    return {query_id: [str(item) for item in items] for query_id, items in rows.iterator(chunk_size=2_000)}
