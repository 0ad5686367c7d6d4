"""`manage.py evaluate`: figures on the terminal and as JSON, the same each time."""

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from embeddings.models import Encoder
from evaluation.models import EvaluationRun
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db


@pytest.fixture
def encoder() -> Encoder:
    space = make_space(4)
    items = make_items(6)
    fill(space, items, clustered(6, 4))
    truth = make_truth_set(name="teachers")
    make_pair(make_query(truth, items[0]), items[1], relevance=2)
    return space


def evaluate(*arguments: str) -> str:
    out = StringIO()
    call_command("evaluate", "--truth", "teachers", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def as_json(*arguments: str) -> Any:
    return json.loads(evaluate(*arguments, "--json"))


def test_the_table_names_each_metric_with_its_interval(encoder: Encoder) -> None:
    said = evaluate("--encoder", encoder.slug)
    assert "R@5" in said and "Success@5" in said
    assert "1.000 [" in said  # five others, the relevant one among them


def test_no_figure_of_the_table_is_broken_in_two(encoder: Encoder) -> None:
    """Under a name as long as those of a matrix."""
    said = evaluate("--encoder", encoder.slug, "--name", "teachers v1 · hybrid 0.3 · kure+siglip · text → with-images")
    assert len(re.findall(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", said)) == 7


def test_json_holds_settings_fingerprints_and_figures(encoder: Encoder) -> None:
    (found,) = as_json("--encoder", encoder.slug)
    assert found["truth"] == "teachers v1"
    assert found["settings"]["fingerprints"][encoder.slug] == encoder.fingerprint
    assert found["metrics"]["Success@10"]["mean"] == 1
    assert found["metrics"]["Success@10"]["interval"] == "wilson"


def test_the_same_settings_give_the_same_bytes(encoder: Encoder) -> None:
    first, second = (as_json("--encoder", encoder.slug, "--seed", "7") for _ in range(2))
    assert first[0].pop("run") != second[0].pop("run")
    assert json.dumps(first) == json.dumps(second)


def test_json_has_null_where_no_query_counts(encoder: Encoder) -> None:
    said = evaluate("--encoder", encoder.slug, "--minimum-relevance", "3", "--json")
    assert "NaN" not in said
    assert json.loads(said)[0]["metrics"]["R@5"] == {"mean": None, "low": 0.0, "high": 1.0, "interval": "wilson"}


def test_the_table_has_a_dash_where_no_query_counts(encoder: Encoder) -> None:
    assert "nan" not in evaluate("--encoder", encoder.slug, "--minimum-relevance", "3")


def test_a_matrix_runs_what_can_be_asked(encoder: Encoder) -> None:
    said = evaluate("--encoder", encoder.slug, "--matrix", "all")
    assert "hybrid" in said and "lexical" in said
    assert EvaluationRun.objects.filter(matrix="all", state="completed").count() == 2 * (1 + 11 + 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--encoder", "nobody"], "There is no “nobody”"),
        ([], "takes 1 to 1 encoders"),
        (["--encoder", "a", "--alpha", "2", "--method", "hybrid"], "alpha is 2"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(encoder: Encoder, arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        evaluate(*arguments)


def test_an_unknown_truth_names_those_there_are(encoder: Encoder) -> None:
    with pytest.raises(CommandError, match="There are: teachers"):
        call_command("evaluate", "--truth", "pupils", "--encoder", encoder.slug)
