"""`manage.py export_embeddings`: an encoder's vectors as an .npz file."""

from argparse import ArgumentParser
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.utils.translation import gettext as _
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from embeddings.encoders.presets import PRESETS
from embeddings.exchange import NothingToExport, Stage, export_embeddings
from embeddings.management.commands.embed import find_encoder
from embeddings.models import Encoder


class Command(BaseCommand):
    help = "Write the vectors of an encoder, with the codes of their items, to an .npz file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--encoder", required=True, metavar="SLUG")
        parser.add_argument("out", type=Path, metavar="OUT.npz")
        parser.add_argument("--overwrite", action="store_true")

    def handle(self, *args: Any, encoder: str, out: Path, overwrite: bool, **options: Any) -> None:
        try:
            chosen = existing_encoder(encoder)
            with Bar(self.stdout) as bar:
                count = export_embeddings(encoder=chosen, path=out, overwrite=overwrite, report=bar.show)
        except NothingToExport:
            raise CommandError(_("The encoder “%(encoder)s” has no vectors.") % {"encoder": encoder}) from None
        except FileExistsError:
            raise CommandError(_("%(path)s exists; --overwrite replaces it.") % {"path": out}) from None
        except OSError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError(_("Interrupted: nothing was written.")) from None
        self.stdout.write(_("%(count)d vectors written to %(path)s.") % {"count": count, "path": out})


def existing_encoder(slug: str) -> Encoder:
    """Raises NothingToExport for a preset of which there is no encoder yet, CommandError for an unknown name."""
    if slug in PRESETS and not Encoder.objects.filter(slug=slug).exists():
        raise NothingToExport
    return find_encoder(slug)


class Bar:
    """A progress bar of the stages, on a terminal."""

    def __init__(self, stdout: OutputWrapper) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, disable=not stdout.isatty())
        self._tasks = {
            stage: self._bar.add_task(name, total=None, visible=False)
            for stage, name in (
                (Stage.WRITE, _("Writing")),
                (Stage.CHECK, _("Checking")),
                (Stage.STORE, _("Storing")),
            )
        }

    def show(self, stage: Stage, done: int, total: int) -> None:
        self._bar.update(self._tasks[stage], completed=done, total=total, visible=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()
