"""Pairs of a truth set: the list, one pair with all that was said of it, a new one by hand."""

from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import F, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from groundtruth.admin.changes import SetFilter, told
from groundtruth.admin.truth_forms import PairForm
from groundtruth.admin.truth_pages import RELEVANCES, relevance_label
from groundtruth.models import Relevance, TruthPair, TruthQuery, TruthSet
from groundtruth.review_services import note_seen
from groundtruth.set_services import SetError, add_pair, set_relevance
from groundtruth.truth_selectors import shown_pair, shown_words
from itembank.admin.base import BankChangeList, ModelAdmin, person, row_id
from itembank.admin.filters import DropdownFilter
from itembank.models import Item
from itembank.templatetags.items import excerpt

MOST_COUNTED = 10_000
"""Pairs that a list counts and pages through; a set may have millions, which filters make fewer."""
MOST_ITEMS = 1_000  # that a search for a code may mean
NONE = "none"


class LimitedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than a person would page."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[TruthPair] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[:MOST_COUNTED].count()


class RelevanceFilter(DropdownFilter):
    title = gettext_lazy("relevance")
    parameter_name = "relevance"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(NONE if each is None else str(each), relevance_label(each)) for each in RELEVANCES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TruthPair]) -> QuerySet[TruthPair]:
        chosen = self.value()
        if chosen == NONE:
            return queryset.filter(final_relevance__isnull=True)
        return queryset.filter(final_relevance=int(chosen)) if chosen in {"0", "1", "2", "3"} else queryset


class ApprovalFilter(DropdownFilter):
    title = gettext_lazy("approval")
    parameter_name = "approval"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [
            ("differs", _("Approved otherwise than the method says")),
            ("approved", _("Approved by people")),
            ("open", _("Not approved")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TruthPair]) -> QuerySet[TruthPair]:
        wanted = {
            "differs": Q(approved_relevance__isnull=False) & ~Q(approved_relevance=F("relevance")),
            "approved": Q(approved_relevance__isnull=False),
            "open": Q(approved_relevance__isnull=True),
        }.get(self.value() or "")
        return queryset.filter(wanted) if wanted else queryset


class TruthPairChangeList(BankChangeList):
    def get_results(self, request: HttpRequest) -> None:
        """Without "Show all", which would leave the set."""
        super().get_results(request)
        self.full_result_count = self.result_count


@admin.register(TruthPair)
class TruthPairAdmin(ModelAdmin[TruthPair]):
    pages = "groundtruth"
    list_display = ("query_cell", "item_cell", "final_cell", "method_cell", "approved_cell", "score_cell", "sources")
    list_display_links = ("query_cell", "item_cell")
    list_filter = (SetFilter, RelevanceFilter, ApprovalFilter)
    list_select_related = ("query__item", "item")
    list_filter_submit = True
    search_fields = ("query__item__code", "item__code")
    search_help_text = gettext_lazy("The beginning of the code of a query item or a candidate")
    ordering = ("-final_relevance", "-id")  # the other way through the index of the set
    paginator = LimitedPaginator
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    actions = None
    show_full_result_count = False
    list_before_template = "groundtruth/truth_pairs_head.html"

    class Media:
        css = {"all": ("groundtruth/truth.css",)}

    def has_delete_permission(self, request: HttpRequest, obj: TruthPair | None = None) -> bool:
        return False  # a pair that is wrong gets the relevance 0

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BankChangeList]:
        return TruthPairChangeList

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.relevance_view))
        return [path("<int:pk>/relevance/", view, name="groundtruth_truthpair_relevance"), *super().get_urls()]

    # ---- the list

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Of one set: pairs of several say nothing together."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        truth_set = TruthSet.objects.filter(pk=row_id(request.GET.get("truth_set")) or 0).first()
        if truth_set is None:
            return redirect("admin:groundtruth_truthset_changelist")
        title = _("Pairs of %(set)s") % {"set": truth_set}
        own = {"title": title, "set": truth_set, "most": MOST_COUNTED}
        return super().changelist_view(request, own | (extra_context or {}))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TruthPair], search_term: str
    ) -> tuple[QuerySet[TruthPair], bool]:
        """Items first, whose codes have an index, then their queries and pairs: one after another they use indexes."""
        term = search_term.replace("\x00", "").strip()
        if not term:
            return queryset, False
        items = list(Item.objects.filter(code__startswith=term).values_list("pk", flat=True)[:MOST_ITEMS])
        asked = TruthQuery.objects.filter(truth_set=row_id(request.GET.get("truth_set")) or 0, item__in=items)
        queries = list(asked.values_list("pk", flat=True))
        return queryset.filter(Q(query__in=queries) | Q(item__in=items)), False

    @admin.display(description=gettext_lazy("query item"))
    def query_cell(self, pair: TruthPair) -> SafeString:
        return _item_cell(pair.query.item)

    @admin.display(description=gettext_lazy("candidate"))
    def item_cell(self, pair: TruthPair) -> SafeString:
        return _item_cell(pair.item)

    @admin.display(description=gettext_lazy("relevance"))
    def final_cell(self, pair: TruthPair) -> SafeString:
        value = pair.final_relevance
        return format_html(
            '<span class="ib-badge ib-rel-{}">{}</span>', NONE if value is None else value, relevance_label(value)
        )

    @admin.display(description=gettext_lazy("by the method"))
    def method_cell(self, pair: TruthPair) -> str:
        return _value(pair.relevance)

    @admin.display(description=gettext_lazy("approved"))
    def approved_cell(self, pair: TruthPair) -> str:
        return _value(pair.approved_relevance)

    @admin.display(description=gettext_lazy("score"))
    def score_cell(self, pair: TruthPair) -> str:
        return "–" if pair.score is None else f"{pair.score:.3f}"

    @admin.display(description=gettext_lazy("found by"))
    def sources(self, pair: TruthPair) -> str:
        return ", ".join(pair.provenance) or "–"

    # ---- a pair by hand

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        truth_set = get_object_or_404(TruthSet, pk=_asked_set(request) or 0)
        sent = request.method == "POST"
        form = PairForm(request.POST) if sent else PairForm(initial=request.GET.dict())
        if sent and form.is_valid():
            try:
                pair = add_pair(truth_set=truth_set, **form.cleaned_data, user=person(request))
            except SetError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, _("The pair was added."))
                return redirect(self._next(request, pair))
        context = {"title": _("Add a pair to %(set)s") % {"set": truth_set}, "set": truth_set, "form": form}
        return self._page(request, "truth_pair_add.html", context)

    def _next(self, request: HttpRequest, pair: TruthPair) -> str:
        if "another" not in request.POST:
            return reverse("admin:groundtruth_truthpair_change", args=[pair.pk])
        same = {"truth_set": pair.truth_set_id, "query_item": pair.query.item.code}
        return f"{reverse('admin:groundtruth_truthpair_add')}?{urlencode(same)}"

    # ---- one pair

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_object(request, object_id)
        pair = shown_pair(found.pk) if found else None
        if pair is None:
            raise Http404
        note_seen(pair=pair, user=person(request))
        words, hidden = shown_words(pair, person(request))
        context = {
            "title": f"{pair.query} / {pair.item}",
            "pair": pair,
            "set": pair.truth_set,
            "words": words,
            "hidden": hidden,
            "answers": [(value, Relevance(value).label) for value in (3, 2, 1, 0)],
            "final": relevance_label(pair.final_relevance),
            "may_approve": not pair.truth_set.frozen and request.user.has_perm("groundtruth.change_truthpair"),
            "changes": self._history(request, pair),
        }
        return self._page(request, "truth_pair.html", context)

    def _history(self, request: HttpRequest, pair: TruthPair) -> list[dict[str, Any]] | None:
        if not request.user.has_perm("groundtruth.view_change"):
            return None
        return told(pair.changes.select_related("user"))

    def relevance_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not request.user.has_perm("groundtruth.change_truthpair"):
            raise PermissionDenied
        pair = get_object_or_404(TruthPair.objects.select_related("truth_set"), pk=pk)
        written = request.POST.get("relevance", "")
        try:
            if written not in {"", "0", "1", "2", "3"}:
                raise SetError(_("The relevance is a whole number from 0 to 3."))
            set_relevance(pair=pair, relevance=int(written) if written else None, user=person(request))
            messages.success(
                request, _("The relevance was approved.") if written else _("The approval was taken back.")
            )
        except SetError as error:
            messages.error(request, str(error))
        return redirect("admin:groundtruth_truthpair_change", pk)


def _asked_set(request: HttpRequest) -> int | None:
    """By the address, or by that of the list from which the person came."""
    before = QueryDict(request.GET.get("_changelist_filters", ""))
    return row_id(request.GET.get("truth_set") or before.get("truth_set"))


def _item_cell(item: Item) -> SafeString:
    return format_html(
        '<b class="ib-nowrap">{}</b><span class="ib-excerpt ib-small ib-quiet">{}</span>', item.code,
        excerpt(item.text, 70),
    )  # fmt: skip


def _value(relevance: int | None) -> str:
    return "–" if relevance is None else str(relevance)
