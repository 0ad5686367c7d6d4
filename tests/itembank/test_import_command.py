"""`manage.py import_items`: files and folders, what is printed, the exit status."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from itembank.models import Item, ItemImage, UploadBatch
from tests.itembank.uploads.builders import item, jsonl, picture, stored, zipped

pytestmark = pytest.mark.django_db


def run(*arguments: object) -> tuple[int, str]:
    """Exit status and output."""
    out = io.StringIO()
    try:
        call_command("import_items", *map(str, arguments), stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def report(*arguments: object) -> tuple[int, dict[str, Any]]:
    status, output = run(*arguments, "--json")
    return status, json.loads(output)


def items_json(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"items": rows}).encode()


def test_all_rows_landing_is_status_0(tmp_path: Path) -> None:
    status, output = run(stored(tmp_path, "items.jsonl", jsonl(item("A-1"), item("A-2"))))
    assert (status, Item.objects.count()) == (0, 2)
    assert "2" in output


def test_rejected_rows_are_printed_and_status_3(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.jsonl", jsonl(item("A-1"), item("A-2", difficulty="9")))
    status, output = run(path)
    assert (status, Item.objects.count()) == (3, 1)
    assert "A-2, difficulty" in output


def test_nothing_but_rejected_rows_is_status_1(tmp_path: Path) -> None:
    assert run(stored(tmp_path, "items.jsonl", jsonl(item(difficulty="9"))))[0] == 1


@pytest.mark.parametrize(("name", "data"), [("items.json", b"{}"), ("items.txt", b"x"), ("items.zip", b"PK")])
def test_a_bad_file_is_an_error(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(CommandError, match=name):
        run(stored(tmp_path, name, data))


def test_a_bad_file_is_told_in_json_too(tmp_path: Path) -> None:
    status, told = report(stored(tmp_path, "items.json", b"{}"))
    assert (status, told["state"], bool(told["error"])) == (1, "failed", True)


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nowhere"):
        run(tmp_path / "nowhere.json")
    assert not UploadBatch.objects.exists()


def test_json_has_the_counts_and_every_rejected_row(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.jsonl", jsonl(item("A-1"), *(item(f"B-{n}", difficulty="9") for n in range(30))))
    status, told = report(path)
    assert (status, told["rows"], told["new"], told["rejected"], len(told["rejected_rows"])) == (3, 31, 1, 30, 30)
    first = told["rejected_rows"][0]
    assert (first["row"], first["id"], first["field"], first["code"]) == (2, "B-0", "difficulty", "difficulty-unknown")
    assert first["reason"]


def test_a_folder_brings_its_images(tmp_path: Path) -> None:
    row = item("A-1", image_path="images/1.png", has_image=True)
    stored(tmp_path, "items.json", items_json(row))
    stored(tmp_path, "images/1.png", picture())
    stored(tmp_path, "ground_truth.json", b"[]")
    stored(tmp_path, ".hidden/1.png", picture())
    assert report(tmp_path)[1]["new"] == 1
    assert ItemImage.objects.count() == 1


def test_a_folder_must_hold_one_item_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"items\.jsonl"):
        run(tmp_path)
    stored(tmp_path, "items.json", items_json(item()))
    stored(tmp_path, "items.csv", b"id,subject,text\n")
    with pytest.raises(CommandError, match=r"items\.jsonl"):
        run(tmp_path)


@pytest.mark.parametrize("packed", [True, False])
def test_images_may_lie_elsewhere(tmp_path: Path, packed: bool) -> None:
    path = stored(tmp_path, "items.jsonl", jsonl(item("A-1", image_path="1.png", has_image=True)))
    stored(tmp_path, "pictures/1.png", picture())
    images = stored(tmp_path, "pictures.zip", zipped({"1.png": picture()})) if packed else tmp_path / "pictures"
    assert report(path, "--images", images)[1]["new"] == 1


def test_rejected_rows_are_written_to_a_file(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.jsonl", jsonl(item("A-1"), item("A-2", difficulty="9")))
    run(path, "--rejected", tmp_path / "rejected.csv")
    with (tmp_path / "rejected.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows[1:]] == ["2"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.jsonl", jsonl(item("A-1")))
    with pytest.raises(CommandError, match="nowhere"):
        run(path, "--rejected", tmp_path / "nowhere" / "rejected.csv")


def test_the_same_file_again_is_all_unchanged(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.jsonl", jsonl(item("A-1"), item("A-2")))
    run(path)
    status, told = report(path)
    assert (status, told["new"], told["changed"], told["unchanged"]) == (0, 0, 0, 2)
