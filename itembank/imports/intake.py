"""The images that drafts refer to: found in the upload, sanitised once, and stored before any row names them."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence

from itembank.models import SanitisedImage
from itembank.storage import image_stored, store_image
from itembank.threads import ThreadPool
from itembank.uploads.drafts import ImageError, ItemDraft, RowError
from itembank.uploads.images import ImageEntry, ImageSource
from itembank.uploads.pictures import sanitise
from itembank.uploads.rows import IMAGE_FIELDS

from .records import PlacedImage, StoredImage

THREADS = min(4, os.cpu_count() or 1)  # decoding and encoding release the lock; a hostile image takes 0.4 GB each

Outcome = StoredImage | ImageError


class ImageIntake:
    """Takes in the images of one upload, some drafts at a time. Bytes are read when needed and never kept."""

    def __init__(self, source: ImageSource) -> None:
        self._source = source

    def take(self, drafts: Iterable[ItemDraft]) -> dict[str, Outcome]:
        """What became of each path that the drafts give."""
        paths = {image.path for draft in drafts for image in draft.images}
        if not paths:
            return {}
        entries = {path: self._resolved(path) for path in paths}
        found = {entry.path: entry for entry in entries.values() if isinstance(entry, ImageEntry)}
        taken = self._taken(list(found.values()))
        return {path: taken[entry.path] if isinstance(entry, ImageEntry) else entry for path, entry in entries.items()}

    def _resolved(self, path: str) -> ImageEntry | ImageError:
        try:
            return self._source.resolve(path)
        except ImageError as error:
            return error

    def _taken(self, entries: Sequence[ImageEntry]) -> dict[str, Outcome]:
        with ThreadPool(THREADS) as pool:
            hashes = dict(zip(entries, pool.map(self._source_hash, entries), strict=True))
            known = _known({value for value in hashes.values() if isinstance(value, str)})
            first = {value: entry for entry, value in hashes.items() if isinstance(value, str) and value not in known}
            made = dict(zip(first, pool.map(self._sanitised, first.values()), strict=True))
        _remember(made)
        outcomes: Mapping[str, Outcome] = {**known, **made}
        return {entry.path: outcomes[key] if isinstance(key, str) else key for entry, key in hashes.items()}

    def _source_hash(self, entry: ImageEntry) -> str | ImageError:
        try:
            return hashlib.sha256(self._source.read(entry)).hexdigest()
        except ImageError as error:
            return error

    def _sanitised(self, entry: ImageEntry) -> Outcome:
        try:
            image = sanitise(self._source.read(entry))
        except ImageError as error:
            return error
        return StoredImage(store_image(image), image.sha256, image.width, image.height)


def placed_images(draft: ItemDraft, outcomes: Mapping[str, Outcome]) -> list[PlacedImage] | tuple[RowError, ...]:
    """The draft's images at their places, or every reason why it has none."""
    placed, errors = [], []
    for image in draft.images:
        outcome = outcomes[image.path]
        if isinstance(outcome, ImageError):
            errors.append(outcome.at(draft.row, IMAGE_FIELDS[image.role]))
        else:
            placed.append(PlacedImage(image.role, image.position, outcome))
    return tuple(errors) if errors else placed


def _known(hashes: set[str]) -> dict[str, StoredImage]:
    rows = SanitisedImage.objects.filter(source_sha256__in=hashes)
    return {
        row.source_sha256: StoredImage(row.name, row.sha256, row.width, row.height)
        for row in rows
        if image_stored(row.name)
    }


def _remember(made: Mapping[str, Outcome]) -> None:
    rows = [
        SanitisedImage(
            source_sha256=source, name=image.name, sha256=image.sha256, width=image.width, height=image.height
        )
        for source, image in sorted(made.items(), key=lambda pair: pair[0])
        if isinstance(image, StoredImage)
    ]
    SanitisedImage.objects.bulk_create(rows, ignore_conflicts=True)
