"""Pages of ours within the admin: its frame, around a template of this app."""

from typing import Any, TypeVar

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from itembank.admin.base import ModelAdmin

M = TypeVar("M", bound=Model)


class OwnPagesAdmin(ModelAdmin[M]):
    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        common = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return TemplateResponse(request, f"groundtruth/{template}", {**common, **context})
