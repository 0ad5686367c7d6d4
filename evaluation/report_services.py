"""What may be done with reports. Each function owns its transaction."""

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from evaluation.criteria import Line
from evaluation.metrics import MOST_RELEVANT
from evaluation.models import Criterion, EvaluationRun, PerformanceRun, Report
from evaluation.results import judged_of
from evaluation.run_settings import EvaluationError, RunSettings


@transaction.atomic
def create_report(
    *,
    title: str,
    candidate: EvaluationRun,
    baseline: EvaluationRun | None = None,
    runs: Iterable[EvaluationRun] = (),
    performance: PerformanceRun | None = None,
    minimum_relevance: int = 1,
    remarks: str = "",
    user: User | None = None,
) -> Report:
    """A report about `candidate`, judged by the active criteria as they are now.

    The baseline is compared query by query, so it must be over the same version of the truth and be asked and judged
    the same. `runs` over another truth stand beside it, without a test. `performance` is of an encoder of the
    candidate's. Raises EvaluationError.
    """
    others = list(runs)
    if not title.strip():
        raise EvaluationError(_("Give the report a title."))
    if not 1 <= minimum_relevance <= MOST_RELEVANT:
        raise EvaluationError(_("An item is relevant from 1, 2 or 3 on."))
    for run in [candidate, *([baseline] if baseline else []), *others]:
        _check_completed(run)
    if baseline is not None:
        _check_comparable(candidate, baseline)
    if performance is not None:
        _check_same_encoder(candidate, performance)
    report = Report.objects.create(
        title=title.strip(),
        candidate=candidate,
        baseline=baseline,
        performance=performance,
        criteria=[Line.of(row).as_json() for row in Criterion.objects.filter(active=True)],
        minimum_relevance=minimum_relevance,
        remarks=remarks.strip(),
        created_by=user,
    )
    report.runs.set(others)
    return report


def _check_completed(run: EvaluationRun) -> None:
    if run.state != EvaluationRun.State.COMPLETED:
        raise EvaluationError(
            _("The run “%(run)s” is not completed (%(state)s). Let it end, or choose another.")
            % {"run": run, "state": run.get_state_display()}
        )


def _check_comparable(candidate: EvaluationRun, baseline: EvaluationRun) -> None:
    if candidate.pk == baseline.pk:
        raise EvaluationError(_("A run cannot be its own baseline. Choose another run."))
    if candidate.truth_set_id != baseline.truth_set_id:
        raise EvaluationError(
            _("The baseline is over “%(other)s” and the run over “%(own)s”. Choose a baseline over the same version.")
            % {"other": baseline.truth_set, "own": candidate.truth_set}
        )
    if judged_of(candidate) != judged_of(baseline):
        raise EvaluationError(
            _("The baseline asks other queries or searches other items. Choose one with the same query view and items.")
        )


def _check_same_encoder(candidate: EvaluationRun, performance: PerformanceRun) -> None:
    """A fast model's times must not speak for a slow one."""
    slug = performance.encoder_slug
    settings = RunSettings.from_json(candidate.configuration)
    if slug not in settings.encoders or settings.fingerprints.get(slug) != performance.encoder_fingerprint:
        raise EvaluationError(
            _("The performance run measured %(encoder)s, which is not the encoder of “%(run)s”. Choose another.")
            % {"encoder": slug, "run": candidate}
        )
