"""Building truth sets: what may be done with a build. The work itself is in groundtruth/build_run.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from groundtruth import audit
from groundtruth.candidates import MAX_TOP, TFIDF, checked_encoder, corpus_of
from groundtruth.models import Relevance, TruthSet
from groundtruth.scope import draw, with_text
from groundtruth.set_services import SetError, create_set
from itembank.models import Item

Method, State = TruthSet.Method, TruthSet.State

BUILT = (Method.TFIDF, Method.LLM_TEXT, Method.LLM_IMAGES)
"""The methods that are built here; a hybrid is combined from other sets, a manual one entered."""

DEFAULT_TOP = 5
# Measured on neighbours of 200 queries each. Korean word problems: from a cosine of .6, 84% are of the template of the
# query; between .4 and .6, three in four are of its template or equation; between .2 and .4, more than half have
# something in common. Sample items: all above .4 are of one family; between .2 and .4, six in seven are of one unit.
DEFAULT_THRESHOLDS = (0.6, 0.4, 0.2)


class BuildError(SetError):
    """A set that cannot be built as asked; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """What to build, by the names of the command's options. Raises BuildError where it does not fit together.

    `quotas` are items by category, drawn by `seed`. In the scope "selection" they are the set's items; in the scope
    "bank" they are its queries, None making each item one. `thresholds` are the lowest cosines of relevance 3, 2 and 1;
    pairs below `min_score` are left out (None: below the last threshold). `candidates` are "tfidf" and slugs of
    encoders, each of which gives `top`, to sets that a judge will look at.
    """

    method: str
    scope: str
    top: int = DEFAULT_TOP
    min_score: float | None = None
    thresholds: tuple[float, ...] = DEFAULT_THRESHOLDS
    quotas: Mapping[str, int] | None = None
    seed: int = 1
    take_all: bool = False
    candidates: tuple[str, ...] = (TFIDF,)

    def __post_init__(self) -> None:
        if self.method not in BUILT:
            raise BuildError(_("A set of the method “%(method)s” is not built.") % {"method": self.method})
        if not 1 <= self.top <= MAX_TOP:
            raise BuildError(_("“top” must be from 1 to %(most)s.") % {"most": MAX_TOP})
        three = (*self.thresholds,)
        if len(three) != Relevance.VERY_SIMILAR or not 1 >= three[0] > three[1] > three[2] >= 0:
            raise BuildError(_("Thresholds are three scores from 1 down to 0, for the relevance 3, 2 and 1."))
        if not 0 <= self.least_score <= 1:
            raise BuildError(_("The lowest score must be from 0 to 1."))
        if self.scope == TruthSet.Scope.SELECTION and not self.quotas:
            raise BuildError(_("Say how many items of which category the set is about."))

    @property
    def least_score(self) -> float:
        return self.thresholds[-1] if self.min_score is None else self.min_score

    @property
    def with_images_only(self) -> bool:
        return self.method == Method.LLM_IMAGES

    def relevance(self, score: float) -> int:
        """Of a pair with that cosine."""
        return sum(score >= least for least in self.thresholds)

    def as_json(self) -> dict[str, Any]:
        """For the set's row: what mattered, by the method."""
        plan: dict[str, Any] = {"top": self.top}
        if self.method == Method.TFIDF:
            plan |= {"min_score": self.least_score, "thresholds": list(self.thresholds)}
        else:
            plan |= {"candidates": list(self.candidates)}
        if self.quotas:
            plan |= {"quotas": dict(self.quotas), "seed": self.seed, "take_all": self.take_all}
        return plan

    @classmethod
    def of(cls, truth_set: TruthSet) -> "BuildPlan":
        """The plan that the set was created with."""
        kept = {name: value for name, value in truth_set.parameters.items() if name in cls.__slots__}
        lists = {name: tuple(kept[name]) for name in ("thresholds", "candidates") if name in kept}
        return cls(method=truth_set.method, scope=truth_set.scope, **{**kept, **lists})


@transaction.atomic
def create_build(*, name: str, plan: BuildPlan, user: User | None = None) -> TruthSet:
    """A set in the state building, which build_run.run_build does; where the name exists, its next version.

    Raises SetError for candidates of an unknown encoder, a scope without items, and a name whose last version is still
    being built.
    """
    for source in plan.candidates if plan.method != Method.TFIDF else ():
        if source != TFIDF:
            checked_encoder(source)
    own = drawn_items(plan) if plan.scope == TruthSet.Scope.SELECTION else None
    truth_set = create_set(
        name=name, method=plan.method, scope=plan.scope, parameters=plan.as_json(), user=user, item_ids=own,
        state=State.BUILDING,
    )  # fmt: skip
    if TruthSet.objects.filter(name=truth_set.name, state=State.BUILDING).exclude(pk=truth_set.pk).exists():
        raise BuildError(_("“%(name)s” is being built. Wait for it, or cancel it first.") % {"name": truth_set.name})
    if not corpus_of(truth_set, with_images_only=plan.with_images_only).exists():
        raise BuildError(_("There are no such items to draw from."))
    return truth_set


def drawn_items(plan: BuildPlan) -> list[int]:
    """The items of the plan's quotas; of those with pictures where it is about pictures. Raises ScopeError."""
    pictured = Item.objects.filter(category=Item.ItemCategory.IMAGE)
    items = pictured if plan.with_images_only else with_text()
    return draw(seed=plan.seed, quotas=plan.quotas or {}, items=items, take_all=plan.take_all)


@transaction.atomic
def cancel_build(*, truth_set: TruthSet, user: User | None = None) -> TruthSet:
    """Stop a build at its next sign of life; nothing of it stays. Raises BuildError for one that has ended."""
    if not TruthSet.objects.filter(pk=truth_set.pk, state=State.BUILDING).update(state=State.CANCELLED):
        raise BuildError(_("“%(set)s” is not being built.") % {"set": truth_set})
    audit.record(action="cancel-build", target=str(truth_set), truth_set=truth_set, user=user)
    truth_set.refresh_from_db()
    return truth_set


@transaction.atomic
def build_again(*, truth_set: TruthSet, user: User | None = None) -> TruthSet:
    """Begin a failed or cancelled build anew, of the same items. Raises BuildError for any other set."""
    anew = {"state": State.BUILDING, "done": 0, "total": 0, "attempts": 0, "heartbeat_at": None, "error": ""}
    ended = TruthSet.objects.filter(pk=truth_set.pk, method__in=BUILT, state__in=[State.FAILED, State.CANCELLED])
    if not ended.update(**anew):
        raise BuildError(_("“%(set)s” is no build that failed or was cancelled.") % {"set": truth_set})
    audit.record(action="build-again", target=str(truth_set), truth_set=truth_set, user=user)
    truth_set.refresh_from_db()
    return truth_set


def silent_builds(*, seconds: int) -> QuerySet[TruthSet]:
    """Builds that should be under way and of which no worker has given a sign of life for so long."""
    since = timezone.now() - timedelta(seconds=seconds)
    building = TruthSet.objects.filter(state=State.BUILDING, method__in=BUILT)
    return building.annotate(sign=Coalesce(F("heartbeat_at"), F("created_at"))).filter(sign__lt=since).order_by("pk")


def sources_of(plan: BuildPlan) -> Sequence[str]:
    """Each source once, in the plan's order."""
    return (TFIDF,) if plan.method == Method.TFIDF else tuple(dict.fromkeys(plan.candidates))
