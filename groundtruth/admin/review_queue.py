"""Where people judge: two items side by side. With a script the next pair is there at once; without, by plain forms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from groundtruth import review_services as services
from groundtruth.models import Judgement, Relevance, ReviewPair, ReviewRound
from groundtruth.review_selectors import model_words, own_words, round_progress, seen_pairs, shown_pairs
from groundtruth.set_services import SetError
from itembank.admin.base import person, row_id

PERMISSION = services.PERMISSION
CONFLICT = 409
MAX_COMMENT = 10_000

reviewers_only = permission_required(PERMISSION, raise_exception=True)


@dataclass(frozen=True, slots=True)
class Card:
    """A pair as the page shows it. `words` are the models', None while the person has not asked for them."""

    review: ReviewPair
    own: Judgement | None
    words: list[Judgement] | None


@reviewers_only
def review_page(request: HttpRequest, pk: int) -> HttpResponse:
    """The next pair with those behind it; `?pair=` puts one of the round first."""
    review_round = _round(pk)
    user = person(request)
    chosen = _chosen(review_round, request.GET.get("pair", ""))
    dealt = services.deal(review_round=review_round, user=user)
    cards = _cards(chosen + [review for review in dealt if review not in chosen], review_round, user)
    context = admin.site.each_context(request) | {
        "title": review_round.name,
        "opts": ReviewRound._meta,
        "original": review_round,
        "round": review_round,
        "closed": bool(review_round.closed_at) or review_round.truth_set.frozen,
        "progress": round_progress(review_round, user),
        "card": cards[0] if cards else None,
        "ahead": cards[1:],
        "elsewhere": services.elsewhere(review_round=review_round, user=user),
        "relevances": list(reversed(Relevance)),
    }
    return TemplateResponse(request, "groundtruth/review.html", context)


@reviewers_only
def judge_view(request: HttpRequest, pk: int) -> HttpResponse:
    """What the person says of a pair; the answer holds pairs that the page does not have yet."""
    review_round = _round(pk)
    answer = request.POST.get("answer", "")
    if answer not in services.ANSWERS:
        return HttpResponseBadRequest("answer")
    review = get_object_or_404(review_round.pairs, pk=row_id(request.POST.get("pair")))
    comment = request.POST.get("comment", "")[:MAX_COMMENT]
    try:
        services.judge(review=review, user=person(request), answer=answer, comment=comment)
    except SetError as error:
        return _refusal(request, review_round, error)
    return _next(request, review_round)


@reviewers_only
def undo_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Takes back the person's last word in the round; its pair comes first again."""
    review_round = _round(pk)
    try:
        review = services.take_back(review_round=review_round, user=person(request))
    except SetError as error:
        return _refusal(request, review_round, error)
    return _next(request, review_round, review)


@reviewers_only
def reveal_view(request: HttpRequest, pk: int) -> HttpResponse:
    """The model's judgement of a pair, for a person who asks for it."""
    review_round = _round(pk)
    review = get_object_or_404(review_round.pairs.select_related("pair"), pk=row_id(request.POST.get("pair")))
    services.show_judgement(review=review, user=person(request))
    if not _by_script(request):
        return redirect(f"{_address(review_round)}?pair={review.pk}")
    card = Card(shown_pairs([review])[0], None, model_words(review.pair))
    return JsonResponse({"html": render_to_string("groundtruth/review_judgement.html", {"card": card})})


# ---- answers


def _next(request: HttpRequest, review_round: ReviewRound, first: ReviewPair | None = None) -> HttpResponse:
    if not _by_script(request):
        return redirect(_address(review_round) + (f"?pair={first.pk}" if first else ""))
    user = person(request)
    held = set(request.POST.get("held", "").split(","))
    dealt = services.deal(review_round=review_round, user=user)
    missing = [review for review in dealt if str(review.pk) not in held and review != first]
    cards = _cards(([first] if first else []) + missing, review_round, user)
    answer = _standing(review_round, user) | {"pairs": [_sent(card, request) for card in cards]}
    if not dealt and first is None:
        answer["end"] = _end(review_round, user)
    return JsonResponse(answer)


def _sent(card: Card, request: HttpRequest) -> dict[str, Any]:
    return {"id": card.review.pk, "html": render_to_string("groundtruth/review_pair.html", {"card": card}, request)}


def _standing(review_round: ReviewRound, user: User) -> dict[str, Any]:
    progress = round_progress(review_round, user)
    return {
        "progress": {
            "settled": progress.settled,
            "disputed": progress.disputed,
            "mine": progress.mine,
            "percent": progress.percent,
        }
    }


def _end(review_round: ReviewRound, user: User) -> SafeString:
    context = {
        "round": review_round,
        "progress": round_progress(review_round, user),
        "elsewhere": services.elsewhere(review_round=review_round, user=user),
    }
    return render_to_string("groundtruth/review_end.html", context)


def _refusal(request: HttpRequest, review_round: ReviewRound, error: SetError) -> HttpResponse:
    if _by_script(request):
        return JsonResponse({"error": str(error)}, status=CONFLICT)
    messages.error(request, str(error))
    return redirect(_address(review_round))


def _by_script(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")


# ---- reading


def _round(pk: int) -> ReviewRound:
    return get_object_or_404(ReviewRound.objects.select_related("truth_set"), pk=pk)


def _address(review_round: ReviewRound) -> str:
    return reverse("admin:groundtruth_reviewround_review", args=[review_round.pk])


def _chosen(review_round: ReviewRound, written: str) -> list[ReviewPair]:
    return shown_pairs(review_round.pairs.filter(pk=row_id(written) or 0))


def _cards(reviews: Sequence[ReviewPair], review_round: ReviewRound, user: User) -> list[Card]:
    """Whoever asked for the model's judgement, or judged the pair, sees it; others where the round shows it."""
    own, seen = own_words(reviews, user), seen_pairs(reviews, user)
    said = {pair for pair, judgement in own.items() if judgement.outcome == Judgement.Outcome.JUDGED}
    return [
        Card(review, own.get(review.pair_id), model_words(review.pair) if shown else None)
        for review in reviews
        for shown in [review_round.show_judgement or review.pair_id in seen | said]
    ]
