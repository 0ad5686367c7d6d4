"""`manage.py import_embeddings`: vectors that were made elsewhere, from an .npz file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from embeddings.encoders.errors import EncoderError
from embeddings.exchange import Imported, ImportRefused, import_embeddings
from embeddings.management.commands.embed import find_encoder
from embeddings.management.commands.export_embeddings import Bar
from embeddings.models import Encoder


class Command(BaseCommand):
    help = "Store the vectors of an .npz file in place of those that its items have. All are stored, or none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--encoder", required=True, metavar="SLUG", help=_("An encoder, or a preset to make one."))
        parser.add_argument("file", type=Path, metavar="IN.npz")

    def handle(self, *args: Any, encoder: str, file: Path, **options: Any) -> None:
        try:
            chosen = find_encoder(encoder)
            with Bar(self.stdout) as bar:
                imported = import_embeddings(encoder=chosen, path=file, report=bar.show)
        except (ImportRefused, EncoderError, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError(_("Interrupted: nothing was imported.")) from None
        self.stdout.write("\n".join(lines(imported, chosen)))


def lines(imported: Imported, encoder: Encoder) -> list[str]:
    """What the import did, for the terminal."""
    numbers = {name: getattr(imported, name) for name in ("count", "replaced", "normalised", "outdated")}
    told = {
        _("%(count)d vectors imported, %(replaced)d of them in place of earlier ones."): True,
        _("%(normalised)d were not of norm 1 and have been normalised."): imported.normalised,
        _("%(outdated)d are of an earlier content of their item and count as outdated."): imported.outdated,
        _("The file has no content hashes: each vector counts as one of its item's present content."): (
            not imported.had_hashes
        ),
        _(
            "The vector index was dropped for the load. The cpu worker builds it again; at once: "
            "manage.py build_index --encoder %(encoder)s"
        ): imported.index_dropped,
    }
    return [line % {**numbers, "encoder": encoder.slug} for line, holds in told.items() if holds]
