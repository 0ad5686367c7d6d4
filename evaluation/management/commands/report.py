"""`manage.py report`: the go/no-go report of a run, as files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import override

from evaluation.models import EvaluationRun, PerformanceRun, Report
from evaluation.report.files import FORMATS, files_of
from evaluation.report.pdf import PdfUnavailableError, is_available
from evaluation.report_services import create_report
from evaluation.run_settings import EvaluationError


class Command(BaseCommand):
    help = "Make the go/no-go report of a completed run, store it, and write its files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--run", type=int, required=True, metavar="ID", help="the run to be judged")
        parser.add_argument("--baseline", type=int, metavar="ID", help="a run over the same version of the truth")
        parser.add_argument("--compare", type=int, nargs="+", default=[], metavar="ID", help="runs to stand beside it")
        parser.add_argument("--performance", type=int, metavar="ID", help="a performance run of its encoder")
        parser.add_argument("--minimum-relevance", type=int, default=1, choices=[1, 2, 3])
        parser.add_argument("--title", default="", help="default: the run's name")
        parser.add_argument("--remarks", default="")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR")
        parser.add_argument("--format", nargs="+", choices=FORMATS, dest="formats",
                            help="default: all that can be made here")  # fmt: skip
        parser.add_argument("--language", choices=[code for code, _name in settings.LANGUAGES])

    def handle(self, *args: Any, **options: Any) -> None:
        with override(options["language"] or settings.LANGUAGE_CODE):
            try:
                report = self._report(options)
                formats = options["formats"] or [name for name in FORMATS if name != "pdf" or is_available()]
                files = files_of(report, *formats)
            except (EvaluationError, PdfUnavailableError) as error:
                raise CommandError(str(error)) from error
        options["out"].mkdir(parents=True, exist_ok=True)
        for each in files:
            (options["out"] / each.name).write_bytes(each.held)
            self.stdout.write(str(options["out"] / each.name))

    def _report(self, options: dict[str, Any]) -> Report:
        candidate = _run(options["run"])
        return create_report(
            title=options["title"] or candidate.name,
            candidate=candidate,
            baseline=_run(options["baseline"]) if options["baseline"] else None,
            runs=[_run(pk) for pk in options["compare"]],
            performance=_performance(options["performance"]) if options["performance"] else None,
            minimum_relevance=options["minimum_relevance"],
            remarks=options["remarks"],
        )


def _run(pk: int) -> EvaluationRun:
    found = EvaluationRun.objects.select_related("truth_set").filter(pk=pk).first()
    if found is None:
        raise CommandError(_("There is no evaluation run #%(id)s.") % {"id": pk})
    return found


def _performance(pk: int) -> PerformanceRun:
    found = PerformanceRun.objects.filter(pk=pk).first()
    if found is None:
        raise CommandError(_("There is no performance run #%(id)s.") % {"id": pk})
    return found
