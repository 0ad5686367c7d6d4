"""`manage.py create_encoder`: an encoder from a preset, with settings of one's own."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from embeddings.encoders.choices import (
    SettingError,
    checked_settings,
    default_name,
    parse_pixels,
    settings_of,
    weights_of,
)
from embeddings.encoders.errors import EncoderError
from embeddings.encoders.precision import PRECISIONS
from embeddings.encoders.presets import PRESETS, Preset
from embeddings.models import Encoder
from embeddings.services import create_encoder

SETTINGS = (
    "precision", "dimensions", "document_instruction", "query_instruction", "max_length", "min_pixels", "max_pixels",
    "server", "weights",
)  # fmt: skip


def pixels(written: str) -> int:
    """For argparse, which shows only its own errors' messages."""
    try:
        return parse_pixels(written)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def weights(written: str) -> list[float]:
    """ "1,2" as numbers."""
    try:
        return [float(weight) for weight in written.split(",")]
    except ValueError as error:
        raise ArgumentTypeError(_("Write weights as numbers with commas between them, such as 1,2.")) from error


class Command(BaseCommand):
    help = "Make an encoder from a preset; --list shows the presets and what each needs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--preset", metavar="SLUG")
        what.add_argument("--list", action="store_true", dest="listing")
        parser.add_argument("--slug")
        parser.add_argument("--name")
        parser.add_argument("--precision", choices=PRECISIONS)
        parser.add_argument("--dimensions", type=int, metavar="N")
        parser.add_argument("--document-instruction", metavar="TEXT")
        parser.add_argument("--query-instruction", metavar="TEXT")
        parser.add_argument("--max-length", type=int, metavar="TOKENS")
        parser.add_argument("--min-pixels", type=pixels, metavar="WxH")
        parser.add_argument("--max-pixels", type=pixels, metavar="WxH")
        parser.add_argument("--server", metavar="NAME", help=_("A name of ITEMBANK_MODEL_SERVERS."))
        parser.add_argument("--weights", type=weights, metavar="1,2")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: Any, preset: str | None, listing: bool, as_json: bool, **options: Any) -> None:
        if listing:
            found = [listed(known) for known in PRESETS.values()]
            self.stdout.write(json.dumps(found, ensure_ascii=False) if as_json else "\n".join(map(line, found)))
            return
        encoder = make(chosen_preset(preset or ""), options)
        self.stdout.write(json.dumps(summary(encoder), ensure_ascii=False) if as_json else sentence(encoder))


def chosen_preset(slug: str) -> Preset:
    if slug not in PRESETS:
        message = _("There is no preset “%(slug)s”. Presets: %(presets)s.")
        raise CommandError(message % {"slug": slug, "presets": ", ".join(PRESETS)})
    return PRESETS[slug]


def make(preset: Preset, options: dict[str, Any]) -> Encoder:
    """The encoder. Raises CommandError that says what to do."""
    slug = options["slug"] or preset.slug
    if Encoder.objects.filter(slug=slug).exists():
        raise CommandError(_("There is an encoder “%(slug)s” already; give another --slug.") % {"slug": slug})
    name = options["name"] or default_name(preset, slug)
    try:
        chosen = checked_settings(preset, {setting: options[setting] for setting in SETTINGS})
        return create_encoder(preset=preset.slug, slug=slug, name=name, **chosen)
    except SettingError as error:
        raise CommandError(f"--{error.setting.replace('_', '-')}: {error}") from error
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    except EncoderError as error:
        raise CommandError(str(error)) from error


def listed(preset: Preset) -> dict[str, Any]:
    """What --list says of a preset."""
    weights = weights_of(preset)
    return {
        "preset": preset.slug,
        "name": str(preset.name),
        "description": str(preset.description),
        "needs": weights.needed,
        "missing": weights.missing,
        "downloads": weights.downloads(),
        "settings": settings_of(preset),
        "servers": list(settings.MODEL_SERVERS) if "server" in settings_of(preset) else [],
    }


def line(found: dict[str, Any]) -> str:
    state = _("runs here without a download")
    if found["needs"]:
        state = _("weights are on this machine")
    if found["missing"]:
        state = _("weights are not on this machine")
    more = [f"  {command}" for command in found["downloads"]]
    return "\n".join([f"{found['preset']}: {found['name']} — {state}", *more])


def summary(encoder: Encoder) -> dict[str, Any]:
    """What --json prints."""
    fields = ("slug", "name", "backend", "model_id", "revision", "modality", "dimensions", "precision", "fingerprint")
    return {field: getattr(encoder, field) for field in fields}


def sentence(encoder: Encoder) -> str:
    return _("%(slug)s was made: %(model)s, %(dimensions)d dimensions. Next: manage.py embed --encoder %(slug)s") % {
        "slug": encoder.slug,
        "model": encoder.model_id,
        "dimensions": encoder.dimensions,
    }
