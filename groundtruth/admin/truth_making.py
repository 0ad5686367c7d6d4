"""The ways of making a truth set: what each is called, its form, and what is done with it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from groundtruth.admin.truth_forms import HybridForm, ImportForm, JudgedForm, ManualForm, TfidfForm
from groundtruth.build_dispatch import start_build
from groundtruth.exchange import ImportRefused, ImportSummary, import_truth
from groundtruth.hybrid import combine_sets
from groundtruth.models import TruthSet
from groundtruth.set_services import SetError, create_set

Method = TruthSet.Method


@dataclass(frozen=True, slots=True)
class Made:
    """The new set, and what a person should know of how it came about."""

    truth_set: TruthSet
    note: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """`form` takes the data (and for files, the files); `make` may raise SetError and ImportRefused."""

    slug: str
    title: Any
    words: Any
    icon: str
    form: Callable[..., Any]
    make: Callable[[Any, User], Made]
    template: str
    files: bool = False


def _build(form: Any, user: User) -> Made:
    return Made(start_build(name=form.cleaned_data["name"], plan=form.plan(), user=user))


def _combine(form: HybridForm, user: User) -> Made:
    return Made(combine_sets(**form.given(), user=user))


def _manual(form: ManualForm, user: User) -> Made:
    given = form.cleaned_data
    scope = TruthSet.Scope.BANK if given["codes"] is None else TruthSet.Scope.SELECTION
    truth_set = create_set(
        name=given["name"], method=Method.MANUAL, scope=scope, item_ids=given["codes"], user=user,
        description=given["description"], guidelines=given["guidelines"],
    )  # fmt: skip
    return Made(truth_set)


def _import(form: ImportForm, user: User) -> Made:
    given = form.cleaned_data
    summary = import_truth(
        file=given["file"].file, format=given["format"], name=given["name"], skip_unknown=given["skip_unknown"],
        queries=given["queries"].file if given["queries"] else None, user=user,
    )  # fmt: skip
    return Made(summary.truth_set, _told(summary))


def _told(summary: ImportSummary) -> str:
    told = _("%(set)s: %(queries)d queries and %(pairs)d pairs imported.") % {
        "set": summary.truth_set, "queries": summary.queries, "pairs": summary.pairs,
    }  # fmt: skip
    if not summary.unknown_count:
        return told
    message = _("%(queries)d queries and %(pairs)d pairs skipped, of %(count)d unknown items: %(codes)s")
    codes = ", ".join(summary.unknown) + (", …" if summary.unknown_count > len(summary.unknown) else "")
    skipped = {"queries": summary.skipped_queries, "pairs": summary.skipped_pairs}
    return f"{told} {message % {**skipped, 'count': summary.unknown_count, 'codes': codes}}"


WAYS = (
    Way(
        "tfidf", "TF-IDF", gettext_lazy("By shared words and formulas. Free, and done in minutes."),
        "functions", partial(TfidfForm, Method.TFIDF), _build, "build",
    ),
    Way(
        "llm-text", Method.LLM_TEXT.label,
        gettext_lazy("Candidates are gathered now. A language model judges lists of them by a judge job, paid."),
        "format_list_numbered", partial(JudgedForm, Method.LLM_TEXT), _build, "build",
    ),
    Way(
        "llm-images", Method.LLM_IMAGES.label,
        gettext_lazy("The same with items that have pictures: pair by pair with texts and images, which costs more."),
        "image_search", partial(JudgedForm, Method.LLM_IMAGES), _build, "build",
    ),
    Way(
        "hybrid", Method.HYBRID.label,
        gettext_lazy("What two or more ready sets agree on, what any of them says, or what most of them say."),
        "join_inner", HybridForm, _combine, "hybrid",
    ),
    Way(
        "import", gettext_lazy("Import a file"),
        gettext_lazy("A truth that was made elsewhere: ground_truth.json, TREC qrels or CSV."),
        "upload_file", ImportForm, _import, "fields", files=True,
    ),
    Way(
        "manual", gettext_lazy("Empty, to be filled by hand"),
        gettext_lazy("Pairs are entered one by one, by the codes of their items."),
        "edit_note", ManualForm, _manual, "fields",
    ),
)  # fmt: skip
BY_SLUG = {way.slug: way for way in WAYS}


def filled_form(way: Way, data: Any = None, files: Any = None) -> Any:
    return way.form(data, files) if way.files and data is not None else way.form(data)


def made(way: Way, form: Any, user: User) -> Made | None:
    """The set of a valid form; None where it was refused, which the form then says."""
    try:
        return way.make(form, user)
    except ImportRefused as refused:
        for line in str(refused).split("\n"):
            form.add_error("file", line)
    except SetError as error:
        form.add_error(None, str(error))
    return None
