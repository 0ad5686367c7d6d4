"""A folder of sample items in the upload format, with the figures and the ground truth."""

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Literal

from django.utils.translation import gettext as _

from itembank.sample.families import Family
from itembank.sample.generator import Row, SampleItem, generate, generate_text_rows
from itembank.sample.truth import queries

Format = Literal["json", "jsonl", "zip"]

MARKER = "sample.json"
ARCHIVE = "sample.zip"
TRUTH = "ground_truth.json"
IMAGES = "images"
_ITEM_FILES = ("items.json", "items.jsonl")
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


class SampleDirectoryError(Exception):
    """The folder holds files that the sample generator did not write."""


@dataclass
class SampleSummary:
    """What was written. `queries` may be fewer than `items`; each lists all of its relevant items."""

    items_file: Path
    items: int = 0
    images: int = 0
    families: set[str] = field(default_factory=set)
    queries: int = 0
    relevant_items: int = 0


def write_sample(
    directory: Path,
    *,
    items: int,
    seed: int,
    format: Format = "json",
    on_item: Callable[[], object] = lambda: None,
) -> SampleSummary:
    """Write `items` sample items to `directory`; the same arguments write the same bytes.

    `items.json` or `items.jsonl`, `images/` and `ground_truth.json`; the format `zip` packs the items and images as
    `sample.zip` besides. What an earlier call wrote there is replaced.
    Raises `SampleDirectoryError` where the folder holds anything else.
    """
    _claim(directory, items=items, seed=seed)
    (directory / IMAGES).mkdir(exist_ok=True)
    summary = SampleSummary(directory / ("items.jsonl" if format == "jsonl" else "items.json"))
    families, codes = _write_items(directory, generate(items, seed), summary, on_item)
    _write_truth(directory / TRUTH, families, codes, seed, summary)
    if format == "zip":
        _pack(directory, summary)
    return summary


def write_text_rows(
    directory: Path, *, items: int, seed: int, on_item: Callable[[], object] = lambda: None
) -> SampleSummary:
    """Write `items.jsonl` with text items only, in constant memory; no ground truth.

    Raises `SampleDirectoryError` where the folder holds files from elsewhere.
    """
    _claim(directory, items=items, seed=seed)
    summary = SampleSummary(directory / "items.jsonl")
    with _row_writer(summary.items_file) as write:
        for row in generate_text_rows(items, seed):
            write(row)
            summary.items += 1
            on_item()
    return summary


def _claim(directory: Path, *, items: int, seed: int) -> None:
    """Empty the folder of an earlier sample and mark it as ours."""
    if directory.exists() and not directory.is_dir():
        raise SampleDirectoryError(_("%s is a file. Name a folder.") % directory)
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()) and not (directory / MARKER).is_file():
        raise SampleDirectoryError(
            _("%s holds files that the sample generator did not write. Name a new or empty folder.") % directory
        )
    for file in _written(directory):
        file.unlink(missing_ok=True)
    (directory / MARKER).write_text(_json({"written_by": "make_sample", "items": items, "seed": seed}) + "\n")


def _written(directory: Path) -> Iterator[Path]:
    """The files that an earlier sample may have left; anything else in the folder stays."""
    yield from (directory / name for name in (*_ITEM_FILES, TRUTH, ARCHIVE))
    yield from (directory / IMAGES).glob("S*-[0-9]*.png")


def _write_items(
    directory: Path, items: Iterable[SampleItem], summary: SampleSummary, on_item: Callable[[], object]
) -> tuple[list[Family], list[str]]:
    families: list[Family] = []
    codes: list[str] = []
    with _row_writer(summary.items_file) as write:
        for item in items:
            write(item.row)
            if item.figure:
                (directory / str(item.row["image_path"])).write_bytes(item.figure.png())
                summary.images += 1
            families.append(item.family)
            codes.append(item.code)
            on_item()
    summary.items = len(codes)
    summary.families = {family.key for family in families}
    return families, codes


@contextmanager
def _row_writer(file: Path) -> Iterator[Callable[[Row], None]]:
    """A function that adds a row to a JSONL file, or to the list `items` of a JSON file."""
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        if file.suffix == ".jsonl":
            yield lambda row: _print(stream, _json(row) + "\n")
            return
        with _list(stream, "items") as add:
            yield add


@contextmanager
def _list(stream: IO[str], name: str) -> Iterator[Callable[[Row], None]]:
    """A function that adds to the only list of a JSON object, one element a line."""
    separators = chain(("\n",), iter(lambda: ",\n", None))
    stream.write(f'{{"{name}": [')
    yield lambda row: _print(stream, next(separators) + _json(row))
    stream.write("\n]}\n")


def _print(stream: IO[str], text: str) -> None:
    stream.write(text)


def _write_truth(file: Path, families: list[Family], codes: list[str], seed: int, summary: SampleSummary) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as stream, _list(stream, "queries") as add:
        for query in queries(families, codes, seed):
            add(query)
            summary.queries += 1
            relevant = query["relevant_items"]
            summary.relevant_items += len(relevant) if isinstance(relevant, list) else 0


def _pack(directory: Path, summary: SampleSummary) -> None:
    """Pack the items and images; a fixed date and order keep the bytes the same."""
    with zipfile.ZipFile(directory / ARCHIVE, "w") as archive:
        for file in (summary.items_file, *sorted((directory / IMAGES).glob("*.png"))):
            entry = zipfile.ZipInfo(file.relative_to(directory).as_posix(), _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_STORED if file.suffix == ".png" else zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
