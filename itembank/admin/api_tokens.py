"""Tokens of programs that call the API, and what these did. A secret is shown once, on the page that makes it."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from itembank.admin.base import ModelAdmin, person
from itembank.api.access import client_key
from itembank.api.scopes import LABELS, Scope, scopes_of
from itembank.api.throttle import calls_now
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
        field.choices = [  # type: ignore[attr-defined]
            (scope.value, _described(scope)) for scope in LABELS if scope in held
        ]


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin[ApiToken]):
    list_display = ("client", "prefix", "scope_list", "state_badge", "last_used_at", "expires_at", "maker")
    list_display_links = ("client",)
    list_select_related = ("created_by",)
    search_fields = ("client", "prefix")
    fields = (
        "client", "prefix", "scopes_described", "state_badge", "maker", "created_at", "last_used_at", "expires_at",
        "revoked_at", "calls_this_minute", "calls_on_record",
    )  # fmt: skip
    readonly_fields = ("scopes_described", "state_badge", "maker", "calls_this_minute", "calls_on_record")
    list_before_template = "admin/itembank/apitoken/rate.html"
    change_form_outer_before_template = "admin/itembank/apitoken/revoke.html"
    actions = ("revoke",)
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False  # another right is another token

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("itembank.change_apitoken")

    @admin.action(description=gettext_lazy("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        revoked = [token for token in queryset if revoke_token(token=token)]
        for token in revoked:
            self.log_change(request, token, [{"changed": {"fields": ["revoked_at"]}}])
        messages.success(request, _("Tokens revoked: %(count)s.") % {"count": len(revoked)})

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        rate = {"most_calls": settings.API_CALLS_PER_MINUTE}
        return super().changelist_view(request, rate | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may = {"may_revoke": self.has_revoke_permission(request)}
        return super().change_view(request, object_id, form_url, may | (extra_context or {}))

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

    @admin.display(description=gettext_lazy("scopes"))
    def scopes_described(self, token: ApiToken) -> SafeString:
        return format_html_join(mark_safe("<br>"), "{}", ((_described(scope),) for scope in token.scopes))

    @admin.display(description=gettext_lazy("made by"), ordering="created_by")
    def maker(self, token: ApiToken) -> str:
        """Not as a link: who sees tokens need not see accounts."""
        return _name(token.created_by)

    @admin.display(description=gettext_lazy("calls in this minute"))
    def calls_this_minute(self, token: ApiToken) -> str:
        """Of the client, whose tokens share them."""
        count = calls_now(client_key(token.client))
        return "–" if count is None else f"{count} / {settings.API_CALLS_PER_MINUTE}"

    @admin.display(description=gettext_lazy("calls on record"))
    def calls_on_record(self, token: ApiToken) -> SafeString:
        address = f"{reverse('admin:itembank_apicall_changelist')}?{urlencode({'token': token.pk})}"
        return format_html('<a class="ib-link" href="{}">{}</a>', address, token.calls.count())

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
    list_display = ("at", "caller", "token", "method", "path", "answered")
    list_display_links = ("at",)
    list_select_related = ("token",)
    fields = readonly_fields = ("at", "caller", "token", "who", "method", "path", "answered")
    list_before_template = "admin/itembank/apicall/recorded.html"
    search_fields = ("caller", "path")
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiCall | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiCall | None = None) -> bool:
        return False

    @admin.display(description=gettext_lazy("status of the answer"))
    def answered(self, call: ApiCall) -> int:
        return call.status

    @admin.display(description=gettext_lazy("user"))
    def who(self, call: ApiCall) -> str:
        return _name(call.user)


def _described(scope: str) -> str:
    """In words, and as programs name it. One that is no more, which an old token may have, by its name alone."""
    known = LABELS.get(Scope(scope)) if scope in set(Scope) else None
    return f"{known} ({scope})" if known else scope


def _name(user: User | None) -> str:
    return user.get_full_name() or user.get_username() if user else "–"
