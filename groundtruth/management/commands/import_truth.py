"""`manage.py import_truth`: a truth set from ground_truth.json, TREC qrels or CSV."""

from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from groundtruth.exchange import FORMATS, Format, ImportRefused, ImportSummary, format_of, import_truth
from groundtruth.set_services import SetError


class Command(BaseCommand):
    help = "Make a truth set of a file; where the name exists, its next version. All of the file lands, or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help=_("ground_truth.json, TREC qrels or CSV."))
        parser.add_argument("--name", required=True, help=_("Name of the truth set."))
        parser.add_argument("--format", choices=FORMATS, help=_("By the file's name where it is left out."))
        parser.add_argument("--queries", type=Path, metavar="CSV", help=_("Which item each query of a qrels is about."))
        parser.add_argument("--skip-unknown", action="store_true", help=_("Leave out items that the bank lacks."))

    def handle(
        self, *args: Any, file: Path, name: str, queries: Path | None, skip_unknown: bool, **options: Any
    ) -> None:
        chosen = chosen_format(file, options["format"])
        try:
            with ExitStack() as files:
                stream = files.enter_context(file.open("rb"))
                mapping = files.enter_context(queries.open("rb")) if queries else None
                summary = import_truth(
                    file=stream, format=chosen, name=name, skip_unknown=skip_unknown, queries=mapping
                )
        except (ImportRefused, SetError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("\n".join(lines(summary)))


def chosen_format(path: Path, named: Format | None) -> Format:
    found = named or format_of(path.name)
    if found is None:
        raise CommandError(_("The format of %(path)s is not known by its name: give --format.") % {"path": path})
    return found


def lines(summary: ImportSummary) -> list[str]:
    """What the import did, for the terminal."""
    told = [
        _("%(set)s: %(queries)d queries and %(pairs)d pairs imported.")
        % {"set": summary.truth_set, "queries": summary.queries, "pairs": summary.pairs}
    ]
    if summary.unknown_count:
        message = _("%(queries)d queries and %(pairs)d pairs skipped, of %(count)d unknown items: %(codes)s")
        codes = ", ".join(summary.unknown) + (", …" if summary.unknown_count > len(summary.unknown) else "")
        skipped = {"queries": summary.skipped_queries, "pairs": summary.skipped_pairs}
        told.append(message % {**skipped, "count": summary.unknown_count, "codes": codes})
    return told
