"""What the pages of judge jobs and prompts show."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Count
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from embeddings.admin.reading import Part
from groundtruth.admin.judge_forms import CapForm, JudgeJobForm
from groundtruth.judge_selectors import (
    Counts,
    consistency,
    counts_of,
    failures,
    held_on,
    job_counts,
    left_of_today,
    money,
    trial_answers,
)
from groundtruth.judge_services import tried
from groundtruth.judging.parameters import JudgeParameters
from groundtruth.models import JudgeJob, JudgeQuestion, Prompt

State, Asked, Failure = JudgeJob.State, JudgeQuestion.State, JudgeQuestion.Failure
STATE_LOOKS = {
    State.DRAFT: "ib-warn",
    State.RUNNING: "ib-run",
    State.PAUSED: "ib-warn",
    State.COMPLETED: "ib-good",
    State.COMPLETED_WITH_FAILURES: "ib-bad",
    State.CANCELLED: "",
}
BAR = {
    "ib-done": (Asked.ANSWERED,),
    "ib-reused": (Asked.REUSED,),
    "ib-failed": (Asked.FAILED,),
    "ib-outdated": (Asked.UNKNOWN,),
    "ib-leased": (Asked.LEASED, Asked.IN_BATCH),
    "ib-pending": (Asked.PENDING,),
}
RULES = {
    Asked.PENDING: gettext_lazy("Asked as soon as a worker is free."),
    Asked.LEASED: gettext_lazy("On its way to the provider."),
    Asked.IN_BATCH: gettext_lazy("With the provider; the answer comes within 24 hours."),
    Asked.ANSWERED: gettext_lazy("Paid, and the answer has landed."),
    Asked.REUSED: gettext_lazy("The same question was answered before. Nothing is paid."),
    Asked.UNKNOWN: gettext_lazy(
        "Sent, but no answer was seen (time-out, cut stream, crash). Charged at the highest cost; never sent again by"
        " itself."
    ),
    Failure.RATE_LIMITED: gettext_lazy("Asked again after a pause, several times, then given up. Nothing is charged."),
    Failure.SERVER_ERROR: gettext_lazy("Asked again after a pause, several times, then given up."),
    Failure.UNREACHABLE: gettext_lazy("Nothing was sent and nothing is charged. The job pauses if it lasts."),
    Failure.REJECTED: gettext_lazy("Not asked again by itself: the provider's message says what to mend."),
    Failure.REFUSED: gettext_lazy("Not asked again: the model would refuse again. Paid."),
    Failure.TRUNCATED: gettext_lazy("Not asked again. Paid. Plan another job with a longer answer."),
    Failure.MALFORMED: gettext_lazy("Asked once more, which is paid, then given up."),
    Failure.EXPIRED: gettext_lazy("Not asked again by itself. Nothing is charged."),
    Failure.UNASKABLE: gettext_lazy("Nothing was sent. Mend the item, then ask again."),
}


def usd(amount: Decimal) -> str:
    """Dollars for people: cents, and four places below a dollar."""
    places = 2 if amount == 0 or abs(amount) >= 1 else 4
    if 0 < abs(amount) < Decimal("0.0001"):
        places = 6
    rounded = amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)  # number_format() cuts
    return f"${number_format(rounded, places, force_grouping=True)}"


def number(count: int) -> str:
    return number_format(count, force_grouping=True)


# ---- the list


def with_progress(jobs: Iterable[JudgeJob]) -> list[JudgeJob]:
    """The jobs, each with its `counted` progress, `parts` and `look`, from one query for all."""
    chosen = list(jobs)
    counted = counts_of(chosen)
    for job in chosen:
        job.counted = counted[job.pk]  # type: ignore[attr-defined]
        job.parts = parts(counted[job.pk])  # type: ignore[attr-defined]
        job.look = STATE_LOOKS[State(job.state)]  # type: ignore[attr-defined]
    return chosen


def parts(counts: Counts) -> list[Part]:
    found = []
    for look, states in BAR.items():
        count = counts.of(*states)
        percent = round(100 * count / counts.total, 2) if counts.total else 0
        found.append(Part(look, str(states[0].label), count, percent))
    return found


# ---- one job


@dataclass(frozen=True, slots=True)
class StateLine:
    """A state, or a kind of failure, with how many are in it and what happens to them."""

    label: str
    count: int
    rule: str
    bad: bool


def job_page(job: JudgeJob, user: User) -> dict[str, Any]:
    return {
        "title": _("Trial %(id)s") % {"id": job.pk} if is_trial(job) else _("Judge job %(id)s") % {"id": job.pk},
        "job": job,
        "original": job,
        "live": live(job),
        "estimate": estimate(job),
        "parameters": settings_of(job),
        "lines": state_lines(job_counts(job)),
        "failures": [{"label": failure_label(each.kind), "group": each} for each in failures(job)],
        "consistency": consistency(job),
        "batches": job.batches.annotate(requests=Count("ledger")),
        "trial": trial_answers(job) if is_trial(job) and job.confirmed_at else [],
        "tried": is_trial(job) or tried(job.prompt, job.model),
        "controls": controls(job, user),
        "may_spend": user.has_perm("groundtruth.can_spend"),
        "cap_form": CapForm(initial={"cap_usd": job.cap_usd.normalize()}),
        "today": {"held": usd(held_on()), "left": usd(left_of_today()), "cap": usd(settings.LLM_DAILY_CAP_USD)},
    }


def settings_of(job: JudgeJob) -> list[tuple[str, Any]]:
    """The job's parameters by the labels of the form."""
    chosen = JudgeParameters.from_json(job.parameters).as_json()
    return [(str(JudgeJobForm.base_fields[name].label), value) for name, value in chosen.items()]


def is_trial(job: JudgeJob) -> bool:
    return job.purpose == JudgeJob.Purpose.TRIAL


def live(job: JudgeJob) -> dict[str, Any]:
    """What the page shows and asks for again while the job runs."""
    counts, sums = job_counts(job), money(job)
    return {
        "state": job.state,
        "state_label": str(State(job.state).label),
        "look": STATE_LOOKS[State(job.state)],
        "error": job.error,
        "percent": counts.percent,
        "finished": counts.finished,
        "total": counts.total,
        "parts": [
            {"look": part.look, "label": part.label, "count": part.count, "percent": part.percent}
            for part in parts(counts)
        ],
        "figures": {
            "charged": usd(sums.charged),
            "reserved": usd(sums.reserved),
            "remaining": usd(sums.remaining),
            "tokens": f"{number(sums.input_tokens)} + {number(sums.output_tokens)}",
        },
    }


def estimate(job: JudgeJob) -> dict[str, str]:
    """What was planned, in words and figures; empty for a job made without a plan."""
    planned = job.parameters.get("estimate")
    if not planned:
        return {}
    return {name: number(planned[name]) for name in ("calls", "reused", "unknown", "input_tokens", "output_tokens")} | {
        "expected": usd(job.expected_usd),
        "maximum": usd(job.maximum_usd),
        "cap": usd(job.cap_usd),
    }


def state_lines(counts: Counts) -> list[StateLine]:
    """One line for each state that occurs; failed questions by why they failed."""
    lines = [
        StateLine(str(Asked(state).label), counts.of(state), str(RULES[Asked(state)]), state == Asked.UNKNOWN)
        for state in Asked
        if state != Asked.FAILED and counts.of(state)
    ]
    failed = sorted(counts.by_failure.items(), key=lambda each: -each[1])
    return lines + [StateLine(failure_label(kind), count, str(RULES[Failure(kind)]), True) for kind, count in failed]


def failure_label(kind: str) -> str:
    return str(Asked.UNKNOWN.label) if kind == Asked.UNKNOWN else str(Failure(kind).label)


def controls(job: JudgeJob, user: User) -> list[str]:
    """The buttons that this person may press on a job in this state."""
    by_state: dict[str, list[str]] = {
        State.DRAFT: ["confirm", "cancel"],
        State.RUNNING: ["cap", "pause", "cancel"],
        State.PAUSED: ["cap", "resume", "cancel"],
        State.COMPLETED_WITH_FAILURES: ["cap"],
    }
    found = list(by_state.get(job.state, []))
    counts = job_counts(job)
    if job.state != State.CANCELLED and counts.of(Asked.FAILED, Asked.UNKNOWN):
        found.append("retry")
    return [control for control in found if may(user, control)]


def may(user: User, control: str) -> bool:
    """What spends needs `can_spend`; to stop spending, the right to change jobs is enough."""
    if control in ("pause", "cancel") and user.has_perm("groundtruth.change_judgejob"):
        return True
    return user.has_perm("groundtruth.can_spend")


# ---- prompts


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of a comparison; `look` is "added", "removed" or "" for what stayed."""

    look: str
    text: str


def compared(before: str, after: str) -> Iterator[DiffLine]:
    """Both texts line by line, what went and what came marked."""
    looks = {"+ ": "added", "- ": "removed", "  ": ""}
    for line in difflib.ndiff(before.splitlines(), after.splitlines()):
        if line[:2] in looks:  # "? " lines are hints for a terminal
            yield DiffLine(looks[line[:2]], line[2:])


def prompt_page(prompt: Prompt) -> dict[str, Any]:
    versions = list(Prompt.objects.filter(kind=prompt.kind).select_related("created_by"))
    previous = next((each for each in versions if each.version < prompt.version), None)
    trials = JudgeJob.objects.filter(prompt=prompt, purpose=JudgeJob.Purpose.TRIAL)
    return {
        "title": str(prompt),
        "original": prompt,
        "prompt": prompt,
        "previous": previous,
        "lines": list(compared(previous.instructions, prompt.instructions)) if previous else [],
        "versions": versions,
        "trials": with_progress(trials.select_related("truth_set")[:20]),
    }
