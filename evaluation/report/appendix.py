"""Every setting and formula, so that an engineer can make each figure again."""

import json
from collections.abc import Iterable

from django.utils import timezone
from django.utils.translation import gettext as _

from evaluation.comparison import EXACT, PERMUTATIONS
from evaluation.intervals import FEWEST, MOST
from evaluation.metrics import FORMULAS
from evaluation.report.document import Block, Bullets, Facts, Heading, Section, Table
from evaluation.report.measuring import Measured, RunFigures
from evaluation.report.numbers import NOTHING


def appendix(measured: Measured) -> Section:
    blocks: list[Block] = [Heading(_("Settings of the runs"))]
    for run in measured.runs:
        blocks += [Facts(tuple(_settings(run)))]
    blocks += [Heading(_("Truth sets")), *_truths(measured), Heading(_("Formulas")), _formulas(), _methods()]
    if measured.report.performance:
        performance = measured.report.performance
        pairs = ((_("encoder"), performance.encoder_slug), (_("fingerprint"), performance.encoder_fingerprint))
        blocks += [Heading(_("Performance run")), Facts((*pairs, (_("settings"), _written(performance.configuration))))]
    return Section("appendix", _("Appendix"), tuple(blocks))


def _settings(run: RunFigures) -> Iterable[tuple[str, str]]:
    yield _("Run"), f"{run.label} (#{run.run.pk})"
    yield _("Truth set"), str(run.run.truth_set)
    stored = dict(run.settings.as_json())
    fingerprints = stored.pop("fingerprints")
    for name, value in stored.items():
        yield name, _written(value)
    for name, value in sorted(fingerprints.items()):
        yield f"{_('fingerprint')}: {name}", str(value)
    yield _("fingerprint"), run.run.fingerprint
    finished = run.run.finished_at
    yield _("finished at"), timezone.localtime(finished).strftime("%Y-%m-%d %H:%M") if finished else NOTHING


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
        _("GO: every criterion is PASS. NO-GO: a no-go line is broken or an accuracy criterion is FAIL. Else "
          "CONDITIONAL GO."),
        _("PASS and FAIL need the whole interval on one side of the line; else the verdict is INSUFFICIENT."),
    ))  # fmt: skip
