"""Readable ways to make rows of ground truth. Each keyword is a field; what a test does not name is plausible."""

import itertools
from decimal import Decimal
from typing import Any

from django.db.models import Max
from django.utils import timezone

from groundtruth.judging.parameters import JudgeParameters
from groundtruth.models import JudgeJob, ModelPrice, Prompt, TruthPair, TruthQuery, TruthSet
from itembank.models import Item
from tests.factories import make_item

_numbers = itertools.count(1)


def make_truth_set(**fields: Any) -> TruthSet:
    """A set over the whole bank, ready and without queries."""
    values: dict[str, Any] = {"name": f"set-{next(_numbers)}", "method": "manual", "scope": "bank"} | fields
    return TruthSet.objects.create(**values)


def make_query(truth_set: TruthSet, item: Item | None = None, **fields: Any) -> TruthQuery:
    """A query of the set, about an item of its own where none is given."""
    item = item or make_item()
    values: dict[str, Any] = {"query_id": f"Q_{item.code}"} | fields
    return TruthQuery.objects.create(truth_set=truth_set, item=item, **values)


def make_pair(query: TruthQuery, item: Item | None = None, **fields: Any) -> TruthPair:
    """A candidate of the query that nobody has judged; `relevance=3` and so on say otherwise."""
    return TruthPair.objects.create(truth_set=query.truth_set, query=query, item=item or make_item(), **fields)


def make_prompt(kind: str = "listwise", **fields: Any) -> Prompt:
    """The next version of a prompt."""
    last = Prompt.objects.filter(kind=kind).aggregate(last=Max("version"))["last"] or 0
    values: dict[str, Any] = {"version": last + 1, "instructions": f"Judge with care ({next(_numbers)})."} | fields
    return Prompt.objects.create(kind=kind, **values)


def make_price(model: str = "gpt-4o-mini", **fields: Any) -> ModelPrice:
    """The price of a model, in place of the one that it has."""
    values: dict[str, Any] = {"input_usd": Decimal("0.15"), "output_usd": Decimal("0.60")} | fields
    return ModelPrice.objects.update_or_create(model=model, defaults=values)[0]


def make_judge_job(truth_set: TruthSet, **fields: Any) -> JudgeJob:
    """A job that waits for confirmation, or one that somebody confirmed where `state` is a later one."""
    values: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "parameters": JudgeParameters().as_json(),
        "cap_usd": Decimal(1),
    } | fields
    if values.get("state", "draft") not in {"draft", "cancelled"}:
        values.setdefault("confirmed_at", timezone.now())
    if "prompt" not in values:
        values["prompt"] = make_prompt()
    return JudgeJob.objects.create(truth_set=truth_set, **values)
