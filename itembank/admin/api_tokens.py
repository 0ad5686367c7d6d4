"""Tokens of programs that call the API, and what these did. A secret is shown once, on the page that makes it."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from itembank.admin.base import BankChangeList, ModelAdmin, person
from itembank.api.scopes import LABELS, scopes_of
from itembank.models import ApiCall, ApiToken
from itembank.tokens import make_token, revoke_token

if TYPE_CHECKING:
    from django.forms import CheckboxSelectMultiple, NumberInput, TextInput
else:
    from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget as CheckboxSelectMultiple
    from unfold.widgets import UnfoldAdminIntegerFieldWidget as NumberInput
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput

DAYS, MOST_DAYS = 365, 3_650


class TokenForm(forms.Form):
    """Who makes a token can give it no more than is allowed to themselves."""

    client = forms.CharField(
        label=gettext_lazy("client"),
        max_length=100,
        widget=TextInput(attrs={"autofocus": True, "autocomplete": "off"}),
        help_text=gettext_lazy("The program that will call. Its tokens share the number of calls in a minute."),
    )
    scopes = forms.MultipleChoiceField(label=gettext_lazy("scopes"), widget=CheckboxSelectMultiple)
    days = forms.IntegerField(
        label=gettext_lazy("valid for (days)"), min_value=1, max_value=MOST_DAYS, initial=DAYS, widget=NumberInput
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        held = scopes_of(request.user)
        field = self.fields["scopes"]
        field.choices = [(scope.value, label) for scope, label in LABELS.items() if scope in held]  # type: ignore[attr-defined]


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin[ApiToken]):
    list_display = ("client", "prefix", "scope_list", "state_badge", "last_used_at", "expires_at", "created_by")
    list_display_links = ("client",)
    list_select_related = ("created_by",)
    search_fields = ("client", "prefix")
    fields = (
        "client", "prefix", "scope_list", "state_badge", "created_by", "created_at", "last_used_at", "expires_at",
        "revoked_at",
    )  # fmt: skip
    readonly_fields = ("scope_list", "state_badge")
    actions = ("revoke",)
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BankChangeList]:
        return BankChangeList

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False  # another right is another token

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("itembank.change_apitoken")

    @admin.action(description=gettext_lazy("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        count = sum(revoke_token(token=token) for token in queryset)
        messages.success(request, _("Tokens revoked: %(count)s.") % {"count": count})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return never_cache(self._make)(request)

    def _make(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = TokenForm(request.POST or None, request=request)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("New API token"),
            "form": form,
        }
        if form.is_valid():
            data = form.cleaned_data
            expires_at = timezone.now() + timedelta(days=data["days"])
            context["token"], context["secret"] = make_token(
                client=data["client"], scopes=data["scopes"], user=person(request), expires_at=expires_at
            )
            self.log_addition(request, context["token"], [{"added": {}}])
        return TemplateResponse(request, "admin/itembank/apitoken/make.html", context)

    @admin.display(description=gettext_lazy("scopes"))
    def scope_list(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, token: ApiToken) -> SafeString:
        look, label = ("ib-good", _("Valid"))
        if token.revoked_at:
            look, label = ("ib-bad", _("Revoked"))
        elif token.expired:
            look, label = ("", _("Expired"))
        return format_html('<span class="ib-badge {}">{}</span>', look, label)


@admin.register(ApiCall)
class ApiCallAdmin(ModelAdmin[ApiCall]):
    list_display = ("at", "caller", "token", "method", "path", "status")
    list_display_links = ("at",)
    list_select_related = ("token",)
    search_fields = ("caller", "path")
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BankChangeList]:
        return BankChangeList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiCall | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiCall | None = None) -> bool:
        return False
