"""Metrics of this floor: truth sets, questions to paid models, and money."""

from collections.abc import Iterable

from django.conf import settings
from django.db.models import Case, Count, F, Sum, When
from prometheus_client.core import Metric

from groundtruth.judge_selectors import held_on
from groundtruth.models import JudgeJob, JudgeQuestion, LedgerEntry, TruthSet
from itembank.monitoring.ground import by_state
from itembank.monitoring.registry import gauge, gauges, register_queries

State = LedgerEntry.State


def register_all() -> None:
    register_queries("truth", truth_metrics)
    register_queries("spend", spend_metrics)


def truth_metrics() -> Iterable[Metric]:
    yield gauges("itembank_truth_sets", "Truth sets.", "state", by_state(TruthSet, TruthSet.State.values))
    yield gauges("itembank_judge_jobs", "Judge jobs.", "state", by_state(JudgeJob, JudgeJob.State.values))
    questions = by_state(JudgeQuestion, JudgeQuestion.State.values)
    yield gauges("itembank_judge_questions", "Questions of judge jobs.", "state", questions)


def spend_metrics() -> Iterable[Metric]:
    yield gauge("itembank_spend_today_usd", "Spent or put aside today (UTC), in dollars.", float(held_on()))
    cap = float(settings.LLM_DAILY_CAP_USD)
    yield gauge("itembank_spend_cap_usd", "What may be spent in a day, in dollars.", cap)
    # What has no price yet stands with what was put aside for it.
    amount = Case(When(state__in=[State.SETTLED, State.UNKNOWN], then=F("charged_usd")), default=F("reserved_usd"))
    rows = list(LedgerEntry.objects.order_by().values_list("state").annotate(count=Count("pk"), dollars=Sum(amount)))
    none = dict.fromkeys(map(str, State.values), 0.0)
    entries = none | {state: float(count) for state, count, _dollars in rows}
    dollars = none | {state: float(dollars) for state, _count, dollars in rows}
    yield gauges("itembank_ledger_entries", "Requests to paid models, of all time.", "state", entries)
    yield gauges("itembank_ledger_usd", "Their dollars, charged or put aside, of all time.", "state", dollars)
