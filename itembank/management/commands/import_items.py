"""`manage.py import_items PATH`: check and import a file in one go, by the code that the admin's uploads go through."""

import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from itembank import services
from itembank.imports.passes import check_upload, import_upload
from itembank.imports.rejected import rejected_csv
from itembank.imports.sources import SourceError, upload_files
from itembank.models import UploadBatch, UploadRow
from itembank.selectors import rejected_rows, upload_counts

SHOWN_REJECTED = 20
STATUS_SOME_REJECTED = 3


class Command(BaseCommand):
    help = (
        "Import items from a .json, .jsonl, .csv or .xlsx file, a .zip of one with its images, or a folder that holds "
        "items.json and its images.\n\n"
        "Good rows land, bad rows are listed; the same file again changes nothing.\n"
        "Exit status: 0 all rows landed, 3 some rows were rejected, 1 nothing was imported."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help=_("Item file, ZIP or folder."))
        parser.add_argument("--images", type=Path, metavar="DIR_OR_ZIP", help=_("Folder or ZIP with (more) images."))
        parser.add_argument("--rejected", type=Path, metavar="CSV", help=_("Write the rejected rows to this file."))
        parser.add_argument("--json", action="store_true", help=_("Print one JSON object and nothing else."))

    def handle(self, *args: Any, path: Path, images: Path | None, rejected: Path | None, **options: Any) -> None:
        batch = run_import(path, images, quiet=options["json"])
        if rejected:
            write_rejected(batch, rejected)
        if batch.error and not options["json"]:
            raise CommandError(f"{batch.file_name}: {batch.error}")
        self.stdout.write(report_json(batch) if options["json"] else report_text(batch))
        status = exit_status(batch)
        if status:
            sys.exit(status)


def exit_status(batch: UploadBatch) -> int:
    if batch.state != UploadBatch.State.IMPORTED or batch.rejected_count == batch.total_rows:
        return 1
    return STATUS_SOME_REJECTED if batch.rejected_count else 0


def write_rejected(batch: UploadBatch, path: Path) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(rejected_csv(batch))
    except OSError as error:
        reason = {"path": path, "reason": error.strerror or str(error)}
        raise CommandError(_("%(path)s cannot be written: %(reason)s.") % reason) from error


def run_import(path: Path, images: Path | None, *, quiet: bool) -> UploadBatch:
    """Check and import; the batch as it ended. Ctrl-C cancels what is left."""
    try:
        with upload_files(path, images) as (file, images_file):
            batch = services.create_upload(file=file, images_file=images_file)
    except SourceError as error:
        raise CommandError(str(error)) from error
    try:
        with progress_bar(quiet) as show:
            check_upload(batch.pk, progress=show(_("Checking")))
            batch.refresh_from_db()
            if batch.state == UploadBatch.State.READY:
                services.confirm_upload(batch_id=batch.pk)
                import_upload(batch.pk, progress=show(_("Importing")))
    except KeyboardInterrupt:
        services.cancel_upload(batch_id=batch.pk)
    batch.refresh_from_db()
    return batch


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[str], Callable[[UploadBatch], None]]]:
    """Makes a progress function for each step; it draws on a terminal only."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, disable=quiet or not sys.stderr.isatty()) as progress:

        def show(title: str) -> Callable[[UploadBatch], None]:
            task = progress.add_task(title, total=None)

            def update(batch: UploadBatch) -> None:
                total = batch.total_rows if batch.state == UploadBatch.State.IMPORTING else None
                progress.update(task, completed=batch.processed_rows, total=total)

            return update

        yield show


def report_text(batch: UploadBatch) -> str:
    lines = [f"{batch.file_name}: {batch.get_state_display()}"]
    names = UploadRow.Outcome
    lines += [f"  {names(name).label}: {count:,}" for name, count in upload_counts(batch).items()]
    rejected = list(rejected_rows(batch)[: SHOWN_REJECTED + 1])
    lines += [_line(entry) for entry in rejected[:SHOWN_REJECTED]]
    if len(rejected) > SHOWN_REJECTED:
        lines.append(_("  … All of them: --rejected OUT.csv"))
    return "\n".join(lines)


def _line(entry: UploadRow) -> str:
    place = _("row %(row)d") % {"row": entry.row}
    return "  " + ", ".join(part for part in (place, entry.code, entry.field) if part) + f": {entry.reason}"


def report_json(batch: UploadBatch) -> str:
    """One object: file, state, upload, rows, counts by outcome, error, and every rejected row with its reason."""
    rejected = [
        {"row": entry.row, "id": entry.code, "field": entry.field, "code": entry.reason_code, "reason": entry.reason}
        for entry in rejected_rows(batch)
    ]
    report = {"file": batch.file_name, "state": batch.state, "upload": batch.pk, "rows": batch.total_rows}
    report |= {**upload_counts(batch), "error": batch.error, "rejected_rows": rejected}
    return json.dumps(report, ensure_ascii=False)
