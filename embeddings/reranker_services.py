"""What may be done with rerankers."""

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from embeddings.models import SLICE_FIELDS, Reranker, RerankException
from embeddings.new_rows import store_new
from embeddings.rerankers.base import RerankerSpec
from embeddings.rerankers.presets import RERANKER_PRESETS
from embeddings.rerankers.registry import reranker_class


def get_or_create_reranker(*, preset: str) -> Reranker:
    """The reranker of a preset by its slug, made at first use. Raises KeyError (no such preset), ModelUnavailable."""
    existing = Reranker.objects.filter(slug=preset).first()
    return existing or create_reranker(preset=preset)


def create_reranker(*, preset: str, slug: str = "", name: str = "", server: str = "", **changes: Any) -> Reranker:
    """A new reranker from a preset.

    `changes` are fields of the preset's specification (instruction, precision, ..), `server` is who runs the model.
    Raises ModelUnavailable, EncoderError, ValidationError (such as a slug that is taken).
    """
    chosen = RERANKER_PRESETS[preset]
    spec = chosen.spec(server=server, **changes)
    reranker_class(spec.backend)(spec)  # refuses what it cannot serve; loads nothing
    slug = slug or preset
    reranker = Reranker(slug=slug, name=name or str(chosen.name), fingerprint=spec.fingerprint(), **_columns(spec))
    store_new(reranker)
    return reranker


def settle_reranker(reranker: Reranker) -> Reranker:
    """The reranker as this process runs it, from now on everywhere: the precision fixed where that was left to the
    first use, the fingerprint that of the present code. Nothing it scored is stored, so an update makes nothing stale.
    """
    spec = reranker.spec()
    settled = reranker_class(spec.backend).settled(spec)
    # Of two processes the first decides.
    Reranker.objects.filter(pk=reranker.pk, precision=spec.precision).update(precision=settled.precision)
    reranker.refresh_from_db()
    fingerprint = reranker.spec().fingerprint()
    if fingerprint != reranker.fingerprint:
        reranker.fingerprint = fingerprint
        reranker.save(update_fields=["fingerprint"])
    return reranker


@transaction.atomic
def switch_off(
    *, reranker: Reranker, field: str, value: str, reason: str, user: User, run: str = "", link: str = ""
) -> RerankException:
    """From now on searches by items with that value of the field are not reranked by it, nor those filtered by it.

    Where that is so already, who said it first, and why, stays. Raises ValueError where the field is none of
    SLICE_FIELDS, or no reason is given.
    """
    if field not in SLICE_FIELDS or not reason:
        raise ValueError(f"a reason, and one of {', '.join(SLICE_FIELDS)}, are needed; not {field!r}, {reason!r}")
    told = {"reason": reason, "run": run, "link": link, "created_by": user}
    made, new = RerankException.objects.get_or_create(reranker=reranker, field=field, value=value, defaults=told)
    if new:
        words = _("Switched off for %(slice)s: %(reason)s")
        _log(reranker, user, words % {"slice": made.shown_slice, "reason": made.shown_reason})
    return made


@transaction.atomic
def switch_on(*, reranker: Reranker, field: str, value: str, user: User) -> None:
    """Undo `switch_off`; nothing happens where the reranker is on."""
    exceptions = RerankException.objects.filter(reranker=reranker, field=field, value=value)
    for exception in exceptions.select_for_update():
        exception.delete()
        _log(reranker, user, _("Switched on again for %(slice)s") % {"slice": exception.shown_slice})


def _log(reranker: Reranker, user: User, words: str) -> None:
    LogEntry.objects.log_actions(user.pk, [reranker], CHANGE, words, single_object=True)


def _columns(spec: RerankerSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in Reranker.SPEC_FIELDS} | {"options": dict(spec.options)}
