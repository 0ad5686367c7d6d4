"""A truth set out of thumbs: choose them, see what the set would hold and what is left out, then make it."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from embeddings.feedback import SEES_ALL
from groundtruth.admin.from_marks_form import ChoiceForm
from groundtruth.admin.truth_forms import NameForm
from groundtruth.from_marks import Plan, make_from_marks, planned
from groundtruth.models import TruthSet
from groundtruth.set_services import SetError
from itembank.admin.base import person

FIRST = {"up": "2", "down": "0", "rule": "majority"}


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("groundtruth.add_truthset", raise_exception=True)
def from_marks_page(request: HttpRequest) -> HttpResponse:
    """GET counts what a set of the chosen thumbs would hold; POST makes it."""
    viewer = person(request)
    sent = request.method == "POST"
    given = _given(request)
    form = ChoiceForm(given, viewer=viewer)
    naming = NameForm(request.POST) if sent else NameForm()
    plan = _plan(form, viewer)
    if sent and plan and naming.is_valid() and (made := _made(form, naming, viewer)):
        return redirect("admin:groundtruth_truthset_change", made.pk)
    chosen = [(name, value) for name, values in given.lists() if name in form.fields for value in values]
    context = _context(request, form, plan) | {"naming": naming, "chosen": chosen}
    return TemplateResponse(request, "groundtruth/from_marks.html", context)


def _given(request: HttpRequest) -> QueryDict:
    """What was chosen, and for the rest what the page begins with."""
    given = (request.POST if request.method == "POST" else request.GET).copy()
    for name, value in FIRST.items():
        given.setdefault(name, value)
    return given


def _plan(form: ChoiceForm, viewer: User) -> Plan | None:
    if not form.is_valid():
        return None
    try:
        return planned(form.choice(), viewer)
    except SetError as error:
        form.add_error(None, str(error))
        return None


def _made(form: ChoiceForm, naming: NameForm, viewer: User) -> TruthSet | None:
    try:
        return make_from_marks(name=naming.cleaned_data["name"], choice=form.choice(), viewer=viewer, user=viewer)
    except SetError as error:
        naming.add_error(None, str(error))
        return None


def _context(request: HttpRequest, form: ChoiceForm, plan: Plan | None) -> dict[str, Any]:
    return admin.site.each_context(request) | {
        "title": _("Truth set of thumbs"),
        "form": form,
        "plan": plan,
        "sees_all": person(request).has_perm(SEES_ALL),
    }
