"""Every setting and formula, so that an engineer can make each figure again."""

import json
from collections.abc import Iterable, Sequence

from django.utils import timezone
from django.utils.translation import gettext as _

from evaluation.comparison import EXACT, PERMUTATIONS
from evaluation.intervals import FEWEST, MOST
from evaluation.metrics import FORMULAS
from evaluation.report.document import Block, Bullets, Facts, Heading, Section, Table
from evaluation.report.measuring import Measured, RunFigures
from evaluation.report.numbers import NOTHING


def appendix(measured: Measured) -> Section:
    blocks: list[Block] = [Heading(_("Settings of the runs")), *_settings(measured.runs), _fingerprints(measured.runs)]
    blocks += [Heading(_("Truth sets")), *_truths(measured), Heading(_("Formulas")), _formulas(), _methods()]
    if measured.report.performance:
        performance = measured.report.performance
        pairs = ((_("encoder"), performance.encoder_slug), (_("fingerprint"), performance.encoder_fingerprint))
        blocks += [Heading(_("Performance run")), Facts((*pairs, (_("settings"), _written(performance.configuration))))]
    return Section("appendix", _("Appendix"), tuple(blocks))


def _settings(runs: Sequence[RunFigures]) -> Iterable[Block]:
    """What all runs share once, what differs in a table: many settings of many runs stay readable."""
    stored = [
        {name: _written(value) for name, value in run.settings.as_json().items() if name != "fingerprints"}
        for run in runs
    ]
    shared = [name for name in stored[0] if len({each[name] for each in stored}) == 1]
    differing = tuple(name for name in stored[0] if name not in shared)
    yield Facts(tuple((name, stored[0][name]) for name in shared))
    rows = tuple(
        (run.label, f"#{run.run.pk}", *(each[name] for name in differing), str(run.run.truth_set), _finished(run))
        for run, each in zip(runs, stored, strict=True)
    )
    caption = _("Settings that differ, and when the runs finished")
    yield Table(caption, (_("Run"), "#", *differing, _("Truth set"), _("finished at")), rows)


def _finished(run: RunFigures) -> str:
    finished = run.run.finished_at
    return timezone.localtime(finished).strftime("%Y-%m-%d %H:%M") if finished else NOTHING


def _fingerprints(runs: Sequence[RunFigures]) -> Table:
    own = [(f"{_('Run')} #{run.run.pk}", run.run.fingerprint) for run in runs]
    parts = sorted({pair for run in runs for pair in run.settings.fingerprints.items()})
    return Table(_("Fingerprints"), (_("Of"), _("fingerprint")), (*own, *((name, str(value)) for name, value in parts)))


def _written(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value) or NOTHING
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value) or NOTHING


def _truths(measured: Measured) -> Iterable[Block]:
    truths = {run.run.truth_set_id: run.run.truth_set for run in measured.runs}
    for _pk, truth in sorted(truths.items()):
        yield Facts((
            (_("Truth set"), str(truth)),
            (_("Method"), str(truth.get_method_display())),
            (_("Scope"), str(truth.get_scope_display())),
            (_("parameters"), _written(truth.parameters)),
            (_("fingerprint"), truth.fingerprint or NOTHING),
        ))  # fmt: skip


def _formulas() -> Table:
    rows = tuple((name, each.expression, str(each.meaning)) for name, each in FORMULAS.items())
    note = _("rel: the items with a relevance at or above the threshold; top k: the first k results.")
    return Table(_("Metrics"), (_("Metric"), _("Formula for one query"), _("Meaning")), rows, note)


def _methods() -> Bullets:
    return Bullets((
        _("Intervals (95%%): Wilson for shares of queries, else a seeded bootstrap (BCa, %(few)s to %(many)s samples).")
        % {"few": f"{FEWEST:,}", "many": f"{MOST:,}"},
        _("Differences: paired randomisation test, two-sided (exact up to %(exact)s differing queries, else %(many)s "
          "random sign patterns), corrected after Holm; shown only where test and interval both say so.")
        % {"exact": EXACT, "many": f"{PERMUTATIONS:,}"},
        _("A query without a result counts as 0; a query without a relevant item is left out and counted."),
        _("Items of equal score are ordered by their code, so that ties bring no luck. The search is exact."),
        _("GO: every criterion is PASS. NO-GO: a figure is beyond a no-go line, even with every unjudged result "
          "counted in its favour. Else CONDITIONAL GO."),
        _("PASS and FAIL need the whole interval on one side of the line; else the verdict is INSUFFICIENT."),
    ))  # fmt: skip
