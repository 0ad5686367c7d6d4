"""The form of a new round of review."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from groundtruth.models import Relevance, ReviewRound, TruthSet
from groundtruth.review_rounds import NAME_LENGTH

INPUT = {"class": "ib-input"}
SELECT = {"class": "ib-select"}
UNJUDGED = "none"


class RoundForm(forms.Form):
    """Which pairs, in which order, by how many. `given()` is what create_round takes."""

    truth_set = forms.ModelChoiceField(
        TruthSet.objects.filter(state=TruthSet.State.READY, frozen_at=None),
        label=_("truth set"),
        widget=forms.Select(attrs=SELECT),
    )
    name = forms.CharField(label=_("name"), max_length=NAME_LENGTH, widget=forms.TextInput(attrs=INPUT))
    relevances = forms.MultipleChoiceField(
        label=_("pairs with relevance"),
        widget=forms.CheckboxSelectMultiple,
    )
    order = forms.ChoiceField(label=_("order"), choices=ReviewRound.Order.choices, widget=forms.Select(attrs=SELECT))
    limit = forms.IntegerField(
        label=_("at most so many pairs"),
        min_value=1,
        required=False,
        help_text=_("The first ones of the order. Empty: all."),
        widget=forms.NumberInput(attrs=INPUT),
    )
    reviewers_a_pair = forms.TypedChoiceField(
        label=_("reviewers for each pair"), choices=[(1, "1"), (2, "2")], coerce=int, widget=forms.Select(attrs=SELECT),
        help_text=_("Where two disagree, the pair goes to a third."),
    )  # fmt: skip
    show_judgement = forms.BooleanField(label=_("show the model's judgement at once"), required=False)
    seed = forms.IntegerField(
        label=_("seed"), min_value=0, max_value=2**31 - 1, initial=1, widget=forms.NumberInput(attrs=INPUT)
    )

    def __init__(self, data: Any = None, initial: dict[str, Any] | None = None) -> None:
        everything = [*map(str, Relevance.values), UNJUDGED]
        super().__init__(data, initial={"relevances": everything} | (initial or {}))
        choices = [(str(relevance), f"{relevance} · {relevance.label}") for relevance in sorted(Relevance)]
        self.fields["relevances"].choices = [*choices, (UNJUDGED, _("not judged yet"))]  # type: ignore[attr-defined]

    def given(self) -> dict[str, Any]:
        chosen = self.cleaned_data["relevances"]
        relevances = [None if value == UNJUDGED else int(value) for value in chosen]
        return self.cleaned_data | {"relevances": relevances}
