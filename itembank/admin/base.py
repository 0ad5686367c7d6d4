"""The base of the admin's pages: unfold's look, Django's types, lists that count once, and pages of our own."""

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as BaseModelAdmin
    from django.contrib.admin import TabularInline
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.admin import ModelAdmin as BaseModelAdmin
    from unfold.admin import TabularInline
    from unfold.views import ChangeList

__all__ = ["BankChangeList", "ModelAdmin", "TabularInline", "person", "row_id"]

M = TypeVar("M", bound=Model)
ID_DIGITS = 18  # of any bigint


class BankChangeList(ChangeList):
    """A list that counts once. Unfiltered, what it counted is the total, and unfold's "Show all" falls away."""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Raises IncorrectLookupParameters, which the admin answers with the whole list."""
        asked: dict[str, Any] = super().get_filters_params(params)
        # The database takes no NUL; a range needs two values, of which an address gives one.
        if any(name.endswith("__range") or "\x00" in value for name, values in asked.items() for value in values):
            raise IncorrectLookupParameters
        return asked

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


class ModelAdmin(BaseModelAdmin[M]):
    pages: ClassVar[str] = ""
    """The folder of templates of an admin that has pages of its own."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BankChangeList]:
        return BankChangeList

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        """The admin's frame around a template of `pages`."""
        request.current_app = self.admin_site.name
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return TemplateResponse(request, f"{self.pages}/{template}", frame | context)


def person(request: HttpRequest) -> User:
    """Who is at the page; the admin lets nobody in who is not signed in."""
    return cast(User, request.user)


def row_id(written: object) -> int | None:
    """The id that an address names. None for anything that is no id, such as more digits than the database takes."""
    text = str(written or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= ID_DIGITS else None
