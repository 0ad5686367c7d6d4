"""The forms of truth sets: one for each way of making a set, its texts, a pair by hand."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.db.models import Exists, OuterRef
from django.template.defaultfilters import filesizeformat
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from embeddings.models import Embedding, Encoder
from groundtruth.builds import DEFAULT_THRESHOLDS, DEFAULT_TOP, BuildPlan
from groundtruth.candidates import MAX_TOP, TFIDF
from groundtruth.exchange import FORMATS, format_of
from groundtruth.models import Relevance, TruthSet
from groundtruth.scope import DEFAULT_QUOTAS
from itembank.models import Item
from itembank.uploads.limits import MIB

INPUT = {"class": "ib-input"}
SELECT = {"class": "ib-select"}
MAX_FILE_BYTES = 64 * MIB  # read while the visitor waits; `manage.py import_truth` takes larger ones
MAX_ITEMS = 1_000_000
TOP_FOR_A_JUDGE = 10
PICTURES = 100
EXTENTS = [
    ("selection", _("Drawn items, compared with each other")),
    ("queries", _("Drawn items, compared with the whole bank")),
    ("bank", _("Every item of the bank, compared with the whole bank")),
]
Label = Any  # text, translated when it is shown


def _whole(label: Label, value: int, most: int, least: int = 0, help_text: Label = "") -> forms.IntegerField:
    return forms.IntegerField(
        label=label, initial=value, min_value=least, max_value=most, help_text=help_text,
        widget=forms.NumberInput(attrs=INPUT),
    )  # fmt: skip


def _score(label: Label, value: float | None, help_text: Label = "") -> forms.FloatField:
    return forms.FloatField(
        label=label, initial=value, min_value=0, max_value=1, required=value is not None, help_text=help_text,
        widget=forms.NumberInput(attrs=INPUT | {"step": "any"}),
    )  # fmt: skip


def _relevances(*values: int) -> list[tuple[int, Label]]:
    return [(value, format_lazy("{} · {}", value, Relevance(value).label)) for value in values]


def _text(label: Label, rows: int, help_text: Label = "") -> forms.CharField:
    widget = forms.Textarea(attrs=INPUT | {"rows": rows})
    return forms.CharField(label=label, required=False, max_length=100_000, help_text=help_text, widget=widget)


class NameForm(forms.Form):
    name = forms.CharField(
        label=_("name"), max_length=100, widget=forms.TextInput(attrs=INPUT | {"autofocus": True}),
        help_text=_("Where the name exists, its next version is made."),
    )  # fmt: skip


class BuildForm(NameForm):
    """A set that is built in the background; `plan()` says how. Raises BuildError there."""

    extent = forms.ChoiceField(label=_("scope"), choices=EXTENTS, widget=forms.Select(attrs=SELECT))
    top = _whole(_("candidates of a query"), DEFAULT_TOP, MAX_TOP, 1, _("Of each source."))
    seed = _whole(_("seed"), 1, 2**31 - 1, help_text=_("The same seed draws the same items from the same bank."))
    take_all = forms.BooleanField(label=_("be content with fewer items than asked"), required=False)

    def __init__(self, method: str, data: Any = None) -> None:
        super().__init__(data)
        self.method = method
        pictures = method == TruthSet.Method.LLM_IMAGES
        for category, count in ({"image": PICTURES} if pictures else DEFAULT_QUOTAS).items():
            label = Item.ItemCategory(category).label
            self.fields[f"quota_{category}"] = _whole(label, count, MAX_ITEMS)

    def quota_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("quota_")]

    def other_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in ("name", "extent", "seed", "take_all")
                and not name.startswith("quota_")]  # fmt: skip

    def plan(self) -> BuildPlan:
        given = self.cleaned_data
        quotas = {name.removeprefix("quota_"): given[name] for name in given if name.startswith("quota_")}
        extent = given["extent"]
        return BuildPlan(
            method=self.method,
            scope=TruthSet.Scope.SELECTION if extent == "selection" else TruthSet.Scope.BANK,
            top=given["top"],
            quotas=None if extent == "bank" else {name: count for name, count in quotas.items() if count},
            seed=given["seed"],
            take_all=given["take_all"],
            **self.special(),
        )

    def special(self) -> dict[str, Any]:
        """What this method's plan has of its own."""
        return {}


class TfidfForm(BuildForm):
    very = _score(_("lowest cosine of relevance 3"), DEFAULT_THRESHOLDS[0])
    similar = _score(_("lowest cosine of relevance 2"), DEFAULT_THRESHOLDS[1])
    related = _score(_("lowest cosine of relevance 1"), DEFAULT_THRESHOLDS[2])
    min_score = _score(
        _("leave out pairs with a lower cosine"), None, _("Empty: those below the lowest cosine of relevance 1.")
    )

    def special(self) -> dict[str, Any]:
        given = self.cleaned_data
        return {
            "thresholds": (given["very"], given["similar"], given["related"]),
            "min_score": given["min_score"],
        }


class JudgedForm(BuildForm):
    """Candidates that a language model is asked about afterwards."""

    candidates = forms.MultipleChoiceField(
        label=_("candidates from"), widget=forms.CheckboxSelectMultiple, initial=[TFIDF],
        help_text=_("Encoders that have vectors. Several sources find more kinds of similarity."),
    )  # fmt: skip

    def __init__(self, method: str, data: Any = None) -> None:
        super().__init__(method, data)
        self.fields["top"].initial = TOP_FOR_A_JUDGE
        embedded = Encoder.objects.filter(Exists(Embedding.objects.filter(encoder=OuterRef("pk"))))
        sources = [(encoder.slug, encoder.title) for encoder in embedded]
        self.fields["candidates"].choices = [(TFIDF, "TF-IDF"), *sources]  # type: ignore[attr-defined]

    def special(self) -> dict[str, Any]:
        return {"candidates": tuple(self.cleaned_data["candidates"])}


class HybridForm(NameForm):
    """Two or more sets, each with a weight in a vote."""

    sets = forms.ModelMultipleChoiceField(TruthSet.objects.none(), label=_("truth sets"))
    combination = forms.ChoiceField(
        label=_("combination"),
        choices=[
            ("intersection", _("Intersection: what all sets call similar")),
            ("union", _("Union: what any set calls similar")),
            ("vote", _("Vote: what most sets call similar")),
        ],
        widget=forms.Select(attrs=SELECT),
    )
    threshold = forms.TypedChoiceField(
        label=_("a set agrees from relevance"), coerce=int, initial=2, widget=forms.Select(attrs=SELECT),
        choices=_relevances(1, 2, 3),
    )  # fmt: skip

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        ready = TruthSet.objects.filter(state=TruthSet.State.READY)
        self.fields["sets"].queryset = ready  # type: ignore[attr-defined]
        self.ready = list(ready)
        for each in self.ready:
            self.fields[f"weight_{each.pk}"] = forms.FloatField(
                required=False, min_value=0.001, max_value=1000, initial=1,
                widget=forms.NumberInput(attrs=INPUT | {"step": "any", "aria-label": _("weight")}),
            )  # fmt: skip

    def rows(self) -> Iterator[tuple[TruthSet, bool, forms.BoundField]]:
        """Each set, whether it is ticked, and the field of its weight."""
        chosen = set(map(str, self["sets"].value() or ()))
        return ((each, str(each.pk) in chosen, self[f"weight_{each.pk}"]) for each in self.ready)

    def given(self) -> dict[str, Any]:
        """What combine_sets takes."""
        data = self.cleaned_data
        sets = list(data["sets"])
        weights = [data.get(f"weight_{each.pk}") or 1.0 for each in sets]
        return {
            "name": data["name"], "sets": sets, "combination": data["combination"], "threshold": data["threshold"],
            "weights": weights if data["combination"] == "vote" else None,
        }  # fmt: skip


class ImportForm(NameForm):
    file = forms.FileField(
        label=_("file"), widget=forms.FileInput(attrs=INPUT | {"accept": ".json,.csv,.qrels,.qrel,.txt"})
    )
    format = forms.ChoiceField(
        label=_("format"), required=False, widget=forms.Select(attrs=SELECT),
        choices=[("", _("by the file's name")), ("json", "ground_truth.json"), ("trec", "TREC qrels"), ("csv", "CSV")],
    )  # fmt: skip
    queries = forms.FileField(
        label=_("file of queries"), required=False, widget=forms.FileInput(attrs=INPUT | {"accept": ".csv"}),
        help_text=_("CSV, only with qrels whose query ids are no item codes: which item each query is about."),
    )  # fmt: skip
    skip_unknown = forms.BooleanField(label=_("skip items that the bank does not have"), required=False)

    def clean_file(self) -> Any:
        return _small(self.cleaned_data["file"])

    def clean_queries(self) -> Any:
        return _small(self.cleaned_data["queries"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        file = data.get("file")
        if file and not data.get("format"):
            data["format"] = format_of(file.name)
        if file and data.get("format") not in FORMATS:
            self.add_error("format", _("The file's name does not tell its format. Choose one."))
        if data.get("queries") and data.get("format") != "trec":
            self.add_error("queries", _("A file of queries goes with qrels only."))
        return data


def _small(file: Any) -> Any:
    if file and file.size > MAX_FILE_BYTES:
        message = _(
            "The file has %(size)s; the page takes %(limit)s. Import larger ones with “manage.py import_truth”."
        )
        sizes = {"size": filesizeformat(file.size), "limit": filesizeformat(MAX_FILE_BYTES)}
        raise forms.ValidationError(message, "too-large", sizes)
    return file


class TextsForm(forms.Form):
    description = _text(_("description"), 3)
    guidelines = _text(_("guidelines for reviewers"), 8)


class ManualForm(NameForm):
    """An empty set. `items` are those of the codes; None is the whole bank."""

    codes = _text(_("item codes"), 5, _("The items that the set is about, one a line. Empty: the whole bank."))
    description = _text(_("description"), 3)
    guidelines = _text(_("guidelines for reviewers"), 8)

    def clean_codes(self) -> list[int] | None:
        codes = set(self.cleaned_data["codes"].split())
        if not codes:
            return None
        known = dict(Item.objects.filter(code__in=codes).values_list("code", "pk"))
        if unknown := sorted(codes - known.keys()):
            message = _("%(count)s codes are unknown: %(codes)s")
            listed = ", ".join(unknown[:20]) + (", …" if len(unknown) > 20 else "")
            raise forms.ValidationError(message, "unknown", {"count": len(unknown), "codes": listed})
        return sorted(known.values())


class PairForm(forms.Form):
    """A pair by the codes of its items; `cleaned_data` has the items."""

    query_item = forms.CharField(label=_("code of the query item"), widget=forms.TextInput(attrs=INPUT))
    item = forms.CharField(label=_("code of the candidate"), widget=forms.TextInput(attrs=INPUT))
    relevance = forms.TypedChoiceField(
        label=_("relevance"), coerce=int, widget=forms.Select(attrs=SELECT),
        choices=_relevances(3, 2, 1, 0),
    )  # fmt: skip

    def clean_query_item(self) -> Item:
        return _item(self.cleaned_data["query_item"])

    def clean_item(self) -> Item:
        return _item(self.cleaned_data["item"])


def _item(code: str) -> Item:
    found = Item.objects.filter(code=code).first()
    if found is None:
        raise forms.ValidationError(_("There is no item with the code “%(code)s”."), "unknown", {"code": code[:80]})
    return found
