"""Strict reading of environment variables: all bad ones at once, each with its name, its value and what is wrong."""

import os

from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvValidationError

SECRET = ("SECRET", "PASSWORD", "KEY", "URL")  # values of such names are not shown


def deferred_env() -> Env:
    """A reader that collects what is wrong until `refuse_bad_values`."""
    return Env(eager=False)


def refuse_bad_values(env: Env) -> None:
    """Raises ImproperlyConfigured naming every variable that could not be read."""
    try:
        env.seal()
    except EnvValidationError as error:
        lines = [_describe(name, problems) for name, problems in dict(error.error_messages).items()]
        raise ImproperlyConfigured("\n".join(["The environment cannot be used:", *lines])) from None


def _describe(name: str, problems: list[str]) -> str:
    value = os.environ.get(name)
    shown = "not set" if value is None else "hidden" if any(word in name for word in SECRET) else repr(value)
    return f"  {name} ({shown}): {' '.join(map(str, problems))}"
