"""The button that hands the unjudged results of a run to people or to a judge job."""

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from evaluation.admin.words import State, number
from evaluation.models import EvaluationRun
from evaluation.run_settings import EvaluationError
from evaluation.unjudged import send_to_judge, send_to_review
from groundtruth.judging.parameters import JudgeError
from groundtruth.set_services import SetError
from itembank.admin.base import person

NEEDED = {
    "review": ("groundtruth.add_truthset", "groundtruth.add_reviewround"),
    "judge": ("groundtruth.add_truthset", "groundtruth.add_judgejob"),
}
DEPTH = 10


def may_send(user: User) -> list[str]:
    """Where this person may send the unjudged to. A frozen truth gets them in a new version, so that is asked for."""
    return [target for target, needed in NEEDED.items() if user.has_perms(needed)]


def send_view(request: HttpRequest, pk: int) -> HttpResponse:
    target = request.POST.get("to", "")
    if target not in NEEDED:
        raise Http404
    if not request.user.has_perm("evaluation.view_evaluationrun") or target not in may_send(person(request)):
        raise PermissionDenied
    run = get_object_or_404(EvaluationRun.objects.select_related("truth_set"), pk=pk, state=State.COMPLETED)
    try:
        return _sent(request, run, target, number(request.POST.get("k"), DEPTH, most=100))
    except (EvaluationError, SetError, JudgeError) as error:
        messages.error(request, str(error))
        return redirect("admin:evaluation_evaluationrun_change", pk)


def _sent(request: HttpRequest, run: EvaluationRun, target: str, k: int) -> HttpResponse:
    user = person(request)
    if target == "review":
        made = send_to_review(run=run, k=k, user=user)
        told = _("%(n)s pairs of “%(truth)s” wait for review.")
        messages.success(request, told % {"n": made.pairs.count(), "truth": made.truth_set})
        return redirect("admin:groundtruth_reviewround_change", made.pk)
    job = send_to_judge(run=run, k=k, user=user)
    messages.success(request, _("The judge job is planned. Nothing is paid before somebody confirms its price."))
    return redirect("admin:groundtruth_judgejob_change", job.pk)
