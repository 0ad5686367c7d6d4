"""The base of the admin's pages: unfold's look, Django's types."""

from typing import TYPE_CHECKING, cast

from django.contrib.auth.models import User
from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, TabularInline
else:
    from unfold.admin import ModelAdmin, TabularInline

__all__ = ["ModelAdmin", "TabularInline", "person"]


def person(request: HttpRequest) -> User:
    """Who is at the page; the admin lets nobody in who is not signed in."""
    return cast(User, request.user)
