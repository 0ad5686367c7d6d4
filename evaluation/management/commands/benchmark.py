"""`manage.py benchmark NAME`: each benchmark of the project, with a ratio to a plain reference in the same run."""

from argparse import ArgumentParser
from importlib import import_module
from types import ModuleType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

# Here on the top floor, since it reaches into all of them. A benchmark is a module with `add_arguments` and `run`.
BENCHMARKS = {
    "import": "itembank.benchmarks.imports",
    "embed": "embeddings.benchmarks.embed",
    "query": "embeddings.benchmarks.query",
    "lexical": "embeddings.benchmarks.lexical",
    "search": "embeddings.benchmarks.search",
    "searchers": "embeddings.benchmarks.searchers",
    "service": "evaluation.benchmarks.service",
}


class Command(BaseCommand):
    help = "Measure a part of the bank against a plain reference in the same run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        chosen = parser.add_subparsers(dest="name", required=True, metavar="NAME")
        for name in BENCHMARKS:
            module = _module(name)
            module.add_arguments(chosen.add_parser(name, help=_first_line(module)))

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        _module(name).run(**options)


def _module(name: str) -> ModuleType:
    try:
        return import_module(BENCHMARKS[name])
    except ModuleNotFoundError as error:
        raise CommandError(f"The benchmark {name!r} needs a package that is not installed: {error.name}") from error


def _first_line(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().splitlines()[0]
