"""The forms of judging: a new job, a trial, a new version of a prompt, limits."""

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from groundtruth.judging.parameters import JudgeError, JudgeParameters
from groundtruth.models import JudgeJob, ModelPrice, Prompt, TruthSet

INPUT = {"class": "ib-input"}
SELECT = {"class": "ib-select"}
DEFAULTS = JudgeParameters()
DEFAULT_MODELS = {Prompt.Kind.LISTWISE: "gpt-4o-mini", Prompt.Kind.PAIRWISE: "gpt-4o"}
Label = Any  # text, translated when it is shown


def _whole(label: Label, value: int, help_text: Label = "") -> forms.IntegerField:
    return forms.IntegerField(label=label, initial=value, help_text=help_text, widget=forms.NumberInput(attrs=INPUT))


def _share(label: Label, value: float, help_text: Label = "") -> forms.FloatField:
    widget = forms.NumberInput(attrs=INPUT | {"step": "0.05"})
    return forms.FloatField(label=label, initial=value, help_text=help_text, widget=widget)


def cap_field(**options: Any) -> forms.DecimalField:
    widget = forms.NumberInput(attrs=INPUT | {"step": "any", "min": "0"})
    return forms.DecimalField(
        label=_("limit, $"), min_value=Decimal(0), max_digits=16, decimal_places=8, widget=widget, **options
    )


class AskForm(forms.Form):
    """Which set is asked about, and which model."""

    truth_set = forms.ModelChoiceField(
        TruthSet.objects.none(), label=_("truth set"), widget=forms.Select(attrs=SELECT), empty_label=None
    )
    model = forms.ChoiceField(
        label=_("model"), initial=DEFAULT_MODELS[Prompt.Kind.LISTWISE], widget=forms.Select(attrs=SELECT)
    )

    def __init__(self, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        open_sets = TruthSet.objects.filter(frozen_at=None, state=TruthSet.State.READY)
        self.fields["truth_set"].queryset = open_sets  # type: ignore[attr-defined]
        priced = ModelPrice.objects.values_list("model", flat=True)
        self.fields["model"].choices = [(model, model) for model in priced]  # type: ignore[attr-defined]


class JudgeJobForm(AskForm):
    """A new job; `cleaned_data["parameters"]` are its JudgeParameters."""

    prompt = forms.ModelChoiceField(
        Prompt.objects.all(), label=_("prompt"), widget=forms.Select(attrs=SELECT), empty_label=None
    )
    mode = forms.ChoiceField(label=_("mode"), choices=JudgeJob.Mode, widget=forms.Select(attrs=SELECT))
    cap_usd = cap_field(required=False, help_text=_("Empty: the highest cost. The job pauses where it is reached."))
    candidates = _whole(_("candidates in a list"), DEFAULTS.candidates)
    both_orders_share = _share(
        _("share asked in both orders"),
        DEFAULTS.both_orders_share,
        _("A sample that shows whether the model is consistent."),
    )
    temperature = _share(_("temperature"), DEFAULTS.temperature)
    max_output_tokens = _whole(_("longest answer (tokens)"), DEFAULTS.max_output_tokens)
    max_image_side = _whole(_("longest image side (pixels)"), DEFAULTS.max_image_side)
    seed = _whole(_("seed"), DEFAULTS.seed)
    concurrency = _whole(_("requests at once"), DEFAULTS.concurrency)

    field_order = ("truth_set", "prompt", "model", "mode", "cap_usd")

    SETTINGS = (
        "candidates", "both_orders_share", "temperature", "max_output_tokens", "max_image_side", "seed", "concurrency",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        try:
            cleaned["parameters"] = JudgeParameters(
                **{name: cleaned.pop(name) for name in self.SETTINGS if name in cleaned}
            )
        except JudgeError as error:
            self.add_error(None, str(error))
        return cleaned


class TrialForm(AskForm):
    seed = _whole(_("seed"), DEFAULTS.seed, _("Another seed draws other pairs."))

    field_order = ("truth_set", "model", "seed")


class CapForm(forms.Form):
    cap_usd = cap_field()


class PromptForm(forms.Form):
    """A new version. What it says of the answer's form is the program's; only the judging is told here."""

    kind = forms.ChoiceField(label=_("kind"), choices=Prompt.Kind, widget=forms.Select(attrs=SELECT))
    instructions = forms.CharField(label=_("instructions"), widget=forms.Textarea(attrs=INPUT | {"rows": 18}))
    note = forms.CharField(label=_("what changed"), max_length=200, required=False, widget=forms.TextInput(attrs=INPUT))
