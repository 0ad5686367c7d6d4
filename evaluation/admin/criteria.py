"""The criteria of a GO: rows that who may change them edits. Each change is in the audit trail."""

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from evaluation.criteria import Line
from evaluation.metrics import NAME
from evaluation.models import Criterion
from groundtruth import audit
from itembank.admin.base import ModelAdmin, person

PERFORMANCE = ("p95_ms", "latency_mean_ms", "cold_ms", "memory_gb", "calls_ok")
AUDITED = ("name", "kind", "measure", "direction", "threshold", "no_go", "minimum_relevance", "position", "active")


class CriterionForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Criterion
        fields = AUDITED

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        measure, kind = cleaned.get("measure", ""), cleaned.get("kind")
        if kind == Criterion.Kind.PERFORMANCE and measure not in PERFORMANCE:
            self.add_error("measure", _("Use one of %(known)s.") % {"known": ", ".join(PERFORMANCE)})
        if kind in (Criterion.Kind.METRIC, Criterion.Kind.BASELINE) and not re.fullmatch(NAME, measure):
            self.add_error("measure", _("Use a metric such as R@5, Success@5, RR, nDCG@10 or AP."))
        self._check_lines(cleaned)
        return cleaned

    def _check_lines(self, cleaned: dict[str, Any]) -> None:
        """A no-go line lies on the far side of the line, or a figure could pass and be out."""
        line, no_go = cleaned.get("threshold"), cleaned.get("no_go")
        if line is None or no_go is None:
            return
        at_most = cleaned.get("direction") == Criterion.Direction.AT_MOST
        if no_go < line if at_most else no_go > line:
            raise ValidationError(_("The no-go line must not be stricter than the line itself."))


@admin.register(Criterion)
class CriterionAdmin(ModelAdmin[Criterion]):
    form = CriterionForm
    list_display = ("title", "kind", "measure", "direction", "line", "no_go_line", "minimum_relevance", "active")
    list_display_links = ("title",)
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    actions = None
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Criterion]:
        return Criterion.objects.order_by("position", "pk")

    @admin.display(description=gettext_lazy("name"))
    def title(self, row: Criterion) -> str:
        return Line.of(row).title

    @admin.display(description=gettext_lazy("line"))
    def line(self, row: Criterion) -> str:
        return Line.of(row).shown(row.threshold)

    @admin.display(description=gettext_lazy("no-go line"))
    def no_go_line(self, row: Criterion) -> str:
        return "–" if row.no_go is None else Line.of(row).shown(row.no_go)

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Criterion, form: Any, change: bool) -> None:
        before = Criterion.objects.filter(pk=obj.pk).values(*AUDITED).first() if change else None
        super().save_model(request, obj, form, change)
        after = {name: getattr(obj, name) for name in AUDITED}
        if before != after:
            action = "change-criterion" if change else "add-criterion"
            audit.record(action=action, target=str(obj), old=before, new=after, user=person(request))

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: Criterion) -> None:
        old = {name: getattr(obj, name) for name in AUDITED}
        audit.record(action="delete-criterion", target=str(obj), old=old, user=person(request))
        super().delete_model(request, obj)
