"""`manage.py index_terms`: bring search by words up to date here and now, as the cpu worker does by itself."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from embeddings.term_services import Indexed, forget_terms, index_terms, outdated_count


class Command(BaseCommand):
    help = "Store the terms of new and edited items, and build the index of search by words where one is due."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--all", action="store_true", help="of every item, as after a change of the analyser")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["all"]:
            forget_terms()
        indexed = _with_bar()
        if not indexed.finished:
            raise CommandError(_("Another process is indexing words. Its work is enough; wait for its end."))
        self.stdout.write(f"{indexed.items:,} items")


def _with_bar() -> Indexed:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("index_terms", total=outdated_count())
        return index_terms(report=lambda done: bar.update(task, completed=done))
