"""`manage.py measure_weak`: the cosines below which hits are weak now, without waiting for the cpu worker."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from embeddings.models import Encoder
from embeddings.search.weak import LEAST_VECTORS
from embeddings.weak_lines import measure_weak_below


class Command(BaseCommand):
    help = "Measure below which cosine the hits of an encoder, or of each of them, are marked weak."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--encoder", metavar="SLUG")

    def handle(self, *args: Any, encoder: str | None, **options: Any) -> None:
        spaces = list(Encoder.objects.all())
        if encoder and encoder not in {space.slug for space in spaces}:
            known = ", ".join(space.slug for space in spaces) or "none yet"
            raise CommandError(f"There is no encoder {encoder!r}. There are: {known}.")
        for space in spaces:
            if encoder not in (None, space.slug):
                continue
            line = measure_weak_below(space)
            said = f"weak below {line:.4f}" if line is not None else f"not measured: fewer than {LEAST_VECTORS} vectors"
            self.stdout.write(f"{space.slug}: {said}")
