"""What the pages of truth sets show."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from embeddings.admin.reading import Part
from groundtruth.admin.changes import told
from groundtruth.admin.from_marks_form import RULE_CHOICES
from groundtruth.admin.judge_pages import STATE_LOOKS as JOB_LOOKS
from groundtruth.admin.judge_pages import number, usd
from groundtruth.admin.truth_forms import TextsForm
from groundtruth.builds import BUILT
from groundtruth.models import JudgeJob, Relevance, TruthSet
from groundtruth.truth_selectors import CategoryCounts, SetCounts, category_counts, in_all, set_counts, spent_on
from itembank.models import Item

State = TruthSet.State
STATE_LOOKS = {State.BUILDING: "ib-run", State.READY: "ib-good", State.FAILED: "ib-bad", State.CANCELLED: ""}
RELEVANCES: tuple[int | None, ...] = (3, 2, 1, 0, None)
UNJUDGED = gettext_lazy("not judged yet")
SHOWN = 10
PERMISSIONS = {
    "cancel": "groundtruth.change_truthset",
    "again": "groundtruth.change_truthset",
    "freeze": "groundtruth.freeze_truthset",
    "new-version": "groundtruth.add_truthset",
    "delete": "groundtruth.delete_truthset",
}
LABELS = {
    "top": gettext_lazy("candidates of a query"),
    "min_score": gettext_lazy("lowest cosine"),
    "thresholds": gettext_lazy("lowest cosines of relevance 3, 2, 1"),
    "candidates": gettext_lazy("candidates from"),
    "quotas": gettext_lazy("drawn items"),
    "seed": gettext_lazy("seed"),
    "sets": gettext_lazy("made from"),
    "combination": gettext_lazy("combination"),
    "weights": gettext_lazy("weights"),
    "threshold": gettext_lazy("a set agrees from relevance"),
    "format": gettext_lazy("format"),
    "unknown_items": gettext_lazy("unknown items skipped"),
    "thumbs_of": gettext_lazy("thumbs of"),
    "thumbs_since": gettext_lazy("thumbs since"),
    "subjects": gettext_lazy("subject"),
    "thumb_up": gettext_lazy("a thumb up means"),
    "thumb_down": gettext_lazy("a thumb down means"),
    "disagreement": gettext_lazy("where people disagree"),
}
COMBINATIONS = {
    "intersection": gettext_lazy("Intersection: what all sets call similar"),
    "union": gettext_lazy("Union: what any set calls similar"),
    "vote": gettext_lazy("Vote: what most sets call similar"),
}


# ---- the list


def with_counts(sets: Iterable[TruthSet]) -> list[TruthSet]:
    """The sets, each with its `counted` pairs, `parts`, `look` and progress."""
    chosen = list(sets)
    counted = set_counts(chosen)
    for each in chosen:
        each.counted = counted[each.pk]  # type: ignore[attr-defined]
        each.parts = relevance_parts(counted[each.pk])  # type: ignore[attr-defined]
        each.look = STATE_LOOKS[State(each.state)]  # type: ignore[attr-defined]
        each.percent = percent(each)  # type: ignore[attr-defined]
        each.progress = progress_parts(each)  # type: ignore[attr-defined]
    return chosen


def percent(truth_set: TruthSet) -> float:
    return round(100 * min(truth_set.done / truth_set.total, 1), 1) if truth_set.total else 0


def progress_parts(truth_set: TruthSet) -> list[Part]:
    done = percent(truth_set)
    left = max(truth_set.total - truth_set.done, 0)
    return [
        Part("ib-done", _("done"), truth_set.done, done),
        Part("ib-pending", _("to do"), left, round(100 - done, 1)),
    ]


def relevance_label(relevance: int | None) -> str:
    return str(UNJUDGED) if relevance is None else f"{relevance} · {Relevance(relevance).label}"


def relevance_parts(counts: SetCounts) -> list[Part]:
    return [
        Part(
            f"ib-rel-{'none' if each is None else each}", relevance_label(each), counts.pairs.get(each, 0),
            round(100 * counts.pairs.get(each, 0) / counts.total, 2) if counts.total else 0,
        )
        for each in RELEVANCES
    ]  # fmt: skip


# ---- one set


def set_page(truth_set: TruthSet, user: User, form: TextsForm | None = None) -> dict[str, Any]:
    texts = {"description": truth_set.description, "guidelines": truth_set.guidelines}
    return {
        "title": str(truth_set),
        "original": truth_set,
        "set": truth_set,
        "live": live(truth_set),
        "controls": controls(truth_set, user),
        "parameters": list(parameters(truth_set.parameters)),
        "form": form or TextsForm(initial=texts),
        "may_write": not truth_set.frozen and user.has_perm("groundtruth.change_truthset"),
        "next_versions": truth_set.next_versions.order_by("version"),
        "rounds": truth_set.rounds.all()[:SHOWN],
        **counted(truth_set),
        **judging(truth_set, user),
        **history(truth_set, user),
    }


def live(truth_set: TruthSet) -> dict[str, Any]:
    """What the page shows and asks for again while the set is being built, in the words of progress.js."""
    state = "running" if truth_set.state == State.BUILDING else truth_set.state
    return {
        "state": state,
        "state_label": str(State(truth_set.state).label),
        "look": STATE_LOOKS[State(truth_set.state)],
        "percent": percent(truth_set),
        "finished": number(truth_set.done),
        "total": number(truth_set.total),
        "parts": [
            {"look": part.look, "label": part.label, "count": part.count, "percent": part.percent}
            for part in progress_parts(truth_set)
        ],
    }


def controls(truth_set: TruthSet, user: User) -> list[str]:
    """The buttons that this person may press on a set in this state."""
    fitting = {
        "cancel": truth_set.state == State.BUILDING and truth_set.method in BUILT,
        "again": truth_set.state in (State.FAILED, State.CANCELLED) and truth_set.method in BUILT,
        "freeze": truth_set.state == State.READY and not truth_set.frozen,
        "new-version": truth_set.state == State.READY,
        "delete": truth_set.state != State.BUILDING and not truth_set.frozen,
    }
    return [name for name, fits in fitting.items() if fits and user.has_perm(PERMISSIONS[name])]


def counted(truth_set: TruthSet) -> dict[str, Any]:
    categories = category_counts(truth_set)
    total = in_all(categories)
    return {
        "total": total,
        "parts": relevance_parts(total.counts),
        "rows": [_row(each) for each in categories],
        "sum": _row(total),
    }


def _row(each: CategoryCounts) -> dict[str, Any]:
    known = each.category in Item.ItemCategory.values
    return {
        "label": str(Item.ItemCategory(each.category).label) if known else each.category,
        "queries": each.counts.queries,
        "without": each.without_relevant,
        "pairs": [each.counts.pairs.get(relevance, 0) for relevance in RELEVANCES],
        "total": each.counts.total,
    }


def judging(truth_set: TruthSet, user: User) -> dict[str, Any]:
    """Judge jobs and money, for who may see them."""
    seen = any(map(user.has_perm, ("groundtruth.view_judgejob", "groundtruth.add_judgejob", "groundtruth.can_spend")))
    if not seen:
        return {"sees_judging": False}
    jobs = list(JudgeJob.objects.filter(truth_set=truth_set).order_by("-pk")[:SHOWN])
    for job in jobs:
        job.look = JOB_LOOKS[JudgeJob.State(job.state)]  # type: ignore[attr-defined]
        job.held = usd(job.held_usd)  # type: ignore[attr-defined]
    charged, reserved = spent_on(truth_set)
    return {"sees_judging": True, "jobs": jobs, "charged": usd(charged), "reserved": usd(reserved) if reserved else ""}


def history(truth_set: TruthSet, user: User) -> dict[str, Any]:
    if not user.has_perm("groundtruth.view_change"):
        return {"sees_history": False}
    return {"sees_history": True, "changes": told(truth_set.changes.select_related("user")[:SHOWN])}


def parameters(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What made the set, in words; what is not known here stays as it is written."""
    for name, value in given.items():
        if value is False or value in (None, [], {}) or (name == "weights" and given.get("combination") != "vote"):
            continue
        if name == "take_all":
            yield _("be content with fewer items than asked"), _("yes")
        else:
            yield str(LABELS.get(name, name)), _in_words(name, value)


def _in_words(name: str, value: Any) -> str:
    if name == "combination":
        return str(COMBINATIONS.get(value, value))
    if name == "disagreement":
        return str(dict(RULE_CHOICES).get(value, value))
    if isinstance(value, dict):
        labels = dict(Item.ItemCategory.choices)
        return ", ".join(f"{labels.get(key, key)} {count}" for key, count in value.items())
    if isinstance(value, list):
        return ", ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
