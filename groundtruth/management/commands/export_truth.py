"""`manage.py export_truth`: a truth set as ground_truth.json, TREC qrels or CSV."""

from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from groundtruth.exchange import FORMATS, NotForQrels, export_queries, export_truth
from groundtruth.management.commands.import_truth import chosen_format
from groundtruth.selectors import named_set
from groundtruth.set_services import SetError


class Command(BaseCommand):
    help = "Write the queries and the judged pairs of a truth set to a file."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """`--version` is the set's here, in place of Django's own."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("out", type=Path, metavar="OUT")
        parser.add_argument("--version", dest="set_version", type=int, help=_("The latest where it is left out."))
        parser.add_argument("--format", choices=FORMATS, help=_("By the file's name where it is left out."))
        parser.add_argument("--queries", type=Path, metavar="CSV", help=_("Which item each query of a qrels is about."))

    def handle(self, *args: Any, name: str, out: Path, queries: Path | None, **options: Any) -> None:
        chosen = chosen_format(out, options["format"])
        try:
            truth_set = named_set(name, options["set_version"])
            write_whole(out, export_truth(truth_set, chosen))
            if queries:
                write_whole(queries, export_queries(truth_set))
        except (SetError, NotForQrels, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(_("%(set)s written to %(path)s.") % {"set": truth_set, "path": out})


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """The file appears, or is replaced, once it is whole."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.writelines(pieces)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
