"""How to search: a method with the settings that it has, one form for each column of the search page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from embeddings.filter_fields import ValuesField
from embeddings.models import Encoder, Reranker
from embeddings.search.types import DEFAULT_TOP_N, MAX_K, Rerank

DEFAULT_METHOD = "dense"
DEFAULT_ALPHA = 0.5
ENCODED = ("dense", "hybrid", "rrf")  # by one encoder
LEAST_ENSEMBLE = 2


@dataclass(frozen=True, slots=True)
class Method:
    """A method as a teacher reads it."""

    name: str
    label: str | Promise
    help: str | Promise


METHODS = (
    Method("dense", _("By meaning"), _("Finds what means or looks the same, also in other words.")),
    Method("lexical", _("By words"), _("Finds the same words and formulas. Rare ones count more.")),
    Method("hybrid", _("Meaning and words"), _("Mixes both scores; the slider says how much of each.")),
    Method("rrf", _("Meaning and words, by rank"), _("Puts first what stands high in both lists. Nothing to set.")),
    Method("ensemble", _("Several encoders"), _("Asks several encoders at once and adds up what they say.")),
)


@dataclass(frozen=True, slots=True)
class Models:
    """What can be chosen, read once a page."""

    encoders: Sequence[Encoder] = field(default_factory=lambda: list(Encoder.objects.all()))
    rerankers: Sequence[Reranker] = field(default_factory=lambda: list(Reranker.objects.all()))

    @property
    def active(self) -> Encoder | None:
        return next((encoder for encoder in self.encoders if encoder.is_active), None)

    def methods(self) -> list[Method]:
        """Those that can give an answer with the encoders that there are."""
        unusable = {"hybrid", "rrf"} if not self.encoders else set()
        if len(self.encoders) < LEAST_ENSEMBLE:
            unusable.add("ensemble")
        return [method for method in METHODS if method.name not in unusable]

    def titles(self) -> dict[str, str]:
        return {encoder.slug: encoder.title for encoder in self.encoders}


class MethodForm(forms.Form):
    """A method and its settings. Those that the chosen method does not have are read over.

    Weights come as numbers with commas between, in the order of the encoders, or each as `weight.` and the slug.
    """

    method = forms.ChoiceField(required=False, choices=[(method.name, method.label) for method in METHODS])
    encoder = forms.CharField(required=False, max_length=100)
    encoders = ValuesField(required=False)
    weights = ValuesField(required=False)
    alpha = forms.FloatField(label=_("Share of the meaning"), required=False)
    exact = forms.BooleanField(required=False)
    weak_below = forms.FloatField(label=_("Mark as weak below"), required=False)
    rerank = forms.CharField(required=False, max_length=100)
    rerank_top = forms.IntegerField(label=_("Results to read"), required=False, min_value=1, max_value=MAX_K)
    rerank_threshold = forms.FloatField(label=_("Least score"), required=False)
    rerank_everywhere = forms.BooleanField(required=False)

    def __init__(self, data: Any, *, models: Models, default: str = DEFAULT_METHOD, prefix: str = "") -> None:
        super().__init__(data, prefix=prefix or None)
        self.models, self.default = models, default

    @property
    def method_name(self) -> str:
        """The chosen method, also where another part of the form is wrong."""
        return str(self["method"].value() or self.default)

    @property
    def title(self) -> str:
        return next((str(each.label) for each in METHODS if each.name == self.method_name), self.method_name)

    def clean_weights(self) -> tuple[float, ...]:
        encoders = self.cleaned_data.get("encoders", [])
        given = [part for value in self.cleaned_data["weights"] for part in value.split(",")]
        try:
            weights = tuple(float(each) for each in given or map(self._weight, encoders))
        except ValueError as error:
            raise forms.ValidationError(_("Give each encoder of an ensemble one weight above 0.")) from error
        return (
            () if len(weights) == len(encoders) and len(set(weights)) <= 1 and min(weights, default=1) > 0 else weights
        )

    def _weight(self, slug: str) -> str:
        return str(self.data.get(self.add_prefix(f"weight.{slug}")) or 1)

    def settings(self) -> dict[str, Any]:
        """The arguments of SearchRequest that say how. Raises SearchError."""
        data, method = self.cleaned_data, self.method_name
        given: dict[str, Any] = {"method": method, "weak_below": data["weak_below"], "rerank": self._rerank()}
        if method in ENCODED:
            given["encoder"] = data["encoder"] or None
        if method == "ensemble":
            given |= {"encoders": tuple(data["encoders"]), "weights": data["weights"]}
        if method == "hybrid" and data["alpha"] is not None:
            given["alpha"] = data["alpha"]
        return given | {"exact": data["exact"] and method != "lexical"}

    def _rerank(self) -> Rerank | None:
        data = self.cleaned_data
        if not data["rerank"]:
            return None
        return Rerank(
            data["rerank"],
            top_n=DEFAULT_TOP_N if data["rerank_top"] is None else data["rerank_top"],
            threshold=data["rerank_threshold"] or 0.0,
            everywhere=data["rerank_everywhere"],
        )

    def parameters(self) -> list[tuple[str, str]]:
        """The parameters of an address that ask the same way; what is so by default is left out."""
        named = ((self.add_prefix(name), value) for name, value in self._parameters())
        return [(name, "1" if value is True else str(value)) for name, value in named if value not in ("", None, False)]

    def _parameters(self) -> Iterator[tuple[str, Any]]:
        data, method = self.cleaned_data, self.method_name
        yield "method", "" if not self.prefix and method == DEFAULT_METHOD else method
        if method in ENCODED:
            yield "encoder", data["encoder"]
        if method == "ensemble":
            yield from (("encoders", slug) for slug in data["encoders"])
            yield "weights", ",".join(f"{weight:g}" for weight in data["weights"])
        if method == "hybrid":
            yield "alpha", _unless(data["alpha"], DEFAULT_ALPHA)
        yield "exact", data["exact"] and method != "lexical"
        yield "weak_below", "" if data["weak_below"] is None else f"{data['weak_below']:g}"
        if data["rerank"]:
            yield "rerank", data["rerank"]
            yield "rerank_top", _unless(data["rerank_top"], DEFAULT_TOP_N)
            yield "rerank_threshold", _unless(data["rerank_threshold"], 0.0)
            yield "rerank_everywhere", data["rerank_everywhere"]

    # ---- for the page

    @property
    def weight_prefix(self) -> str:
        return self.add_prefix("weight.")

    @property
    def alpha_shown(self) -> str:
        return str(self["alpha"].value() or DEFAULT_ALPHA)

    def ensemble(self) -> list[tuple[Encoder, bool, str]]:
        """Each encoder with whether it takes part, and its weight."""
        chosen = self["encoders"].value() or []
        given = [part for value in self["weights"].value() or [] for part in value.split(",")]
        weights = dict(zip(chosen, given, strict=False))
        return [
            (encoder, encoder.slug in chosen, weights.get(encoder.slug) or self._weight(encoder.slug))
            for encoder in self.models.encoders
        ]

    def is_unusual(self) -> bool:
        """Whether a setting that is folded away differs from its default."""
        return any(self[name].value() for name in ("exact", "weak_below", "encoder"))

    def problems(self) -> list[str]:
        """The errors of the form, each with the setting that it is about."""
        return [
            f"{self[name].label}: {error}" if name in self.fields else str(error)
            for name, errors in self.errors.items()
            for error in errors
        ]


def _unless(value: float | None, default: float) -> str:
    return "" if value is None or value == default else f"{value:g}"
