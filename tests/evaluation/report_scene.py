"""A small truth with runs over it, for the tests of reports."""

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from evaluation.models import EvaluationRun, Report
from evaluation.report_services import create_report
from groundtruth.models import TruthQuery, TruthSet
from itembank.models import Item
from tests.evaluation.factories import make_run
from tests.factories import make_item
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

TEXTS = (
    "직각삼각형의 빗변의 길이를 구하시오.",
    "주사위를 두 번 던질 때의 확률을 구하시오.",
    "이차방정식의 근을 모두 구하시오.",
)


DENSE: dict[str, Any] = {"method": "dense", "encoders": ("kure-v1",)}  # the encoder of make_performance


@dataclass(frozen=True)
class Scene:
    """Each query has one relevant item, of relevance 3, and one judged as 0. Other items are unjudged."""

    truth: TruthSet
    queries: list[TruthQuery]
    relevant: list[Item]
    wrong: list[Item]

    def run(self, *hits: int, **settings: Any) -> EvaluationRun:
        """A run in which these queries (by place) have their relevant item first, and the others at rank 3."""
        rankings = {
            query: [right, wrong] if place in hits else [wrong, self.queries[place - 1].item, right]
            for place, (query, right, wrong) in enumerate(zip(self.queries, self.relevant, self.wrong, strict=True))
        }
        return make_run(self.truth, rankings, **settings)


def make_scene(queries: int = 6, **truth: Any) -> Scene:
    values: dict[str, Any] = {"fingerprint": "a" * 64, "frozen_at": timezone.now()} | truth
    made = make_truth_set(**values)
    items = [make_item(text=TEXTS[number % 3], unit=f"단원 {number % 2}") for number in range(3 * queries)]
    asked = [make_query(made, items[place]) for place in range(queries)]
    relevant, wrong = items[queries : 2 * queries], items[2 * queries :]
    for query, right, other in zip(asked, relevant, wrong, strict=True):
        make_pair(query, right, relevance=3)
        make_pair(query, other, relevance=0)
    return Scene(made, asked, relevant, wrong)


def make_report(candidate: EvaluationRun, **fields: Any) -> Report:
    values: dict[str, Any] = {"title": "Go live?", "candidate": candidate} | fields
    return create_report(**values)
