"""`manage.py judge_truth`: have a set's candidates judged by a paid model, once a person has confirmed the price."""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from groundtruth.dispatch import confirm_job, pause_job, resume_job, sweep
from groundtruth.judge_selectors import failures, job_counts, left_of_today, trial_answers
from groundtruth.judge_services import may_spend, plan_job, plan_trial, set_cap
from groundtruth.judging.parameters import JudgeError, JudgeParameters
from groundtruth.models import JudgeJob, Prompt, TruthSet
from groundtruth.selectors import named_set
from groundtruth.set_services import SetError
from itembank.processes import Supervisor, ended_like_ctrl_c, worker_answers, worker_process

State = JudgeJob.State
DEFAULTS = JudgeParameters()
DEFAULT_MODELS = {Prompt.Kind.LISTWISE: "gpt-4o-mini", Prompt.Kind.PAIRWISE: "gpt-4o"}
POLL_SECONDS = 0.5
SHOWN_FAILURES = 20


class Command(BaseCommand):
    help = "Have a set's candidates judged by a paid model. Prints the price and asks before anything is sent."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)  # for --version

    def add_arguments(self, parser: ArgumentParser) -> None:
        subject = parser.add_mutually_exclusive_group(required=True)
        subject.add_argument("--set", dest="set_name", metavar="NAME")
        subject.add_argument("--job", type=int, metavar="ID", help=_("Go on with a job that has not ended."))
        parser.add_argument("--version", type=int, metavar="N", help=_("Of the set; the newest where it is left out."))
        parser.add_argument("--kind", choices=Prompt.Kind.values, help=_("pairwise for sets of the method llm-images."))
        parser.add_argument("--prompt", type=int, metavar="VERSION", help=_("The newest where it is left out."))
        parser.add_argument("--model")
        parser.add_argument("--mode", choices=JudgeJob.Mode.values, default=JudgeJob.Mode.LIVE.value)
        parser.add_argument("--cap", metavar="USD", help=_("The highest cost where it is left out."))
        for name, value in DEFAULTS.as_json().items():
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
        parser.add_argument("--try", dest="trial", action="store_true", help=_("Try the prompt on three pairs."))
        parser.add_argument("--plan-only", action="store_true", help=_("Print the price and leave the job to others."))
        parser.add_argument("--confirm-as", metavar="USERNAME", help=_("Who answers for the money."))
        parser.add_argument("--yes", action="store_true", help=_("Do not ask."))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = None if options["plan_only"] else self._spender(options["confirm_as"])
            cap = dollars(options["cap"])
            job = self._given(options["job"]) if options["job"] else planned(options, cap)
            self._show_price(job, cap)
            if user is not None:
                self._begin(job, user, cap, sure=options["yes"])
                self._wait_for(job)
                self._report(job)
        except (JudgeError, SetError, PermissionDenied) as error:
            raise CommandError(str(error)) from error

    # ---- the price and the answer to it

    def _given(self, pk: int) -> JudgeJob:
        job = JudgeJob.objects.filter(pk=pk, state__in=[State.DRAFT, State.PAUSED, State.RUNNING]).first()
        if job is None:
            raise CommandError(_("There is no judge job %(id)s that has not ended.") % {"id": pk})
        return job

    def _show_price(self, job: JudgeJob, cap: Decimal | None) -> None:
        counted = job.parameters.get("estimate", {})
        self.stdout.write(_("Judge job %(id)s") % {"id": job.pk} + f": {job.truth_set}, {job.model}, {job.prompt}")
        self.stdout.write(
            _(
                "%(calls)s calls (%(reused)s more repeat one of these or were answered before), "
                "%(input)s + %(output)s tokens expected; %(unknown)s were sent before with unknown outcome."
            )
            % {
                "calls": counted.get("calls", "?"),
                "reused": counted.get("reused", "?"),
                "unknown": counted.get("unknown", "?"),
                "input": counted.get("input_tokens", "?"),
                "output": counted.get("output_tokens", "?"),
            }
        )
        self.stdout.write(
            _("Expected $%(expected)s, at most $%(maximum)s. Limit $%(cap)s; left of today's limit $%(left)s.")
            % {
                "expected": f"{job.expected_usd:.4f}",
                "maximum": f"{job.maximum_usd:.4f}",
                "cap": f"{job.cap_usd if cap is None else cap:.4f}",
                "left": f"{left_of_today():.4f}",
            }
        )

    def _spender(self, name: str | None) -> User:
        """Asked for before anything is planned, or each mistake would leave a draft behind."""
        if not name:
            raise CommandError(_("Name who answers for the money with --confirm-as, or only plan with --plan-only."))
        user = User.objects.filter(username=name, is_active=True).first()
        if user is None:
            raise CommandError(_("There is no user “%(name)s”.") % {"name": name})
        may_spend(user)
        return user

    def _begin(self, job: JudgeJob, user: User, cap: Decimal | None, *, sure: bool) -> None:
        """`cap` None leaves the limit as it is. A job that runs is only watched: whoever did so before is gone."""
        if job.state == State.RUNNING and cap is None:
            return
        if not sure:
            self._ask(job, job.cap_usd if cap is None else cap)
        if job.state == State.DRAFT:
            confirm_job(job=job, user=user, cap_usd=cap)
            return
        if cap is not None:
            set_cap(job=job, cap_usd=cap, user=user)
        if job.state == State.PAUSED:
            resume_job(job=job, user=user)

    def _ask(self, job: JudgeJob, cap: Decimal) -> None:
        if not sys.stdin.isatty():
            raise CommandError(_("Nobody can be asked here. Add --yes to confirm the price."))
        answer = input(_("Spend up to $%(cap)s? Type “yes”:") % {"cap": f"{cap:.4f}"} + " ")
        if answer.strip().lower() != "yes":
            raise CommandError(_("Nothing was sent. Judge job %(id)s waits for confirmation.") % {"id": job.pk})

    # ---- waiting

    def _wait_for(self, job: JudgeJob) -> None:
        # Paused before the worker is stopped, which takes a while; and also where none had begun.
        with ended_like_ctrl_c(), self._paused_by_ctrl_c(job), self._worker(), self._paused_by_ctrl_c(job):
            self._watch(job)

    @contextmanager
    def _paused_by_ctrl_c(self, job: JudgeJob) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            job.refresh_from_db()
            if job.state == State.RUNNING:
                pause_job(job=job)
            raise CommandError(
                _("Judge job %(id)s is paused. Go on with: manage.py judge_truth --job %(id)s") % {"id": job.pk}
            ) from None

    @contextmanager
    def _worker(self) -> Iterator[None]:
        """A worker for the time, where this machine has none."""
        if worker_answers("llm"):
            yield
            return
        self.stdout.write(_("No llm worker runs on this machine; one is started for this job."))
        with Supervisor([worker_process("worker-llm", "llm", settings.HOME_DIR / "log")]):
            yield

    def _watch(self, job: JudgeJob) -> None:
        swept = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, disable=not self.stdout.isatty()) as bar:
            task = bar.add_task("", total=None)
            while job.state == State.RUNNING:
                time.sleep(POLL_SECONDS)
                if time.monotonic() - swept > settings.SWEEP_SECONDS:
                    sweep()
                    swept = time.monotonic()
                job.refresh_from_db()
                counted = job_counts(job)
                bar.update(task, total=counted.total, completed=counted.finished, description=f"${job.held_usd:.4f}")

    # ---- reporting

    def _report(self, job: JudgeJob) -> None:
        for each in trial_answers(job) if job.purpose == JudgeJob.Purpose.TRIAL else ():
            said = f"{each.verdict.relevance}  {each.verdict.reason}" if each.verdict else "–"
            self.stdout.write(f"  {each.pair.query.item.code} | {each.pair.item.code}: {said}")
        counted = job_counts(job)
        self.stdout.write(
            _("Judge job %(id)s, %(state)s: %(finished)s of %(total)s questions, $%(spent)s.")
            % {
                "id": job.pk,
                "state": job.get_state_display(),
                "finished": counted.finished,
                "total": counted.total,
                "spent": f"{job.held_usd:.4f}",
            }
        )
        if job.state != State.COMPLETED:
            raise CommandError("\n".join(filter(None, [job.error, *failure_lines(job)])) or job.get_state_display())


def planned(options: dict[str, Any], cap: Decimal | None) -> JudgeJob:
    """A draft as the options say. Raises CommandError, JudgeError."""
    truth_set = named_set(options["set_name"], options["version"])
    pictures = truth_set.method == TruthSet.Method.LLM_IMAGES
    kind = Prompt.Kind(options["kind"] or (Prompt.Kind.PAIRWISE if pictures else Prompt.Kind.LISTWISE))
    chosen: dict[str, Any] = {
        "truth_set": truth_set,
        "prompt": find_prompt(kind, options["prompt"]),
        "model": options["model"] or DEFAULT_MODELS[kind],
        "parameters": JudgeParameters(**{name: options[name] for name in DEFAULTS.as_json()}),
        "cap_usd": cap,
    }
    return plan_trial(**chosen) if options["trial"] else plan_job(**chosen, mode=options["mode"])


def find_prompt(kind: str, version: int | None) -> Prompt:
    found = Prompt.objects.filter(kind=kind).order_by("-version")
    prompt = (found.filter(version=version) if version else found).first()
    if prompt is None:
        versions = ", ".join(str(each.version) for each in found) or "-"
        raise CommandError(_("There is no such prompt. Versions: %(versions)s.") % {"versions": versions})
    return prompt


def dollars(written: str | None) -> Decimal | None:
    if written is None:
        return None
    try:
        return Decimal(written)
    except InvalidOperation:
        raise CommandError(_("A limit is an amount of dollars, 0 or more.")) from None


def failure_lines(job: JudgeJob) -> list[str]:
    lines = []
    for group in failures(job):
        lines += [f"  {each.query.item.code}: {group.kind}: {each.error}" for each in group.examples]
    return lines[:SHOWN_FAILURES]
