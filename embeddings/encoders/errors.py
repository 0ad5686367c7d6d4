"""What can go wrong in an encoder, told apart by what the caller should do about it."""

from django.utils.translation import gettext as _


class EncoderError(Exception):
    """Anything an encoder refuses or fails to do; the message says what is wrong and what to do."""


class ItemError(EncoderError):
    """One item of a batch is at fault: fail that item, keep the others. `index` is its place in the batch."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"item {index}: {reason}")
        self.index = index
        self.reason = reason


class ItemInputError(ItemError):
    """The item does not hold what the space needs (no image, no text); trying again cannot help."""


class ItemOutputError(ItemError):
    """The model gave the item a vector that cannot be stored (NaN, infinite or zero)."""


class OutOfMemory(EncoderError):  # noqa: N818  # the name that the devices themselves use
    """The device had no room for this batch: make it smaller; no item is at fault."""


class ModelUnavailable(EncoderError):  # noqa: N818  # a state of the installation, met by every item alike
    """Weights, library or server are missing; the message names the command that mends it."""


def missing_package(name: str, install: str) -> str:
    """The message for a package that will not import; `install` is what pip should install."""
    return _("%(name)s is not installed; run: pip install %(install)s") % {"name": name, "install": install}
