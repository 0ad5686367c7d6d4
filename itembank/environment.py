"""Strict reading of environment variables: all bad ones at once, each with its name, its value and what is wrong."""

import os
from collections.abc import Mapping
from typing import cast

from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvValidationError

SECRET = ("SECRET", "PASSWORD", "KEY", "TOKEN", "URL")  # values of such names are not shown


def deferred_env() -> Env:
    """A reader that collects what is wrong until `refuse_bad_values`."""
    return Env(eager=False)


def refuse_bad_values(env: Env) -> None:
    """Raises ImproperlyConfigured naming every variable that could not be read."""
    try:
        env.seal()
    except EnvValidationError as error:
        problems = cast(Mapping[str, list[str]], error.error_messages)  # a deferred reader always gives the mapping
        lines = [_describe(name, reasons) for name, reasons in problems.items()]
        raise ImproperlyConfigured("\n".join(["The environment cannot be used:", *lines])) from None


def _describe(name: str, reasons: list[str]) -> str:
    value = os.environ.get(name)
    shown = "not set" if value is None else "hidden" if any(word in name for word in SECRET) else repr(value)
    return f"  {name} ({shown}): {' '.join(map(str, reasons))}"
