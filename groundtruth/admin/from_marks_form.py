"""The form of a truth set out of thumbs."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from embeddings.feedback import marks_seen_by
from groundtruth.admin.truth_forms import INPUT, SELECT, _relevances
from groundtruth.from_marks import Choice
from itembank.bank import filter_options

RULE_CHOICES = [
    ("majority", _("What most say; as many of each are left out")),
    ("unanimous", _("Only what all agree on; the rest is left out")),
    ("newest", _("What was said last")),
]


class ChoiceForm(forms.Form):
    """Which thumbs, and what they mean. `choice()` raises SetError."""

    people = forms.ModelMultipleChoiceField(
        User.objects.none(), label=_("thumbs of"), required=False, widget=forms.CheckboxSelectMultiple,
        help_text=_("None chosen: everybody's."),
    )  # fmt: skip
    since = forms.DateField(
        label=_("thumbs since"), required=False, help_text=_("Empty: from the beginning."),
        widget=forms.DateInput(attrs=INPUT | {"type": "date"}, format="%Y-%m-%d"),
    )  # fmt: skip
    subject = forms.ChoiceField(label=_("subject"), required=False, widget=forms.Select(attrs=SELECT))
    up = forms.TypedChoiceField(
        label=_("a thumb up means"),
        coerce=int,
        initial=2,
        choices=_relevances(1, 2, 3),
        widget=forms.Select(attrs=SELECT),
    )
    down = forms.TypedChoiceField(
        label=_("a thumb down means"),
        coerce=int,
        initial=0,
        choices=_relevances(0, 1),
        widget=forms.Select(attrs=SELECT),
    )
    rule = forms.ChoiceField(
        label=_("where people disagree"), choices=RULE_CHOICES, initial="majority", widget=forms.Select(attrs=SELECT)
    )

    def __init__(self, data: Any = None, *, viewer: User) -> None:
        super().__init__(data)
        people = User.objects.filter(pk__in=marks_seen_by(viewer).order_by().values("user")).order_by("username")
        self.fields["people"].queryset = people  # type: ignore[attr-defined]
        self.fields["people"].label_from_instance = _called  # type: ignore[attr-defined]
        subjects = [(subject, subject) for subject in filter_options().subject]
        self.fields["subject"].choices = [("", _("All")), *subjects]  # type: ignore[attr-defined]

    def choice(self) -> Choice:
        given = self.cleaned_data
        return Choice(
            people=tuple(person.pk for person in given["people"]),
            since=given["since"],
            subjects=(given["subject"],) if given["subject"] else (),
            up=given["up"],
            down=given["down"],
            rule=given["rule"],
        )


def _called(user: User) -> str:
    return user.get_full_name() or user.get_username()
