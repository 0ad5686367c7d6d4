"""Why a search cannot be run."""

from django.utils.translation import gettext as _


class SearchError(Exception):
    """A search that cannot be run. `code` is stable; `message` is translated and says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def check_storable(text: str) -> None:
    """Raises SearchError for what PostgreSQL cannot hold."""
    if any(character == "\x00" or 0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise SearchError("broken-text", _("The text holds a broken character (NUL or half of a pair). Type it again."))
