"""What the figures of agreement rest on, and what the pairs cost. A query or two each, whatever the size."""

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Exists, F, OuterRef, Q, Sum

from groundtruth.agreement import SIMILAR_FROM
from groundtruth.agreement_selectors import PEOPLE, Labels, reviewed
from groundtruth.models import Change, JudgeJob, Judgement, JudgeQuestion, LedgerEntry, ReviewPair, TruthSet
from groundtruth.review_selectors import SEEN

JOBS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars charged in the set's ledger, in parts; `on_their_way` is put aside, not charged."""

    judging: Decimal
    trials: Decimal
    unknown: Decimal
    on_their_way: Decimal
    reviewed: int
    accepted: int

    @property
    def charged(self) -> Decimal:
        return self.judging + self.trials + self.unknown

    @property
    def per_reviewed(self) -> Decimal | None:
        return self.charged / self.reviewed if self.reviewed else None

    @property
    def per_accepted(self) -> Decimal | None:
        """None where no pair was accepted: money was spent, or none was, and nothing was gained."""
        return self.charged / self.accepted if self.accepted else None


def cost(truth_set: TruthSet, labels: Labels) -> Cost:
    """One query."""
    state, purpose = LedgerEntry.State, JudgeJob.Purpose
    sums = LedgerEntry.objects.filter(job__truth_set=truth_set).aggregate(
        judging=Sum("charged_usd", filter=Q(state=state.SETTLED, job__purpose=purpose.JUDGE)),
        trials=Sum("charged_usd", filter=Q(state=state.SETTLED, job__purpose=purpose.TRIAL)),
        unknown=Sum("charged_usd", filter=Q(state=state.UNKNOWN)),
        on_their_way=Sum("reserved_usd", filter=Q(state__in=[state.RESERVED, state.SENT, state.RECEIVED])),
    )
    approved = labels.said[PEOPLE].values()
    return Cost(
        **{name: amount or Decimal(0) for name, amount in sums.items()},
        reviewed=len(approved),
        accepted=sum(relevance >= SIMILAR_FROM for relevance in approved),
    )


@dataclass(frozen=True, slots=True)
class Basis:
    """Pairs of the set: all, judged by its method, approved by people, and reviewed by persons who may have seen what
    the model says of them.
    """

    pairs: int
    judged: int
    approved: int
    seen: int


def basis(truth_set: TruthSet) -> Basis:
    """Two queries."""
    counts = truth_set.pairs.aggregate(
        pairs=Count("pk"),
        judged=Count("pk", filter=Q(relevance__isnull=False)),
        approved=Count("pk", filter=Q(approved_relevance__isnull=False)),
    )
    theirs = Judgement.objects.filter(pair=OuterRef("pair"), reviewer=OuterRef("user"))
    asked = Change.objects.filter(Exists(theirs), pair=OuterRef("pk"), action=SEEN)
    shown = ReviewPair.objects.filter(pair=OuterRef("pk"), round__show_judgement=True)
    return Basis(**counts, seen=reviewed(truth_set).filter(Exists(asked) | Exists(shown)).count())


def jobs_in_both_orders(truth_set: TruthSet) -> list[JudgeJob]:
    """The latest jobs that asked some pairs in both orders; their pages show how consistent the model was."""
    swapped = JudgeQuestion.objects.filter(job=OuterRef("pk"), swapped=True)
    jobs = truth_set.judge_jobs.filter(Exists(swapped), purpose=JudgeJob.Purpose.JUDGE)
    return list(jobs.select_related("prompt").order_by(F("created_at").desc(), "-pk")[:JOBS_SHOWN])
