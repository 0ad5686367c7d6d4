"""A file's vectors into the database, all of them or none."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from numpy.typing import NDArray
from psycopg import sql

from embeddings.encoders.precision import AUTO
from embeddings.exchange.npz import Archive, BadArchive, wrong
from embeddings.exchange.progress import Report, Stage, silent
from embeddings.indexes import IndexState, index_name, index_state, wants_index
from embeddings.loading import load_vectors
from embeddings.models import EmbeddingJob, Encoder
from embeddings.partitions import partition_name
from embeddings.selectors import items_for
from itembank.alone import Work
from itembank.models import HASH_LENGTH, Item

HALF_MAX = 65_504
UNIT_TOLERANCE = 1e-3  # half precision moves a norm by less
LARGEST_IMPORT = 5_000_000  # vectors; a bound on what a hostile file can make us read
LONGEST_ID = 1024  # characters
# An HNSW index takes in some hundred rows a second and is built at over a thousand.
INDEX_DROP_ROWS = 10_000
EXAMPLES = 5
HASH = re.compile(rf"[0-9a-f]{{{HASH_LENGTH}}}")


class ImportRefused(Exception):  # noqa: N818 - a decision, not a fault
    """Nothing was imported; the message says why, to the user."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. `outdated` are of an earlier content of their item."""

    count: int
    replaced: int
    normalised: int
    outdated: int
    had_hashes: bool
    index_dropped: bool


@dataclass(frozen=True, slots=True)
class Target:
    """Where a row of the file goes."""

    item_id: int
    content_hash: str
    current: bool


@dataclass(slots=True)
class Problems:
    """What is wrong with rows of the file: for each kind how many, and the first few."""

    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    examples: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, ids: Iterable[str]) -> None:
        for code in ids:
            self.counts[kind] += 1
            if len(self.examples[kind]) < EXAMPLES:
                self.examples[kind].append("".join(each if each.isprintable() else "?" for each in code[:64]))

    def refuse(self) -> None:
        """Raises ImportRefused where anything is wrong."""
        if self.counts:
            lines = [f"{kind}: {count} ({', '.join(self.examples[kind])})" for kind, count in self.counts.items()]
            raise ImportRefused("\n".join([_("Nothing was imported."), *lines]))


def import_embeddings(*, encoder: Encoder, path: Path, report: Report = silent) -> Imported:
    """Store the file's vectors in place of those that its items had; all of them or, whatever is wrong, none.

    The file is checked before anything is touched. Searches by this encoder wait while a large import drops its index
    or replaces all of its vectors: 176,443 of 2,048 dimensions take 20 s. Raises ImportRefused, OSError.
    """
    with path.open("rb") as file:
        try:
            archive = Archive(file)
            _check_arrays(archive, encoder)
            _check_precision(encoder)
            _running_job(encoder)
            targets = _targets(archive, encoder, report)
            try:
                return _store(archive, encoder, targets, report)
            except IntegrityError as error:
                raise ImportRefused(
                    _("Items or vectors changed during the import, so nothing was imported. Import again.")
                ) from error
        except BadArchive as error:
            raise ImportRefused(str(error)) from error


def _check_arrays(archive: Archive, encoder: Encoder) -> None:
    """What the headers say fits together and is of this encoder. Raises BadArchive, ImportRefused."""
    found = archive.text("fingerprint", longest=HASH_LENGTH)
    if found != encoder.fingerprint:
        raise ImportRefused(
            _("The vectors are of another encoder: their fingerprint is %(found)s, that of %(encoder)s is %(own)s.")
            % {"found": found or "-", "encoder": encoder.slug, "own": encoder.fingerprint}
        )
    ids, vectors = archive.header("ids"), archive.header("embeddings")
    if len(ids.shape) != 1 or ids.dtype.kind != "U" or ids.row_bytes > 4 * LONGEST_ID:
        raise BadArchive(wrong("ids", f"<U{LONGEST_ID} (count,)", str(ids)))
    if not 0 < ids.shape[0] <= LARGEST_IMPORT:
        raise BadArchive(wrong("ids", f"1-{LARGEST_IMPORT}", str(ids.shape[0])))
    shape = (ids.shape[0], encoder.dimensions)
    if vectors.shape != shape or vectors.dtype.kind != "f" or vectors.dtype.itemsize not in {2, 4, 8}:
        raise BadArchive(wrong("embeddings", f"float16/32/64 {shape}", str(vectors)))
    if "content_hashes" in archive:
        hashes = archive.header("content_hashes")
        if hashes.shape != ids.shape or hashes.dtype.kind != "U" or hashes.row_bytes != 4 * HASH_LENGTH:
            raise BadArchive(wrong("content_hashes", f"<U{HASH_LENGTH} {ids.shape}", str(hashes)))


def _check_precision(encoder: Encoder) -> None:
    """Vectors in a space of no stated precision would keep it open for ever, and the encoder from answering a query."""
    parts = encoder.parts.values_list("part__precision", flat=True)
    if AUTO in {encoder.precision, *parts}:
        raise ImportRefused(
            _(
                "The encoder %(encoder)s has no precision yet, so nobody could say what these vectors are comparable "
                "with. Import into an encoder that was made with the precision of the vectors."
            )
            % {"encoder": encoder.slug}
        )


def _running_job(encoder: Encoder) -> None:
    job = EmbeddingJob.objects.filter(encoder=encoder, state=EmbeddingJob.State.RUNNING).first()
    if job is not None:
        raise ImportRefused(
            _("Job %(id)s of this encoder is running. Pause it or wait for its end, then import again.")
            % {"id": job.pk}
        )


def _targets(archive: Archive, encoder: Encoder, report: Report) -> list[Target]:
    """For each row its item, once all rows are right. Raises ImportRefused, BadArchive."""
    problems = Problems()
    known = {code: (pk, digest) for code, pk, digest in Item.objects.values_list("code", "pk", "content_hash")}
    suited = set(items_for(encoder).values_list("pk", flat=True))
    targets: dict[str, Target] = {}
    for code, given in _names(archive):
        pk, present = known.get(code, (None, ""))
        digest = present if given in {None, present} else str(given)
        if pk is None:
            problems.add(_("ids of no item"), [code])
        elif code in targets:
            problems.add(_("ids given more than once"), [code])
        elif pk not in suited:
            problems.add(_("items that hold nothing for this encoder"), [code])
        elif not HASH.fullmatch(digest):
            problems.add(_("content hashes that are not 64 hexadecimal digits"), [code])
        else:
            targets[code] = Target(pk, digest, current=digest == present)
    # More rows than items are wrong already: a bomb is not unpacked to see what else is.
    if archive.header("ids").shape[0] <= len(known):
        _check_vectors(archive, problems, report)
    problems.refuse()
    return list(targets.values())


def _names(archive: Archive) -> Iterator[tuple[str, str | None]]:
    if "content_hashes" not in archive:
        return ((code, None) for (ids,) in archive.rows("ids") for code in _strings(ids))
    chunks = archive.rows("ids", "content_hashes")
    return (pair for ids, hashes in chunks for pair in zip(_strings(ids), _strings(hashes), strict=True))


def _strings(array: NDArray[Any]) -> list[str]:
    try:
        return [str(each) for each in array.tolist()]
    except ValueError as error:  # four bytes that are no character
        raise BadArchive(str(error)) from error


def _check_vectors(archive: Archive, problems: Problems, report: Report) -> None:
    done, total = 0, archive.header("ids").shape[0]
    for ids, rows in archive.rows("ids", "embeddings"):
        not_finite, too_large, zero, _not_unit = _judged(_workable(rows))
        for kind, found in (
            (_("vectors with NaN or infinity"), not_finite),
            (_("vectors with numbers beyond half precision (65,504)"), too_large),
            (_("zero vectors"), zero),
        ):
            problems.add(kind, _strings(ids[found]))
        done += len(rows)
        report(Stage.CHECK, done, total)


def _workable(rows: NDArray[Any]) -> NDArray[Any]:
    """In native order and in a precision in which norms can be taken."""
    return rows.astype(np.float64 if rows.dtype.itemsize == 8 else np.float32)


def _judged(rows: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Masks over the rows: not finite, beyond half precision, zero, not of norm 1 (of those that are right)."""
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        not_unit = ~(np.abs(norms - 1) <= UNIT_TOLERANCE)
    # All else that can be wrong is seen in the norm, so that few rows are looked at twice.
    not_finite, too_large, zero = (np.zeros(len(rows), bool) for _mask in range(3))
    for index in np.flatnonzero(not_unit):
        not_finite[index] = not np.isfinite(rows[index]).all()
        largest = np.abs(rows[index]).max()
        too_large[index], zero[index] = not not_finite[index] and largest > HALF_MAX, largest == 0
    return not_finite, too_large, zero, not_unit & ~(not_finite | too_large | zero)


@transaction.atomic
def _store(archive: Archive, encoder: Encoder, targets: list[Target], report: Report) -> Imported:
    """Raises ImportRefused, BadArchive, IntegrityError; then nothing is stored."""
    _keep_others_out(encoder)
    large = len(targets) >= INDEX_DROP_ROWS
    had_index = large and index_state(encoder) is not IndexState.NONE
    if had_index:
        _execute("DROP INDEX {index}", encoder)
    replaced = _remove_earlier(encoder, [target.item_id for target in targets], large=large)
    normalised: list[int] = []
    load_vectors(encoder, _unit_rows(archive, targets, normalised, report))
    return Imported(
        count=len(targets),
        replaced=replaced,
        normalised=sum(normalised),
        outdated=sum(not target.current for target in targets),
        had_hashes="content_hashes" in archive,
        index_dropped=had_index and wants_index(encoder),
    )


def _keep_others_out(encoder: Encoder) -> None:
    """Another import, an activation, a build of the index. Searches go on; a job that starts now ends well either way.

    Its vectors wait for ours and then replace them, or were there first and the import fails as a whole.
    """
    Encoder.objects.select_for_update(no_key=True).get(pk=encoder.pk)
    _running_job(encoder)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [Work.INDEX, encoder.pk])
        if not cursor.fetchone()[0]:
            raise ImportRefused(_("The index of this encoder is being built. Import again once it is ready."))


def _remove_earlier(encoder: Encoder, item_ids: Sequence[int], *, large: bool) -> int:
    # From the partition: loads of other encoders would wait for whoever reads its parent.
    existing = {item_id for (item_id,) in _execute("SELECT item_id FROM {table}", encoder)}
    replaced = existing.intersection(item_ids)
    if large and replaced and replaced == existing:  # at once, and without leaving the table twice as large
        _execute("TRUNCATE {table}", encoder)
    elif replaced:
        _execute("DELETE FROM {table} WHERE item_id = ANY(%s)", encoder, [list(replaced)])
    return len(replaced)


def _unit_rows(
    archive: Archive, targets: Sequence[Target], normalised: list[int], report: Report
) -> Iterator[tuple[int, str, NDArray[Any]]]:
    """Rows for `load_vectors`; those that are of norm 1 as they are in the file."""
    done = 0
    for (rows,) in archive.rows("embeddings"):
        worked = _workable(rows)
        not_finite, too_large, zero, not_unit = _judged(worked)
        if (not_finite | too_large | zero).any():
            raise BadArchive(_("The file was changed during the import; nothing was imported."))
        normalised.append(int(not_unit.sum()))
        worked[not_unit] = _normalised(worked[not_unit])
        for target, vector in zip(targets[done : done + len(rows)], worked.astype(np.float16), strict=True):
            yield target.item_id, target.content_hash, vector
        done += len(rows)
        report(Stage.STORE, done, len(targets))


def _normalised(rows: NDArray[Any]) -> NDArray[Any]:
    """Divided by the largest number first: squares of very small ones would vanish."""
    scaled = rows.astype(np.float64) / np.abs(rows).max(axis=1, keepdims=True, initial=0)
    unit: NDArray[Any] = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    return unit


def _execute(statement: str, encoder: Encoder, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    names = {"table": sql.Identifier(partition_name(encoder)), "index": sql.Identifier(index_name(encoder))}
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(**names).as_string(cursor.connection), parameters)
        return list(cursor.fetchall()) if cursor.description else []
