"""What judge jobs are doing, what they have cost, and what came of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from statistics import fmean

from django.conf import settings
from django.db.models import Count, F, Q, Sum

from groundtruth.judging.answers import Reading, Verdict, read_answer
from groundtruth.judging.ledger import today
from groundtruth.models import JudgeJob, Judgement, JudgeQuestion, LedgerEntry, SpendDay, TruthPair

ON_THEIR_WAY = (LedgerEntry.State.RESERVED, LedgerEntry.State.SENT, LedgerEntry.State.RECEIVED)
CHARGED = (LedgerEntry.State.SETTLED, LedgerEntry.State.UNKNOWN)
EXAMPLES = 5
State = JudgeQuestion.State


@dataclass(frozen=True, slots=True)
class Counts:
    """Questions of a job by state and, of the failed ones, by why."""

    by_state: dict[str, int]
    by_failure: dict[str, int]

    def of(self, *states: str) -> int:
        return sum(self.by_state.get(state, 0) for state in states)

    @property
    def total(self) -> int:
        return sum(self.by_state.values())

    @property
    def finished(self) -> int:
        return self.of(State.ANSWERED, State.REUSED, State.FAILED, State.UNKNOWN)

    @property
    def percent(self) -> int:
        return 100 * self.finished // self.total if self.total else 0


def job_counts(job: JudgeJob) -> Counts:
    return counts_of([job])[job.pk]


def counts_of(jobs: Iterable[JudgeJob]) -> dict[int, Counts]:
    """The counts of each job, from one query for all."""
    counted = {job.pk: Counts({}, {}) for job in jobs}
    rows = JudgeQuestion.objects.filter(job__in=counted).order_by().values_list("job_id", "state", "failure")
    for job_id, state, failure, count in rows.annotate(count=Count("pk")):
        found = counted[job_id]
        found.by_state[state] = found.by_state.get(state, 0) + count
        if state == State.FAILED:
            found.by_failure[failure] = count
    return counted


# ---- money, in dollars


@dataclass(frozen=True, slots=True)
class Money:
    """Of a job: put aside for requests on their way, charged, and what its limit leaves."""

    reserved: Decimal
    charged: Decimal
    remaining: Decimal
    input_tokens: int
    output_tokens: int


def money(job: JudgeJob) -> Money:
    ledger = LedgerEntry.objects.filter(job=job)
    sums = ledger.aggregate(
        reserved=Sum("reserved_usd", filter=Q(state__in=ON_THEIR_WAY)),
        charged=Sum("charged_usd", filter=Q(state__in=CHARGED)),
        input_tokens=Sum("input_tokens"),
        output_tokens=Sum("output_tokens"),
    )
    return Money(
        reserved=sums["reserved"] or Decimal(0),
        charged=sums["charged"] or Decimal(0),
        remaining=job.cap_usd - job.held_usd,
        input_tokens=sums["input_tokens"] or 0,
        output_tokens=sums["output_tokens"] or 0,
    )


def held_on(day: date | None = None) -> Decimal:
    """Spent or reserved on a day, today where none is given, over all jobs."""
    found = SpendDay.objects.filter(day=day or today()).first()
    return found.held_usd if found else Decimal(0)


def left_of_today() -> Decimal:
    """What the limit of the day leaves; never below 0."""
    return max(Decimal(0), settings.LLM_DAILY_CAP_USD - held_on())


# ---- both orders


@dataclass(frozen=True, slots=True)
class Consistency:
    """Of `n` pairs judged in both orders: the share with the same relevance, and the mean absolute difference of it."""

    n: int
    agreement: float
    mean_difference: float

    @property
    def percent(self) -> int:
        return round(100 * self.agreement)


def consistency(job: JudgeJob) -> Consistency | None:
    """None while no pair of the job was judged in both orders."""
    both = [(first, other) for first, other in _both_orders(job) if first is not None and other is not None]
    if not both:
        return None
    differences = [abs(first - other) for first, other in both]
    return Consistency(len(both), fmean(each == 0 for each in differences), fmean(differences))


def _both_orders(job: JudgeJob) -> Iterable[tuple[int | None, int | None]]:
    asked = job.questions.filter(swapped=True, state__in=[State.ANSWERED, State.REUSED]).values_list("pairs", flat=True)
    pair_ids = {pk for pairs in asked for pk in pairs}
    judged = Judgement.objects.filter(
        pair__in=pair_ids, source=Judgement.Source.MODEL, judge=job.model, prompt=job.prompt
    )
    found = {
        (pair, swapped): relevance for pair, swapped, relevance in judged.values_list("pair", "swapped", "relevance")
    }
    return [(found.get((pk, False)), found.get((pk, True))) for pk in sorted(pair_ids)]


# ---- failures


@dataclass(frozen=True, slots=True)
class Failures:
    """Questions of one kind of failure, or of unknown outcome: how many, and the first of them."""

    kind: str
    count: int
    examples: list[JudgeQuestion]


def failures(job: JudgeJob) -> list[Failures]:
    """By kind, the most frequent first; questions of unknown outcome are of the kind "unknown"."""
    counted = job_counts(job)
    kinds = dict(counted.by_failure)
    if counted.of(State.UNKNOWN):
        kinds[State.UNKNOWN] = counted.of(State.UNKNOWN)
    ordered = sorted(kinds.items(), key=lambda each: (-each[1], each[0]))
    return [Failures(kind, count, _examples(job, kind)) for kind, count in ordered]


def _examples(job: JudgeJob, kind: str) -> list[JudgeQuestion]:
    """Each with its `candidate` where it asks about one pair."""
    which = Q(state=State.UNKNOWN) if kind == State.UNKNOWN else Q(state=State.FAILED, failure=kind)
    found = list(job.questions.filter(which).select_related("query__item").order_by("position")[:EXAMPLES])
    alone = {question.pk: question.pairs[0] for question in found if len(question.pairs) == 1}
    pairs = TruthPair.objects.select_related("item").in_bulk(alone.values())
    for question in found:
        pair = pairs.get(alone.get(question.pk))
        question.candidate = pair.item if pair else None  # type: ignore[attr-defined]
    return found


# ---- trials


@dataclass(frozen=True, slots=True)
class TrialAnswer:
    """A pair of a trial, what the model said of it (None: no usable answer yet), and the question it was part of."""

    pair: TruthPair
    verdict: Verdict | None
    question: JudgeQuestion


def trial_answers(job: JudgeJob) -> list[TrialAnswer]:
    """The pairs in the order asked, read again from the raw answers of the ledger."""
    questions = list(job.questions.order_by("position"))
    pairs = TruthPair.objects.select_related("item", "query__item").prefetch_related(
        "item__images", "query__item__images"
    )
    by_id = pairs.in_bulk([pk for question in questions for pk in question.pairs])
    raw = _usable_answers(questions)
    answers = []
    for question in questions:
        verdicts = _verdicts(job, question, raw.get(question.question_hash))
        for place, pk in enumerate(question.pairs):
            if pk in by_id:
                answers.append(TrialAnswer(by_id[pk], verdicts.get(place), question))
    return answers


def _usable_answers(questions: Iterable[JudgeQuestion]) -> dict[str, str]:
    hashes = [question.question_hash for question in questions]
    entries = LedgerEntry.objects.filter(question_hash__in=hashes, usable=True)
    return dict(entries.values_list("question_hash", "raw"))


def _verdicts(job: JudgeJob, question: JudgeQuestion, raw: str | None) -> dict[int, Verdict]:
    """By the place of the pair in the question."""
    if raw is None:
        return {}
    reading: Reading = read_answer(job.prompt.kind, raw, len(question.pairs), question.swapped)
    return {verdict.index: verdict for verdict in reading.verdicts}


def spending_by_day(days: int) -> list[SpendDay]:
    """The latest days with spending, the newest first."""
    return list(SpendDay.objects.order_by(F("day").desc())[:days])
