"""Which questions a judge job asks, and what they would cost. Nothing here sends anything."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from math import ceil
from operator import itemgetter
from random import Random
from typing import TypeVar

from django.db.models import QuerySet

from groundtruth.judging.parameters import JudgeParameters
from groundtruth.judging.pricing import Cost, expected_cost, maximum_cost, price_of
from groundtruth.judging.questions import Question, build_question
from groundtruth.models import JudgeJob, JudgeQuestion, LedgerEntry, Prompt, TruthPair, TruthSet

T = TypeVar("T")
TRIAL_PAIRS = 3
QUESTIONS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Sketch:
    """A question before its contents are read: ids of its pairs, all of one query, in the order shown."""

    query_id: int
    pair_ids: tuple[int, ...]
    swapped: bool = False


@dataclass(slots=True)
class Estimate:
    """What a job would ask and cost. `calls` leaves out what is `reused`; `unknown` were sent before, outcome unknown.

    `maximum_usd` is what the calls cost at most if each is made once; a job never spends more than its limit.
    """

    calls: int = 0
    reused: int = 0
    unknown: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    expected_usd: Decimal = field(default_factory=Decimal)
    maximum_usd: Decimal = field(default_factory=Decimal)

    def add(self, cost: Cost) -> None:
        """One more call, and what it is expected to cost."""
        self.calls += 1
        self.input_tokens += cost.input_tokens
        self.output_tokens += cost.output_tokens
        self.expected_usd += cost.usd

    def as_json(self) -> dict[str, int]:
        """The counts, for the job's row, which has columns for the money."""
        names = ("calls", "reused", "unknown", "input_tokens", "output_tokens")
        return {name: getattr(self, name) for name in names}


# ---- which questions


def unjudged_pairs(truth_set: TruthSet) -> QuerySet[TruthPair]:
    return TruthPair.objects.filter(truth_set=truth_set, relevance=None)


def sketch_questions(truth_set: TruthSet, kind: str, parameters: JudgeParameters) -> list[Sketch]:
    """A question for each query's candidates that nobody has judged, then the sample in the other order.

    The order is drawn by the items' codes, not by rows: another version of the set asks, and pays for, nothing new.
    """
    size = parameters.candidates if kind == Prompt.Kind.LISTWISE else 1
    rows = unjudged_pairs(truth_set).order_by("query__item__code", "item__code")
    asked = []
    for (query_id, code), group in groupby(
        rows.values_list("query_id", "query__item__code", "pk"), key=itemgetter(0, 1)
    ):
        pair_ids = [pk for _query, _code, pk in group]
        if kind == Prompt.Kind.LISTWISE:
            Random(f"{parameters.seed}/{code}").shuffle(pair_ids)  # noqa: S311 - a draw, not a secret
        asked += [Sketch(query_id, tuple(chunk)) for chunk in _chunks(pair_ids, size)]
    return asked + _other_orders(asked, kind, parameters)


def _other_orders(asked: Sequence[Sketch], kind: str, parameters: JudgeParameters) -> list[Sketch]:
    """A list of one candidate has no other order."""
    able = [each for each in asked if kind == Prompt.Kind.PAIRWISE or len(each.pair_ids) > 1]
    count = ceil(parameters.both_orders_share * len(able))
    drawn = sorted(Random(parameters.seed).sample(range(len(able)), count))  # noqa: S311
    return [Sketch(able[place].query_id, able[place].pair_ids, swapped=True) for place in drawn]


def draw_trial(truth_set: TruthSet, kind: str, seed: int) -> list[int]:
    """Ids of three pairs, or of as many as there are: in a list for one query where one has three candidates."""
    rows = TruthPair.objects.filter(truth_set=truth_set).order_by("query__item__code", "item__code")
    by_query: dict[int, list[int]] = {}
    for query_id, pk in rows.values_list("query_id", "pk"):
        by_query.setdefault(query_id, []).append(pk)
    random = Random(seed)  # noqa: S311
    full = [pair_ids for pair_ids in by_query.values() if len(pair_ids) >= TRIAL_PAIRS]
    if kind == Prompt.Kind.LISTWISE and full:
        return random.sample(random.choice(full), TRIAL_PAIRS)
    if len(by_query) >= TRIAL_PAIRS:
        return [random.choice(by_query[query_id]) for query_id in random.sample(list(by_query), TRIAL_PAIRS)]
    every = [pk for pair_ids in by_query.values() for pk in pair_ids]
    return random.sample(every, min(TRIAL_PAIRS, len(every)))


def sketch_trial(pairs: Iterable[TruthPair], kind: str) -> list[Sketch]:
    """One question for the pairs of each query in a list, one for each pair otherwise."""
    if kind == Prompt.Kind.PAIRWISE:
        return [Sketch(pair.query_id, (pair.pk,)) for pair in pairs]
    by_query: dict[int, list[int]] = {}
    for pair in pairs:
        by_query.setdefault(pair.query_id, []).append(pair.pk)
    return [Sketch(query_id, tuple(pair_ids)) for query_id, pair_ids in by_query.items()]


def _chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


# ---- what they cost


def write_questions(job: JudgeJob, sketches: Sequence[Sketch]) -> Estimate:
    """The job's questions as rows, and what they would cost. Raises JudgeError where the model has no price."""
    price, parameters = price_of(job.model), JudgeParameters.from_json(job.parameters)
    batch, estimate = job.mode == JudgeJob.Mode.BATCH, Estimate()
    paid_for: set[str] = set()
    for start, chunk in enumerate(_chunks(sketches, QUESTIONS_AT_ONCE)):
        built = list(_build(job, chunk, parameters))
        JudgeQuestion.objects.bulk_create(_rows(job, built, start * QUESTIONS_AT_ONCE))
        paid_for |= answered_hashes(question.hash for _sketch, question in built)
        for _sketch, question in built:
            if question.hash in paid_for:
                estimate.reused += 1
            else:
                estimate.add(expected_cost(question, price, parameters, batch))
                estimate.maximum_usd += maximum_cost(question, price, parameters, batch).usd
            paid_for.add(question.hash)  # asked twice in one job, it is paid once
    estimate.unknown = unknown_questions(job)
    return estimate


def _rows(job: JudgeJob, built: Sequence[tuple[Sketch, Question]], start: int) -> list[JudgeQuestion]:
    return [
        JudgeQuestion(
            job=job, position=position, query_id=sketch.query_id, pairs=list(sketch.pair_ids), swapped=sketch.swapped,
            question_hash=question.hash,
        )
        for position, (sketch, question) in enumerate(built, start=start + 1)
    ]  # fmt: skip


def _build(job: JudgeJob, sketches: Sequence[Sketch], parameters: JudgeParameters) -> Iterator[tuple[Sketch, Question]]:
    related = TruthPair.objects.select_related("item", "query__item")
    pairs = related.prefetch_related("item__images", "query__item__images").in_bulk(
        [pk for sketch in sketches for pk in sketch.pair_ids]
    )
    for sketch in sketches:
        shown = [pairs[pk] for pk in sketch.pair_ids]
        yield (
            sketch,
            build_question(
                prompt=job.prompt, model=job.model, parameters=parameters, pairs=shown, swapped=sketch.swapped
            ),
        )


def answered_hashes(hashes: Iterable[str]) -> set[str]:
    """Those of the questions that some job has already paid for, with a usable answer."""
    return set(
        LedgerEntry.objects.filter(question_hash__in=list(hashes), usable=True).values_list("question_hash", flat=True)
    )


def unknown_questions(job: JudgeJob) -> int:
    """Questions of the job that were sent before, by whichever job, with an outcome that nobody knows."""
    unknown = LedgerEntry.objects.filter(
        state=LedgerEntry.State.UNKNOWN, question_hash__in=job.questions.values("question_hash")
    )
    return unknown.values("question_hash").distinct().count()
