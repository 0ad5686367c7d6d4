#!/usr/bin/env python
"""Command line of Itembank. Commands that need a database start the embedded one where no other is configured."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext

# These neither read nor write the bank.
WITHOUT_SERVICES = frozenset(
    {"help", "--help", "-h", "version", "--version", "check", "collectstatic"}
    | {"compilemessages", "make_sample", "makemessages"}
)


def services(argv: list[str]) -> AbstractContextManager[None]:
    """The embedded servers for the length of a command, or nothing where the environment names servers of its own."""
    if len(argv) < 2 or argv[1] in WITHOUT_SERVICES or "--help" in argv:
        return nullcontext()
    from django.conf import settings

    return settings.EMBEDDED.in_use() if settings.EMBEDDED else nullcontext()


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itembank.settings")
    from django.core.management import execute_from_command_line

    with services(sys.argv):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
