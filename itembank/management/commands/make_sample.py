"""`manage.py make_sample DIR --items N --seed S`: sample items in the upload format."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from itembank.sample import Format, SampleDirectoryError, SampleSummary, write_sample, write_text_rows


class Command(BaseCommand):
    help = "Write sample items with figures and ground truth, ready to be uploaded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, help=_("New or empty folder, or one of an earlier sample."))
        parser.add_argument("--items", type=_positive, default=300, help=_("How many items (default 300)."))
        parser.add_argument("--seed", type=_seed, default=1, help=_("Same seed, same files (default 1)."))
        layout = parser.add_mutually_exclusive_group()
        layout.add_argument("--jsonl", action="store_true", help=_("Write items.jsonl instead of items.json."))
        layout.add_argument("--zip", action="store_true", help=_("Pack items and images as sample.zip besides."))
        parser.add_argument(
            "--text-only", action="store_true", help=_("JSONL without figures or ground truth, in constant memory.")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["text_only"] and options["zip"]:
            raise CommandError(_("--text-only writes JSONL and cannot be combined with --zip."))
        try:
            with _progress(options["items"]) as on_item:
                summary = _write(options, on_item)
        except SampleDirectoryError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(_("The sample could not be written: %s") % error) from error
        self._report(summary)

    def _report(self, summary: SampleSummary) -> None:
        self.stdout.write(
            _("%(items)d items, %(images)d figures: %(file)s")
            % {"items": summary.items, "images": summary.images, "file": summary.items_file}
        )
        if summary.queries:
            self.stdout.write(
                _("Ground truth: %(queries)d of %(items)d items are queries, with all %(relevant)d relevant items.")
                % {"queries": summary.queries, "items": summary.items, "relevant": summary.relevant_items}
            )


def _write(options: dict[str, Any], on_item: Callable[[], object]) -> SampleSummary:
    directory, items, seed = options["directory"], options["items"], options["seed"]
    if options["text_only"]:
        return write_text_rows(directory, items=items, seed=seed, on_item=on_item)
    layout: Format = "jsonl" if options["jsonl"] else "zip" if options["zip"] else "json"
    return write_sample(directory, items=items, seed=seed, format=layout, on_item=on_item)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], object]]:
    """A function to call after each item; it moves a bar where a person is looking."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task(_("Making sample items"), total=total)
        yield lambda: progress.advance(task)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(_("“%s” is not a whole number above 0.") % text)
    return int(text)


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise ArgumentTypeError(_("“%s” is not a whole number, 0 or above.") % text)
    return int(text)
