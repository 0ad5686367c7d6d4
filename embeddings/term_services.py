"""Keeping the terms of items and the lexical index up to date. Steps may be cut off at any point and go on later."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from embeddings.models import ItemTerms, LexicalGeneration
from embeddings.search.generations import built_generation, store_generation
from itembank.alone import Work, alone_on
from itembank.canonical import embedding_text
from itembank.models import Item
from itembank.terms import terms_of

BATCH = 1000  # items: two seconds of work
NEWER_SHARE = 0.05  # of the documents may be newer than the generation before the next one is built
NEWER_LEAST = 5_000  # are few in any bank, and searched in a millisecond
OLDEST_CHANGE = timedelta(hours=1)

Report = Callable[[int], None]
"""Takes the number of items done so far."""


class Outdated(NamedTuple):
    item_id: int
    content_hash: str
    text: str


class Indexed(NamedTuple):
    """`finished` where every item had its terms, False where time was up or another process is at it."""

    items: int
    finished: bool


def silent(done: int) -> None:
    """Report to nobody."""


def index_terms(*, seconds: float | None = None, report: Report = silent) -> Indexed:
    """Store the terms of new and edited items, and build a new generation of the index where one is due.

    Stops after `seconds`. About 500 items a second and core; looking through 176,443 that are up to date takes 0.3 s.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    with alone_on(Work.TERMS, 0) as alone:
        if not alone:
            return Indexed(0, finished=False)
        done, last = 0, 0
        while batch := _outdated(after=last):
            _store(batch)
            done, last = done + len(batch), batch[-1].item_id
            report(done)
            if generation_is_due():
                store_generation(built_generation())
            if deadline is not None and time.monotonic() > deadline:
                return Indexed(done, finished=False)
        if generation_is_due():
            store_generation(built_generation())
        return Indexed(done, finished=True)


def outdated_count() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {_OUTDATED}")  # noqa: S608 - a constant
        return int(cursor.fetchone()[0])


def forget_terms() -> None:
    """Let the terms of every item be made anew, as after a change of the analyser; the old ones serve meanwhile."""
    ItemTerms.objects.update(content_hash="")


_OUTDATED = (
    "itembank_item AS item LEFT JOIN embeddings_itemterms AS held ON held.item_id = item.id "
    "WHERE held.content_hash IS DISTINCT FROM item.content_hash"
)


def _outdated(*, after: int) -> list[Outdated]:
    """The next items without terms of their present text, by id."""
    rows = Item.objects.raw(
        f"SELECT item.id, item.content_hash, item.text, item.choices FROM {_OUTDATED} "  # noqa: S608 - a constant
        "AND item.id > %s ORDER BY item.id LIMIT %s",
        [after, BATCH],
    )
    return [Outdated(row.pk, row.content_hash, embedding_text(text=row.text, choices=row.choices)) for row in rows]


def _store(batch: Sequence[Outdated]) -> None:
    """One transaction and one version. Items deleted meanwhile are left out, held against deletion until the end."""
    terms = ["\n".join(found) for found in terms_of(each.text for each in batch)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "WITH given (id, content_hash, terms) AS (SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[])), "
            "held AS (SELECT id FROM itembank_item WHERE id IN (SELECT id FROM given) ORDER BY id FOR KEY SHARE) "
            "INSERT INTO embeddings_itemterms (item_id, content_hash, terms, version) "
            "SELECT id, content_hash, terms, nextval('embeddings_itemterms_version') FROM given JOIN held USING (id) "
            "ON CONFLICT (item_id) DO UPDATE "
            "SET content_hash = excluded.content_hash, terms = excluded.terms, version = excluded.version",
            [[each.item_id for each in batch], [each.content_hash for each in batch], terms],
        )


# ---- generations


def generation_is_due() -> bool:
    """Whether so much changed since the newest generation, or so long ago, that the next should be built."""
    newest = LexicalGeneration.objects.order_by("-pk").first()
    changed = _changed_since(newest)
    if not changed or newest is None:
        return bool(changed)
    many = changed > max(NEWER_LEAST, NEWER_SHARE * newest.documents)
    return many or timezone.now() - newest.created_at > OLDEST_CHANGE


def _changed_since(newest: LexicalGeneration | None) -> int:
    """Documents written since, and those that were deleted or replaced."""
    if newest is None:
        return int(ItemTerms.objects.exists())
    written = ItemTerms.objects.filter(version__gt=newest.version).count()
    kept = ItemTerms.objects.filter(version__lte=newest.version).count()
    return max(written, newest.documents - kept)
