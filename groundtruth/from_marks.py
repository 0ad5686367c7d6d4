"""A truth set out of thumbs: what people said of the hits of searches becomes the relevance of pairs.

The queries of a truth set are items, so thumbs on searches by text or picture do not go in; they are counted, as is
all else that is left out, before anything is made.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from embeddings.feedback import marks_seen_by
from embeddings.models import SearchMark
from groundtruth import audit
from groundtruth.loading import NewPair, copy_rows, load_pairs, load_queries
from groundtruth.models import Relevance, TruthPair, TruthQuery, TruthSet
from groundtruth.set_services import SetError, create_set
from groundtruth.thumbs import RULES, Pair, Rule, Settled, Thumb, settle

SOURCE = "thumbs"
JUDGEMENTS = (
    "COPY groundtruth_judgement (pair_id, source, judge, reviewer_id, outcome, relevance, reason, swapped, created_at) "
    "FROM STDIN"
)
HELD = "SELECT id, code FROM itembank_item WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which thumbs (empty: everybody's, of every time and subject), and what they mean. Raises SetError.

    `subjects` are those of the items marked. `up` and `down` are relevances.
    """

    people: tuple[int, ...] = ()
    since: date | None = None
    subjects: tuple[str, ...] = ()
    up: int = int(Relevance.SIMILAR)
    down: int = int(Relevance.NOT_SIMILAR)
    rule: Rule = "majority"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise SetError(_("People who disagree are settled by %(rules)s.") % {"rules": ", ".join(RULES)})
        if not 0 <= self.down < self.up <= max(Relevance.values):
            raise SetError(_("A thumb up means a relevance from 1 to 3, and a thumb down a lower one."))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a set of the chosen thumbs would hold, and what would be left out of it.

    `gone` thumbs were given in a search for what is similar to an item that is no longer in the bank.
    """

    thumbs: tuple[Thumb, ...]
    settled: Mapping[Pair, Settled]
    by_text: int
    by_picture: int
    gone: int

    @property
    def pairs(self) -> dict[Pair, Settled]:
        return {pair: settled for pair, settled in self.settled.items() if settled.up is not None}

    @property
    def undecided(self) -> int:
        """Pairs that are left out as people disagree on them."""
        return len(self.settled) - len(self.pairs)

    @property
    def disputed(self) -> int:
        """Pairs that people disagree on, and that the rule decides."""
        return sum(settled.disputed for settled in self.pairs.values())

    @property
    def queries(self) -> set[int]:
        return {query for query, _item in self.pairs}

    @property
    def similar(self) -> int:
        return sum(bool(settled.up) for settled in self.pairs.values())

    @property
    def without_similar(self) -> int:
        """Queries all of whose pairs are not similar."""
        return len(self.queries - {query for (query, _item), settled in self.pairs.items() if settled.up})

    @property
    def all_thumbs(self) -> int:
        return len(self.thumbs) + self.by_text + self.by_picture + self.gone


def planned(choice: Choice, viewer: User | None = None) -> Plan:
    """What a set would be made of now. Two queries. `viewer` limits the thumbs to those that the person may see."""
    marks = chosen_marks(choice, viewer)
    counts = {"by_text": 0, "by_picture": 0, "gone": 0}
    without_item = marks.filter(query_item=None).order_by().values_list("query_code", "query_text")
    for code, text in without_item.iterator():
        counts["gone" if code else "by_text" if text else "by_picture"] += 1
    thumbs = tuple(_thumbs(marks))
    return Plan(thumbs, settle(thumbs, choice.rule), **counts)


def chosen_marks(choice: Choice, viewer: User | None) -> QuerySet[SearchMark]:
    marks = SearchMark.objects.all() if viewer is None else marks_seen_by(viewer)
    if choice.people:
        marks = marks.filter(user__in=choice.people)
    if choice.since:
        begins = timezone.make_aware(datetime.combine(choice.since, time.min))
        marks = marks.filter(marked_at__gte=begins)
    return marks.filter(item__subject__in=choice.subjects) if choice.subjects else marks


def _thumbs(marks: QuerySet[SearchMark]) -> Iterator[Thumb]:
    by_item = marks.filter(query_item__isnull=False).order_by("pk")
    values = by_item.values_list("query_item", "item", "verdict", "marked_at", "user", "user__username")
    for query, item, verdict, at, person, name in values.iterator():
        yield Thumb(query or 0, item, verdict == SearchMark.Verdict.UP, at, person, name or "")


@transaction.atomic
def make_from_marks(*, name: str, choice: Choice, viewer: User | None, user: User | None) -> TruthSet:
    """A set over the whole bank with a query for each item that was asked about, and what each person said.

    A pair's score is the share of its thumbs that point up. `viewer` as in planned(). Raises SetError, also where
    nothing is left to make a set of.
    """
    plan = planned(choice, viewer)
    codes = _held_items(plan)
    pairs = {pair: settled for pair, settled in plan.pairs.items() if codes.keys() >= set(pair)}
    if not any(settled.up for settled in pairs.values()):
        raise SetError(_("None of the chosen thumbs says that two items are similar: there is no set to make."))
    truth_set = create_set(
        name=name,
        method=TruthSet.Method.MANUAL,
        scope=TruthSet.Scope.BANK,
        parameters=_parameters(choice),
        user=user,
    )
    queries = sorted({query for query, _item in pairs})
    load_queries(truth_set, ((f"Q_{codes[query]}", query, "similar_item") for query in queries))
    _store_pairs(truth_set, pairs, choice)
    judgements = _store_judgements(truth_set, plan.thumbs, choice)
    new = {"pairs": len(pairs), "judgements": judgements} | _left_out(plan)
    audit.record(action="from-thumbs", target=str(truth_set), truth_set=truth_set, new=new, user=user)
    return truth_set


def _held_items(plan: Plan) -> dict[int, str]:
    """Codes by id of the items, which nobody deletes until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(HELD, [sorted({each for pair in plan.pairs for each in pair})])
        return dict(cursor.fetchall())


def _parameters(choice: Choice) -> dict[str, Any]:
    people = User.objects.filter(pk__in=choice.people).order_by("username")
    return {
        "thumbs_of": list(people.values_list("username", flat=True)),
        "thumbs_since": choice.since.isoformat() if choice.since else None,
        "subjects": list(choice.subjects),
        "thumb_up": choice.up,
        "thumb_down": choice.down,
        "disagreement": choice.rule,
    }


def _store_pairs(truth_set: TruthSet, pairs: Mapping[Pair, Settled], choice: Choice) -> None:
    rows = dict(TruthQuery.objects.filter(truth_set=truth_set).values_list("item", "pk"))
    load_pairs(
        truth_set,
        [
            NewPair(
                rows[query], item, choice.up if said.up else choice.down, said.share, {SOURCE: round(said.share, 3)}
            )
            for (query, item), said in pairs.items()
        ],
    )


def _store_judgements(truth_set: TruthSet, thumbs: Iterable[Thumb], choice: Choice) -> int:
    """What each person said of each pair; thumbs of people whose account is gone are in the score alone."""
    stored = TruthPair.objects.filter(truth_set=truth_set).values_list("query__item", "item", "pk")
    ids = {(query, item): pk for query, item, pk in stored}
    said = [thumb for thumb in thumbs if thumb.person is not None and (thumb.query, thumb.item) in ids]
    rows = (
        (ids[thumb.query, thumb.item], "person", thumb.person_name, thumb.person, "judged",
         choice.up if thumb.up else choice.down, "", False, thumb.at)
        for thumb in said
    )  # fmt: skip
    return copy_rows(JUDGEMENTS, rows)


def _left_out(plan: Plan) -> dict[str, int]:
    counts = {"text": plan.by_text, "picture": plan.by_picture, "deleted": plan.gone, "undecided": plan.undecided}
    return {f"left_out_{why}": count for why, count in counts.items() if count}
