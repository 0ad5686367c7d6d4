"""What commands and upper floors ask about truth sets."""

from django.utils.translation import gettext as _

from groundtruth.models import TruthSet
from groundtruth.set_services import SetError


def named_set(name: str, version: int | None = None) -> TruthSet:
    """The last version of a name (or that `version`), "name v2", or an id, in that order. Raises SetError."""
    versions = TruthSet.objects.filter(name=name).order_by("-version")
    found = (versions if version is None else versions.filter(version=version)).first()
    base, separator, number = name.rpartition(" v")
    if found is None and separator and _is_number(number):
        found = TruthSet.objects.filter(name=base, version=int(number)).first()
    if found is None and version is None and _is_number(name):
        found = TruthSet.objects.filter(pk=int(name)).first()
    if found is None:
        known = ", ".join(TruthSet.objects.order_by("name").values_list("name", flat=True).distinct()[:20])
        raise SetError(
            _("There is no truth set “%(name)s”. There are: %(known)s.") % {"name": name, "known": known or "–"}
        )
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
