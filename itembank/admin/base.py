"""The base of the admin's pages: unfold's look, Django's types."""

from typing import TYPE_CHECKING, cast

from django.contrib.auth.models import User
from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, TabularInline
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.views import ChangeList

__all__ = ["BankChangeList", "ModelAdmin", "TabularInline", "person"]


class BankChangeList(ChangeList):
    """A list that counts once. Unfiltered, what it counted is the total, and unfold's "Show all" falls away."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


def person(request: HttpRequest) -> User:
    """Who is at the page; the admin lets nobody in who is not signed in."""
    return cast(User, request.user)
