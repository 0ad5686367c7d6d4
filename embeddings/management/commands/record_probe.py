"""`manage.py record_probe`: put on file what vectors a server has to make of a few fixed inputs."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from embeddings.encoders import probes
from embeddings.encoders.base import EncoderSpec
from embeddings.encoders.errors import EncoderError
from embeddings.encoders.presets import PRESETS
from embeddings.encoders.registry import backend_class, create_backend
from embeddings.encoders.remote import RemoteBackend
from embeddings.models import Encoder


class Command(BaseCommand):
    help = "Record an encoder's vectors of fixed inputs, against which servers of the same model are checked."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--encoder", required=True, metavar="SLUG", help=_("An encoder, or a preset."))
        parser.add_argument("--output", type=Path, metavar="FILE.npz", help=_("By default where this machine looks."))
        parser.add_argument(
            "--trust-server", action="store_true", help=_("Record what the server answers today; changes are noticed.")
        )

    def handle(self, *args: Any, encoder: str, output: Path | None, trust_server: bool, **options: Any) -> None:
        try:
            spec = wanted_spec(encoder)
            path = probes.write(spec, vectors_of(spec, trust_server=trust_server), output)
        except (EncoderError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            _("%(path)s holds the vectors of %(count)d test inputs.")
            % {"path": path, "count": len(probes.inputs(spec))}
        )


def wanted_spec(slug: str) -> EncoderSpec:
    """Of the encoder, or of the preset without making an encoder. Raises CommandError for an unknown name."""
    existing = Encoder.objects.filter(slug=slug).first()
    if existing is not None:
        return existing.spec()
    if slug not in PRESETS:
        raise CommandError(_("There is no encoder or preset “%(slug)s”.") % {"slug": slug})
    return PRESETS[slug].spec()


def vectors_of(spec: EncoderSpec, *, trust_server: bool) -> probes.Rows:
    """Raises EncoderError, also for a server that nobody said to trust."""
    backend = create_backend(backend_class(spec.backend).settled(spec))
    inputs = probes.inputs(spec)
    try:
        if not isinstance(backend, RemoteBackend):
            return np.concatenate([backend.encode([item], role) for item, role in inputs]).astype(np.float64)
        if trust_server:
            return backend.ask(inputs)
        raise EncoderError(
            _(
                "this encoder runs on a server, which would be compared with itself; record the preset where the "
                "model's weights are, or add --trust-server"
            )
        )
    finally:
        backend.release_model() if isinstance(backend, RemoteBackend) else backend.unload()
