"""The folder that `make_sample` writes: always the same bytes, a truth for its items, nothing of others lost."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation
from PIL import Image

from itembank.sample import write_sample, write_text_rows
from itembank.sample.truth import ALL_QUERIES_UP_TO, QUERIES_OF_LARGE_SETS


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    """Messages are compared in English, whatever the default language of the UI."""
    with translation.override("en"):
        yield


def digests(directory: Path) -> dict[str, str]:
    files = (file for file in directory.rglob("*") if file.is_file())
    return {file.relative_to(directory).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_sample(tmp_path / name, items=45, seed=11, format="zip")
    assert digests(tmp_path / "one") == digests(tmp_path / "other")
    assert len(digests(tmp_path / "one")) == 15 + 4


def test_another_seed_writes_other_bytes(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_sample(tmp_path / str(seed), items=9, seed=seed)
    assert digests(tmp_path / "1")["items.json"] != digests(tmp_path / "2")["items.json"]


def test_every_figure_is_where_its_item_says_and_shows_something(tmp_path: Path) -> None:
    write_sample(tmp_path, items=150, seed=4)
    items = json.loads((tmp_path / "items.json").read_text())["items"]
    paths = [item["image_path"] for item in items if item["has_image"]]
    assert sorted(paths) == sorted(f"images/{file.name}" for file in (tmp_path / "images").iterdir())
    for path in paths:
        with Image.open(tmp_path / path) as image:
            assert image.size == (480, 360)
            colours = image.getcolors(maxcolors=480 * 360)
            assert colours and len(colours) > 10


def test_figures_depend_on_the_numbers_of_their_items(tmp_path: Path) -> None:
    summary = write_sample(tmp_path, items=300, seed=4)
    pictures = {file.read_bytes() for file in (tmp_path / "images").iterdir()}
    assert len(pictures) > 0.97 * summary.images


def test_relevance_is_by_family_concept_and_unit(tmp_path: Path) -> None:
    write_sample(tmp_path, items=200, seed=6)
    items = {item["id"]: item for item in json.loads((tmp_path / "items.json").read_text())["items"]}
    found = set()
    for query in json.loads((tmp_path / "ground_truth.json").read_text())["queries"]:
        source = items[query["source_item_id"]]
        graded = {hit["id"]: hit["relevance"] for hit in query["relevant_items"]}
        for code, item in items.items():
            expected = expected_relevance(source, item) if code != source["id"] else 0
            assert graded.get(code, 0) == expected
            found.add(expected)
    assert found == {0, 1, 2, 3}


def expected_relevance(one: dict[str, object], other: dict[str, object]) -> int:
    if (one["subject"], one["unit"]) != (other["subject"], other["unit"]):
        return 0
    first, second = one["metadata"], other["metadata"]
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    return 3 if first["family"] == second["family"] else 2 if first["concept"] == second["concept"] else 1


def test_in_a_small_set_every_item_is_a_query_and_in_a_large_one_a_stated_number(tmp_path: Path) -> None:
    small = write_sample(tmp_path / "small", items=30, seed=1)
    assert small.queries == 30
    large = write_sample(tmp_path / "large", items=ALL_QUERIES_UP_TO + 1, seed=1)
    queries = json.loads((tmp_path / "large" / "ground_truth.json").read_text())["queries"]
    assert large.queries == len(queries) == QUERIES_OF_LARGE_SETS
    assert large.relevant_items == sum(len(query["relevant_items"]) for query in queries)


def test_jsonl_and_json_hold_the_same_items(tmp_path: Path) -> None:
    write_sample(tmp_path / "json", items=12, seed=1)
    write_sample(tmp_path / "jsonl", items=12, seed=1, format="jsonl")
    rows = [json.loads(line) for line in (tmp_path / "jsonl" / "items.jsonl").read_text().splitlines()]
    assert rows == json.loads((tmp_path / "json" / "items.json").read_text())["items"]


def test_the_archive_holds_items_and_images(tmp_path: Path) -> None:
    write_sample(tmp_path, items=6, seed=1, format="zip")
    with zipfile.ZipFile(tmp_path / "sample.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["items.json", "images/S1-000000.png", "images/S1-000003.png"]


def test_text_rows_are_written_as_jsonl(tmp_path: Path) -> None:
    write_text_rows(tmp_path, items=500, seed=2)
    lines = (tmp_path / "items.jsonl").read_text().splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == 500


def test_a_sample_replaces_an_earlier_sample_and_leaves_other_files_alone(tmp_path: Path) -> None:
    write_sample(tmp_path, items=30, seed=1, format="zip")
    (tmp_path / "notes.txt").write_text("mine")
    write_sample(tmp_path, items=3, seed=2, format="jsonl")
    assert set(digests(tmp_path)) == {
        *("sample.json", "items.jsonl", "ground_truth.json", "images/S2-000000.png", "notes.txt")
    }


def test_a_folder_with_files_of_others_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text("mine")
    with pytest.raises(CommandError, match="Name a new or empty folder"):
        call_command("make_sample", str(tmp_path), "--items", "3")
    assert (tmp_path / "items.json").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CommandError, match="is a file"):
        call_command("make_sample", str(tmp_path / "file"))


@pytest.mark.parametrize("items", ["0", "-3", "many", "²"])
def test_a_count_that_is_no_count_is_refused(tmp_path: Path, items: str) -> None:
    with pytest.raises(CommandError, match="--items"):
        call_command("make_sample", str(tmp_path / "new"), f"--items={items}")
    assert not (tmp_path / "new").exists()


def test_the_command_says_how_much_of_the_truth_it_wrote(tmp_path: Path) -> None:
    output = io.StringIO()
    call_command("make_sample", str(tmp_path / "new"), "--items=301", "--seed=2", stdout=output)
    assert "301 items, 101 figures" in output.getvalue()
    assert "100 of 301 items are queries" in output.getvalue()
