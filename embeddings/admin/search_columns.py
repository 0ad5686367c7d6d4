"""The columns of the search page: each a method with its answer as cards, or what went wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from embeddings.admin.feedback_reading import with_images
from embeddings.admin.search_compare import Common, Place, common, places
from embeddings.admin.search_why import Why
from embeddings.feedback import marks_of, remember
from embeddings.forms import SearchForm
from embeddings.method_form import MethodForm
from embeddings.models import SearchQuery
from embeddings.search import Hit, SearchError, SearchRequest, SearchResponse, search
from itembank.models import Item

ROUTES = {
    "index": gettext_lazy("through the index"),
    "exact": gettext_lazy("compared with every vector"),
    "index-filtered": gettext_lazy("through the index, then filtered"),
    "exact-filtered": gettext_lazy("compared with every vector under the filters"),
    "bits-filtered": gettext_lazy("scanned as bits under the filters, then compared"),
    "bits": gettext_lazy("scanned as bits, then compared"),
    "words": gettext_lazy("by the words of each item"),
}
STAGES = {
    "encode": gettext_lazy("query to vector"),
    "search": gettext_lazy("search"),
    "rerank": gettext_lazy("reranking"),
    "total": gettext_lazy("total"),
}
COLOURS = 5
"""For groups of hits; that of the query item has one of its own."""


@dataclass(frozen=True, slots=True)
class Card:
    """A hit with its item, why it is one, the person's thumb (0: none) and its place in the other column."""

    hit: Hit
    item: Item
    why: Why
    similar: str
    verdict: int = 0
    place: Place | None = None

    @property
    def group_colour(self) -> int:
        """Which of the colours marks the hit's group; 0 is that of the query item's own."""
        return 1 + (self.hit.group - 1) % COLOURS if self.hit.group else 0


@dataclass
class Column:
    """A method's answer, or its `error` with the code of it."""

    form: MethodForm
    request: SearchRequest | None = None
    response: SearchResponse | None = None
    error: str = ""
    error_code: str = ""
    cards: list[Card] = field(default_factory=list)
    advice: str = ""  # where nothing was found

    @property
    def hits(self) -> Sequence[Hit]:
        return self.response.hits if self.response else ()

    @property
    def route(self) -> str:
        parts = self.response.route.split("+") if self.response else ()
        return ", ".join(dict.fromkeys(str(ROUTES.get(part, part)) for part in parts))

    @property
    def stages(self) -> list[tuple[str, float]]:
        timings = self.response.timings_ms if self.response else {}
        return [(str(STAGES.get(name, name)), milliseconds) for name, milliseconds in timings.items()]

    @property
    def milliseconds(self) -> float:
        return self.response.timings_ms.get("total", 0.0) if self.response else 0.0


@dataclass(frozen=True)
class Answer:
    """What the page shows of a search. `error` is what all columns say: the query itself is at fault."""

    columns: list[Column]
    query: SearchQuery | None = None
    common: Common | None = None

    @property
    def error(self) -> Column | None:
        first = self.columns[0]
        same = all(column.error and column.error == first.error for column in self.columns)
        return first if same else None


def answered(form: SearchForm, user: User, *, marking: bool) -> Answer:
    """The search of each column, one's failure leaving the other alone. The first goes into the person's history."""
    columns = [_asked(form, method) for method in form.columns]
    first = columns[0]
    query = None
    if first.request and first.response:
        link = "" if first.request.image else form.link()
        query = remember(user=user, request=first.request, response=first.response, link=link)
    ids = {hit.item_id for column in columns for hit in column.hits}
    items = shown_items().in_bulk(ids) if ids else {}
    marks = marks_of(user=user, digest=query.digest, item_ids=ids) if query and marking and ids else {}
    _fill(form, columns, items, marks)
    lists = [[card.hit.item_id for card in column.cards] for column in columns]
    both = len(columns) > 1 and all(column.response for column in columns)
    return Answer(columns, query, common(lists[0], lists[1]) if both else None)


def _asked(form: SearchForm, method: MethodForm) -> Column:
    if not method.is_valid():
        return Column(method, error=" ".join(method.problems()), error_code="broken-setting")
    try:
        request = form.request(method)
        return Column(method, request, search(request))
    except SearchError as error:
        return Column(method, error=error.message, error_code=error.code)


def _fill(form: SearchForm, columns: Sequence[Column], items: Mapping[int, Item], marks: Mapping[int, int]) -> None:
    """Cards for the hits whose item was not deleted in the meantime."""
    shown = [[hit for hit in column.hits if hit.item_id in items] for column in columns]
    titles = form.models.titles()
    for at, (column, hits) in enumerate(zip(columns, shown, strict=True)):
        lines = column.response.weak_below if column.response else {}
        column.advice = _advice(form, column)
        other = columns[1 - at] if len(columns) > 1 else None
        there = [hit.item_id for hit in shown[1 - at]] if other and other.response else None
        beside: list[Place | None] = [None] * len(hits)
        if there is not None:
            beside = list(places([hit.item_id for hit in hits], there))
        column.cards = [
            Card(
                hit, items[hit.item_id], Why(hit, titles, lines), form.link_similar(hit.code),
                marks.get(hit.item_id, 0), place,
            )
            for hit, place in zip(hits, beside, strict=True)
        ]  # fmt: skip


def shown_items() -> Any:
    return Item.objects.prefetch_related(with_images)


def _advice(form: SearchForm, column: Column) -> str:
    if column.form.method_name == "lexical":
        return _("Try other words.")
    if form.filter_count():
        return _("No embedded item passes these filters. Take some of them away.")
    return _("The bank holds no embedded item for this encoder yet.")
