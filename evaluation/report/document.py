"""What a report is made of. Every format writes the same sections; nothing here knows of databases or formats."""

from dataclasses import dataclass, field
from typing import ClassVar

from django.utils.safestring import SafeString

from evaluation.gates import Decision


@dataclass(frozen=True, slots=True)
class Number:
    """A figure, and how a person reads it: 0.8125 as "0.813 [0.743, 0.920]"."""

    value: float
    shown: str

    def __str__(self) -> str:
        return self.shown


Cell = str | Number


@dataclass(frozen=True, slots=True)
class Text:
    kind: ClassVar[str] = "text"
    text: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    kind: ClassVar[str] = "facts"
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows have as many cells as there are columns."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    states: tuple[str, ...] = ()  # one a row, for its colour: a verdict in lower case, or ""

    @property
    def marked_rows(self) -> list[tuple[str, tuple[Cell, ...]]]:
        states = self.states or ("",) * len(self.rows)
        return list(zip(states, self.rows, strict=True))


@dataclass(frozen=True, slots=True)
class Chart:
    """`svg` needs nothing but itself; `note` says how to read it."""

    kind: ClassVar[str] = "chart"
    title: str
    svg: SafeString
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Tiles:
    kind: ClassVar[str] = "tiles"
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One query that went wrong. `item_id` lets a page show the item with its pictures."""

    kind: ClassVar[str] = "case"
    query_id: str
    item_id: int
    title: str
    text: str
    figures: str
    causes: tuple[str, ...]
    relevant: Table
    found: Table


Block = Text | Heading | Bullets | Facts | Table | Chart | Tiles | Case


@dataclass(frozen=True, slots=True)
class Section:
    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    title: str
    subtitle: str
    language: str
    decision: Decision
    outcome_words: str  # of the outcome, in the reader's language
    sections: tuple[Section, ...] = field(default=())
