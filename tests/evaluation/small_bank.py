"""Twelve items with vectors, a truth over them, and runs that were worked on at once."""

from typing import Any, NamedTuple

from embeddings.models import Encoder
from evaluation.engine.run import work_on
from evaluation.models import EvaluationRun
from evaluation.run_services import create_run
from evaluation.run_settings import RunSettings
from groundtruth.models import TruthSet
from itembank.models import Item
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

COUNT = 12


class Bank(NamedTuple):
    items: list[Item]
    encoder: Encoder
    truth: TruthSet

    def run(self, **settings: Any) -> EvaluationRun:
        """A completed run, by vectors where nothing else is said."""
        asked = settings if settings.get("method") == "lexical" else {"encoders": (self.encoder.slug,), **settings}
        run = create_run(truth_set=self.truth, settings=RunSettings(**asked))
        work_on(run.pk)
        run.refresh_from_db()
        assert run.state == "completed", run.error
        return run


def make_bank(name: str = "truth", *, judged: int = 3) -> Bank:
    """The first four items ask. To each the next is very similar, the one after related, the rest of `judged` is not;
    a fifth query has no relevant item."""
    items = make_items(COUNT)
    encoder = make_space(6)
    fill(encoder, items, clustered(COUNT, 6))
    truth = make_truth_set(name=name)
    for place in range(4):
        query = make_query(truth, items[place])
        for step in range(1, judged + 1):
            make_pair(query, items[(place + step) % COUNT], relevance={1: 3, 2: 1}.get(step, 0))
    make_pair(make_query(truth, items[9]), items[10], relevance=0)
    return Bank(items, encoder, truth)
