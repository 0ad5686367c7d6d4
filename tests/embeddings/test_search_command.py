import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from embeddings.indexes import IndexState, index_state
from embeddings.models import Encoder
from embeddings.services import activate_encoder
from embeddings.term_services import index_terms
from itembank.models import Item
from tests.embeddings.spaces import clustered, fill, make_items, make_space


def run(*arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command("search", *arguments, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def space() -> Encoder:
    space = make_space(256)
    items = make_items(5, subject="수학") + make_items(5, subject="물리", text="힘 [bold]F[/bold]의 크기를 구하시오.")
    fill(space, items, clustered(10, 256))
    return activate_encoder(encoder=space)


@pytest.mark.django_db
def test_json_holds_hits_and_timings_and_nothing_else(space: Encoder) -> None:
    answer = json.loads(run("기울기", k=3, json=True))
    assert set(answer) == {"hits", "timings_ms"}
    assert [set(hit) for hit in answer["hits"]] == [{"rank", "code", "score"}] * 3
    assert set(answer["timings_ms"]) == {"encode", "search", "total"}


@pytest.mark.django_db
def test_the_table_shows_rank_code_place_and_the_text_as_written(space: Encoder) -> None:
    text = run("--filter", "subject=물리", "--item", Item.objects.earliest("pk").code)
    assert "물리 / 일차함수" in text
    assert "[bold]F[/bold]" in " ".join(text.split())
    assert "exact-filtered" in text
    assert "수학" not in text


@pytest.mark.django_db
def test_several_filters_may_follow_one_another(space: Encoder) -> None:
    answer = json.loads(run("힘", "--filter", "subject=수학", "difficulty=3", "--filter", "subject=물리", "--json"))
    assert len(answer["hits"]) == 10


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to search for"),
        (["a", "--filter", "colour=red"], "no filter “colour”"),
        (["a", "--k", "1000"], "1 to 100"),
        (["a", "--encoder", "nope"], "no encoder “nope”"),
        (["--image", "/nowhere/a.png"], "cannot be read"),
        (["--item", "nope"], "no item “nope”"),
    ],
)
def test_what_cannot_be_searched_ends_with_a_message(space: Encoder, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments)


@pytest.mark.django_db
def test_an_empty_image_file_is_said(space: Encoder, tmp_path: Path) -> None:
    empty = tmp_path / "empty.png"
    empty.touch()
    with pytest.raises(CommandError, match="is empty"):
        run(image=str(empty))


@pytest.mark.django_db(transaction=True)
def test_build_index_builds_the_index_of_the_named_encoder(space: Encoder) -> None:
    call_command("build_index", encoder=space.slug, stdout=StringIO())
    assert index_state(space) is IndexState.READY
    with pytest.raises(CommandError, match=space.slug):
        call_command("build_index", encoder="nope")


@pytest.mark.django_db
def test_explained_hits_say_what_each_signal_gave(space: Encoder) -> None:
    index_terms()
    arguments = ["--item", Item.objects.earliest("pk").code, "--method", "rrf", "--explain"]
    answer = json.loads(run(*arguments, "--json"))
    told = answer["hits"][0]
    assert answer["weak_below"].keys() == {"lexical"}  # the encoder was not measured
    assert set(told["signals"]) == {"dense", "lexical"}
    assert {"weak", "group", "image_used", "matched_terms"} <= told.keys()
    assert "dense" in run(*arguments)


@pytest.mark.django_db
def test_several_encoders_make_an_ensemble(space: Encoder) -> None:
    other = make_space(32)
    fill(other, list(Item.objects.order_by("pk")), clustered(10, 32))
    item = ("--item", Item.objects.earliest("pk").code)
    pair = ("--encoder", space.slug, other.slug)
    assert f"{space.slug}, {other.slug}" in run(*item, "--method", "ensemble", *pair, "--weights", "2", "1")
    with pytest.raises(CommandError, match="ensemble"):
        run(*item, *pair)
