"""The forms of evaluation runs: one run, a matrix of them."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from embeddings.models import Encoder, Reranker
from embeddings.search.dense import has_vectors
from evaluation.admin.words import CORPUS_NAMES, METHOD_NAMES, SCOPE_NAMES, VIEW_NAMES
from evaluation.matrix import ALPHAS, SCENARIOS, Matrix
from evaluation.run_settings import EvaluationError, RunSettings
from groundtruth.models import TruthSet

INPUT = {"class": "ib-input"}
SELECT = {"class": "ib-select"}
DEFAULTS = RunSettings(method="lexical")
OWN = "own"
FREEZE = "groundtruth.freeze_truthset"
FREEZES = _("Evaluating freezes the truth set: nothing in it can be changed afterwards, only in a new version.")


def encoder_choices() -> list[tuple[str, str]]:
    """The encoders that have vectors."""
    return [(each.slug, each.title) for each in Encoder.objects.order_by("slug") if has_vectors(each)]


def reranker_choices() -> list[tuple[str, str]]:
    return [("", gettext("without")), *((each.slug, each.title) for each in Reranker.objects.order_by("slug"))]


def _number(label: Any, initial: float, help_text: Any = "", step: str = "1", **options: Any) -> forms.FloatField:
    widget = forms.NumberInput(attrs=INPUT | {"step": step})
    return forms.FloatField(label=label, initial=initial, help_text=help_text, widget=widget, **options)


def _whole(label: Any, initial: int, help_text: Any = "") -> forms.IntegerField:
    return forms.IntegerField(label=label, initial=initial, help_text=help_text, widget=forms.NumberInput(attrs=INPUT))


def _choice(label: Any, choices: Any = (), **options: Any) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=choices, widget=forms.Select(attrs=SELECT), **options)


class SharedForm(forms.Form):
    """What one run and a matrix have in common; `user` is who would freeze the truth."""

    name = forms.CharField(label=_("name"), max_length=100, required=False, widget=forms.TextInput(attrs=INPUT))
    scope = _choice(
        _("scope"), SCOPE_NAMES.items(), help_text=_("The whole bank is harder: more items can come first.")
    )
    depth = _whole(_("results kept for a query"), DEFAULTS.depth)
    rerank_top = _whole(_("results that are reranked"), DEFAULTS.rerank_top)
    rerank_threshold = _number(
        _("least score of the reranker"), DEFAULTS.rerank_threshold, _("0 keeps them all."), step="0.05"
    )

    def __init__(self, data: Any = None, *, user: User, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        self._user = user
        ready = TruthSet.objects.filter(state=TruthSet.State.READY)
        for name in ("truth_set", "truth_sets"):
            if name in self.fields:
                self.fields[name].queryset = ready  # type: ignore[attr-defined]
        self._offer("encoders", encoder_choices())
        for name in ("reranker", "rerankers"):
            self._offer(name, reranker_choices())

    @property
    def has_truths(self) -> bool:
        return TruthSet.objects.filter(state=TruthSet.State.READY).exists()

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        if name in self.fields:
            self.fields[name].choices = choices  # type: ignore[attr-defined]

    def _refuse_freezing(self, field: str, *truth_sets: TruthSet) -> None:
        if not self._user.has_perm(FREEZE) and (thawed := [each for each in truth_sets if not each.frozen]):
            message = gettext("“%(truth)s” is not frozen yet, and you have no permission to freeze truth sets.")
            self.add_error(field, message % {"truth": ", ".join(map(str, thawed))})


class RunForm(SharedForm):
    """One run; `cleaned_data["settings"]` are its RunSettings."""

    truth_set = forms.ModelChoiceField(
        TruthSet.objects.none(), label=_("truth set"), widget=forms.Select(attrs=SELECT), help_text=FREEZES,
        empty_label=None,
    )  # fmt: skip
    scenario = _choice(_("scenario"), [*((each.key, each.title) for each in SCENARIOS), (OWN, _("as chosen below"))])
    query_view = _choice(_("asked of the query item"), VIEW_NAMES.items())
    corpus = _choice(_("kind of items searched"), CORPUS_NAMES.items())
    method = _choice(_("method"), METHOD_NAMES.items())
    encoders = forms.MultipleChoiceField(
        label=_("encoders"), required=False, widget=forms.CheckboxSelectMultiple,
        help_text=_("None for words alone, two or more for an ensemble, else one. Those with vectors are listed."),
    )  # fmt: skip
    alpha = _number(_("share of the vectors in a hybrid (alpha)"), DEFAULTS.alpha, step="0.1")
    weights = forms.CharField(
        label=_("weights of an ensemble"), required=False, widget=forms.TextInput(attrs=INPUT),
        help_text=_("One for each encoder in the order above, such as “0.7, 0.3”. Empty: all the same."),
    )  # fmt: skip
    reranker = _choice(_("reranker"), required=False)

    field_order = (
        "truth_set", "scenario", "query_view", "corpus", "scope", "name", "method", "encoders", "alpha", "weights",
        "reranker", "rerank_top", "rerank_threshold", "depth",
    )  # fmt: skip
    SEND = _("Start the run")
    WHAT = ("truth_set", "scenario", "query_view", "corpus", "scope", "name")

    def __init__(self, data: Any = None, *, user: User, initial: Any = None) -> None:
        super().__init__(data, user=user, initial={"scenario": "both-both", **(initial or {})})

    def clean_weights(self) -> tuple[float, ...]:
        try:
            return tuple(float(part) for part in self.cleaned_data["weights"].split(",") if part.strip())
        except ValueError:
            raise forms.ValidationError(
                gettext("Weights are numbers with commas between them, such as “0.7, 0.3”.")
            ) from None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        self._refuse_freezing("truth_set", cleaned["truth_set"])
        try:
            cleaned["settings"] = self._settings(cleaned)
        except EvaluationError as error:
            self.add_error(None, str(error))
        return cleaned

    def _settings(self, cleaned: dict[str, Any]) -> RunSettings:
        scenario = next((each for each in SCENARIOS if each.key == cleaned["scenario"]), None)
        lexical, ensemble = cleaned["method"] == "lexical", cleaned["method"] == "ensemble"
        return RunSettings(
            scope=cleaned["scope"],
            method=cleaned["method"],
            encoders=() if lexical else tuple(cleaned["encoders"]),
            weights=cleaned["weights"] if ensemble else (),
            alpha=cleaned["alpha"] if cleaned["method"] == "hybrid" else DEFAULTS.alpha,
            query_view=scenario.query_view if scenario else cleaned["query_view"],
            corpus=scenario.corpus if scenario else cleaned["corpus"],
            depth=cleaned["depth"],
            **reranking(cleaned, cleaned["reranker"]),
        )


def reranking(cleaned: dict[str, Any], reranker: str) -> dict[str, Any]:
    """The settings of a reranker; the defaults without one, so that equal runs have equal settings."""
    if not reranker:
        return {}
    return {"reranker": reranker} | {name: cleaned[name] for name in ("rerank_top", "rerank_threshold")}


class MatrixForm(SharedForm):
    """Runs side by side; `cleaned_data["matrix"]` is what is asked for."""

    name = forms.CharField(label=_("name"), max_length=100, widget=forms.TextInput(attrs=INPUT))
    truth_sets = forms.ModelMultipleChoiceField(
        TruthSet.objects.none(), label=_("truth sets"), widget=forms.CheckboxSelectMultiple, help_text=FREEZES
    )
    scenarios = forms.MultipleChoiceField(
        label=_("scenarios"),
        widget=forms.CheckboxSelectMultiple,
        choices=[(each.key, each.title) for each in SCENARIOS],
        initial=["both-both"],
    )
    encoders = forms.MultipleChoiceField(
        label=_("encoders"), required=False, widget=forms.CheckboxSelectMultiple,
        help_text=_("Those with vectors are listed."),
    )  # fmt: skip
    rerankers = forms.MultipleChoiceField(
        label=_("rerankers"), required=False, widget=forms.CheckboxSelectMultiple, initial=[""]
    )
    alphas = forms.MultipleChoiceField(
        label=_("hybrids, by the share of the vectors (alpha)"), required=False,
        widget=forms.CheckboxSelectMultiple, choices=[(f"{alpha:g}", f"{alpha:.1f}") for alpha in ALPHAS],
    )  # fmt: skip
    lexical = forms.BooleanField(label=_("Words alone (BM25) too"), required=False)

    field_order = (
        "name", "truth_sets", "scenarios", "scope", "encoders", "lexical", "alphas", "rerankers", "rerank_top",
        "rerank_threshold", "depth",
    )  # fmt: skip
    SEND = _("Start the runs")
    WHAT = ("name", "truth_sets", "scenarios", "scope")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        self._refuse_freezing("truth_sets", *cleaned["truth_sets"])
        if not cleaned["encoders"] and not cleaned["lexical"]:
            self.add_error("encoders", gettext("Choose an encoder, or words alone."))
        if self.errors:
            return cleaned
        try:
            cleaned["matrix"] = self._matrix(cleaned)
        except EvaluationError as error:
            self.add_error(None, str(error))
        return cleaned

    def _matrix(self, cleaned: dict[str, Any]) -> Matrix:
        rerankers = cleaned["rerankers"] or [""]
        base = RunSettings(
            method="lexical", scope=cleaned["scope"], depth=cleaned["depth"],
            **reranking(cleaned, next(filter(None, rerankers), "")),
        )  # fmt: skip
        return Matrix(
            truth_sets=list(cleaned["truth_sets"]),
            encoders=cleaned["encoders"],
            scenarios=[each for each in SCENARIOS if each.key in cleaned["scenarios"]],
            rerankers=rerankers,
            alphas=[float(alpha) for alpha in cleaned["alphas"]],
            lexical=cleaned["lexical"],
            base=base,
        )
