"""What nobody judged among a run's first k, handed to people or to a judge job. Each function owns its transaction."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from evaluation.bounds import unjudged
from evaluation.models import EvaluationRun
from evaluation.results import judged_of, ranked_of
from evaluation.run_settings import EvaluationError
from groundtruth.judge_services import plan_job
from groundtruth.judging.parameters import JudgeParameters
from groundtruth.models import JudgeJob, ModelPrice, Prompt, ReviewRound, TruthPair, TruthSet
from groundtruth.review_rounds import create_round
from groundtruth.set_services import lock_for_writing, new_version

MODEL = "gpt-4o-mini"  # where it has a price; else the first that has one
ROWS_AT_ONCE = 2_000


@transaction.atomic
def send_to_review(*, run: EvaluationRun, k: int, user: User) -> ReviewRound:
    """A review round over the pairs of the run's first k that nobody judged.

    A frozen truth gets them in its next version. Raises EvaluationError where nothing is unjudged, and SetError.
    """
    truth_set, pair_ids = _with_candidates(run, k, user)
    name = _("Run %(id)s, first %(k)s") % {"id": run.pk, "k": k}
    taken = set(truth_set.rounds.values_list("name", flat=True))
    names = [name, *(f"{name} ({number})" for number in range(2, len(taken) + 3))]
    return create_round(
        truth_set=truth_set,
        name=next(each for each in names if each not in taken),
        relevances=[None],
        pair_ids=pair_ids,
        user=user,
    )


@transaction.atomic
def send_to_judge(*, run: EvaluationRun, k: int, user: User) -> JudgeJob:
    """A draft of a judge job over all that nobody judged, these pairs among it; it costs nothing until confirmed.

    Raises EvaluationError where nothing is unjudged, SetError and JudgeError.
    """
    truth_set, _pairs = _with_candidates(run, k, user)
    prompt = Prompt.objects.filter(kind=Prompt.Kind.LISTWISE).order_by("-version").first()
    models = list(ModelPrice.objects.order_by("model").values_list("model", flat=True))
    if prompt is None or not models:
        raise EvaluationError(_("A judge job needs a prompt for lists and the price of a model."))
    model = MODEL if MODEL in models else models[0]
    return plan_job(truth_set=truth_set, model=model, prompt=prompt, parameters=JudgeParameters(), user=user)


def _with_candidates(run: EvaluationRun, k: int, user: User) -> tuple[TruthSet, set[int]]:
    """A version of the run's truth that can change and has the pairs, and the ids of those."""
    pairs = unjudged(judged_of(run), ranked_of(run), k)
    if not pairs:
        raise EvaluationError(_("Every item in the first %(k)s is judged already.") % {"k": k})
    truth_set = lock_for_writing(truth_set=_open_version(run.truth_set, user))
    queries = dict(truth_set.queries.values_list("query_id", "pk"))
    wanted = {(queries[query], int(item)) for query, item in pairs if query in queries}
    TruthPair.objects.bulk_create(
        (
            TruthPair(truth_set=truth_set, query_id=query, item_id=item, provenance={"run": run.pk})
            for query, item in sorted(wanted)
        ),
        batch_size=ROWS_AT_ONCE,
        ignore_conflicts=True,  # a candidate already, that nobody judged or that somebody judged since
    )
    still = TruthPair.objects.filter(truth_set=truth_set, final_relevance=None).values_list(
        "pk", "query__pk", "item_id"
    )
    found = {pk for pk, query, item in still.iterator(chunk_size=10_000) if (query, item) in wanted}
    if not found:
        raise EvaluationError(
            _("All of them are judged in “%(truth)s”. Evaluate with that version.") % {"truth": truth_set}
        )
    return truth_set, found


def _open_version(truth_set: TruthSet, user: User) -> TruthSet:
    """The set itself, or the last version made from it that is not frozen, or else a new one."""
    if not truth_set.frozen:
        return truth_set
    later = TruthSet.objects.filter(name=truth_set.name, previous=truth_set, frozen_at=None, state=TruthSet.State.READY)
    return later.order_by("-version").first() or new_version(truth_set=truth_set, user=user)
