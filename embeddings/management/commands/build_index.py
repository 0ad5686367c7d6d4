"""`manage.py build_index`: the index of an encoder now, without waiting for the cpu worker."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from embeddings.indexes import IndexState, build_index
from embeddings.models import Encoder


class Command(BaseCommand):
    help = "Build the vector index of an encoder, or replace a broken one. Searches and jobs go on meanwhile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--encoder", metavar="SLUG", required=True)

    def handle(self, *args: Any, encoder: str, **options: Any) -> None:
        space = Encoder.objects.filter(slug=encoder).first()
        if space is None:
            known = ", ".join(Encoder.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no encoder {encoder!r}. There are: {known}.")
        if build_index(space) is IndexState.BUILDING:
            raise CommandError(f"Another process is building the index of {encoder}. Wait until it is done.")
        self.stdout.write(f"The index of {encoder} is ready.")
