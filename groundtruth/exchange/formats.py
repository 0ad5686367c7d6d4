"""The names of the formats, and the one that a file's name means."""

from pathlib import PurePath
from typing import Literal, get_args

Format = Literal["json", "trec", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
_SUFFIXES: dict[str, Format] = {".json": "json", ".csv": "csv", ".qrels": "trec", ".qrel": "trec", ".txt": "trec"}


def format_of(name: str) -> Format | None:
    return _SUFFIXES.get(PurePath(name).suffix.lower())
