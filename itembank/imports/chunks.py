"""Rows of an upload in chunks, their images taken in: what one transaction settles."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from itembank.uploads.drafts import ItemDraft, ParsedRow, RowErrors
from itembank.uploads.rows import IMAGE_FIELDS

from .intake import ImageIntake, Outcome, placed_images
from .records import ItemRecord, as_json, make_record

CHUNK_ROWS = 2000
IMAGE_WEIGHT = 20  # an image takes as long as many rows: a chunk, and so a sign of life, comes every few seconds


@dataclass(frozen=True, slots=True)
class Chunk:
    """`size` consecutive rows of the file, in file order: those that may land and those that may not."""

    size: int
    records: Sequence[ItemRecord]
    rejected: Sequence[RowErrors]


def split(rows: Iterable[ParsedRow]) -> Iterator[list[ParsedRow]]:
    """Consecutive rows, CHUNK_ROWS at a time where they have no images."""
    chunk: list[ParsedRow] = []
    weight = 0
    for row in rows:
        chunk.append(row)
        weight += 1 + IMAGE_WEIGHT * len(row.images) if isinstance(row, ItemDraft) else 1
        if weight >= CHUNK_ROWS:
            yield chunk
            chunk, weight = [], 0
    if chunk:
        yield chunk


def prepare(rows: Sequence[ParsedRow], images: ImageIntake) -> Chunk:
    """Take in the images of the rows; a draft whose image is refused is rejected with it."""
    outcomes = images.take(row for row in rows if isinstance(row, ItemDraft))
    ready = [_ready(row, outcomes) if isinstance(row, ItemDraft) else row for row in rows]
    return Chunk(
        size=len(rows),
        records=[row for row in ready if isinstance(row, ItemRecord)],
        rejected=[row for row in ready if isinstance(row, RowErrors)],
    )


def _ready(draft: ItemDraft, outcomes: Mapping[str, Outcome]) -> ItemRecord | RowErrors:
    images = placed_images(draft, outcomes)
    if isinstance(images, tuple):
        return RowErrors(draft.row, _as_uploaded(draft), images)
    return make_record(draft, images)


def _as_uploaded(draft: ItemDraft) -> dict[str, str]:
    """The fields of a row that parsed, near enough to how they came to find and mend it."""
    paths = {IMAGE_FIELDS[image.role]: image.path for image in draft.images}
    fields = {"id": draft.code, "subject": draft.subject, "grade": draft.grade, "unit": draft.unit}
    fields |= {"item_type": draft.item_type, "difficulty": str(draft.difficulty or ""), "text": draft.text}
    return fields | {"choices": as_json(draft.choices) if draft.choices else ""} | paths
