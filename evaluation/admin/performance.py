"""Performance runs: what `manage.py benchmark service` measured."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from evaluation.models import PerformanceRun
from itembank.admin.base import ModelAdmin

SPREAD = ("mean", "p50", "p95", "p99", "min", "max")


@admin.register(PerformanceRun)
class PerformanceRunAdmin(ModelAdmin[PerformanceRun]):
    list_display = ("number", "encoder_slug", "mean", "p95", "memory", "calls", "created_at")
    list_display_links = ("number", "encoder_slug")
    list_before_template = "evaluation/performance_list_before.html"
    search_fields = ("encoder_slug",)
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    actions = None
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # measured by a command, on the machine that serves

    def has_change_permission(self, request: HttpRequest, obj: PerformanceRun | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PerformanceRun | None = None) -> bool:
        return False  # a report may rest on it

    @admin.display(description=gettext_lazy("run"))
    def number(self, run: PerformanceRun) -> str:
        return f"#{run.pk}"

    @admin.display(description=gettext_lazy("mean, ms"))
    def mean(self, run: PerformanceRun) -> str:
        return _figure(run.figures.get("latency_mean_ms"))

    @admin.display(description=gettext_lazy("P95, ms"))
    def p95(self, run: PerformanceRun) -> str:
        return _figure(run.figures.get("p95_ms"))

    @admin.display(description=gettext_lazy("memory, GB"))
    def memory(self, run: PerformanceRun) -> str:
        return _figure(run.figures.get("memory_gb"), 2)

    @admin.display(description=gettext_lazy("answered in a row"))
    def calls(self, run: PerformanceRun) -> str:
        return f"{_figure(run.figures.get('calls_ok'), 0)} / {_figure(run.figures.get('calls'), 0)}"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self.get_object(request, object_id)
        if run is None:
            raise Http404
        context = {**self.admin_site.each_context(request), "opts": self.opts, **page(run)}
        return TemplateResponse(request, "evaluation/performance.html", context)


def page(run: PerformanceRun) -> dict[str, Any]:
    figures = run.figures
    memory, growth = figures.get("memory") or {}, figures.get("rss") or {}
    return {
        "title": _("Performance run %(id)s") % {"id": run.pk},
        "original": run,
        "run": run,
        "tiles": [
            (_figure(figures.get("latency_mean_ms")), _("mean latency, ms")),
            (_figure(figures.get("p95_ms")), _("P95 latency, ms")),
            (_figure(figures.get("memory_gb"), 2), _("memory at its peak, GB")),
            (f"{_figure(figures.get('calls_ok'), 0)} / {_figure(figures.get('calls'), 0)}", _("answered in a row")),
        ],
        "spread": SPREAD,
        "latency": [
            {"kind": kind, "rows": list(_rows(told))} for kind, told in (figures.get("latency") or {}).items()
        ],
        "throughput": [(clients, _figure(value)) for clients, value in (figures.get("throughput") or {}).items()],
        "failures": sorted((figures.get("failures") or {}).items()),
        "facts": [
            (_("first call (loads the model), ms"), _figure(figures.get("cold_ms"))),
            (_("memory measured"), memory.get("of") or "–"),
            (_("memory after loading, GB"), _figure(memory.get("after_load_gb"), 2)),
            (_("main memory at the start and the end, MB"),
             f"{_figure(growth.get('start_mb'))} – {_figure(growth.get('end_mb'))}"),
            (_("growth for 1,000 calls, MB"), _figure(growth.get("slope_mb_per_1000"), 2)),
        ],
        "machine": [*_flat(run.machine), *_flat(run.configuration)],
    }  # fmt: skip


def _rows(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The whole call, then its stages."""
    yield {"name": _("the whole call"), "whole": True, "cells": [_figure(told.get(name)) for name in SPREAD]}
    stages = {name: spread for name, spread in (told.get("stages") or {}).items() if name != "total"}
    for stage, spread in stages.items():
        yield {"name": stage, "whole": False, "cells": [_figure(spread.get(name)) for name in SPREAD]}


def _flat(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value)
        else:
            yield name, ", ".join(map(str, value)) if isinstance(value, list) else value


def _figure(value: Any, places: int = 1) -> str:
    return "–" if value is None else str(number_format(value, places, force_grouping=True))
