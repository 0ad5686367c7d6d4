"""`manage.py benchmark embed`: arithmetic by hand, and real runs over a handful of items."""

import re
from collections.abc import Sequence

import numpy as np
import pytest
from django.core.management.base import CommandError

from embeddings.benchmarks.comparison import Comparison
from embeddings.benchmarks.embed import report
from embeddings.benchmarks.measuring import Pass, busy_seconds, idle_share, lowest_cosine, padding_waste
from embeddings.benchmarks.own_home import _argument
from embeddings.benchmarks.reference import BareReference
from embeddings.encoders.base import Vectors
from embeddings.pipeline.batches import split_by_padding
from embeddings.pipeline.inputs import Content
from embeddings.precision_services import settle_precision
from embeddings.services import create_encoder
from tests.factories import make_image, make_item


def test_padding_waste_is_the_padding_of_all_batches_together() -> None:
    """(10, 10, 4) fills 24 of 30, (2,) fills 2 of 2: 6 of 32 are padding."""
    assert padding_waste([(10, 10, 4), (2,), ()]) == pytest.approx(6 / 32)


def test_batches_are_split_where_a_twentieth_would_be_padding() -> None:
    """20, 19, 18: 57 of 60 is just enough; 17 besides would be 74 of 80."""
    assert split_by_padding([3, 0, 2, 1], [19, 17, 18, 20]) == [[3, 0, 2], [1]]


def test_no_batch_wastes_nothing() -> None:
    assert padding_waste([]) == 0


def test_idle_is_the_time_between_forward_passes_within_a_job() -> None:
    """Job one: 3 of 4 s busy. Job two: 5 of 6 s. What lies between the jobs does not count: 2 of 10 s idle."""
    runs = [[Pass(0, 2, (1,)), Pass(3, 4, (1,))], [Pass(100, 105, (1,)), Pass(106, 106, (1,))], []]
    assert busy_seconds(runs) == 8
    assert idle_share(runs) == pytest.approx(0.2)


def test_the_lowest_cosine_is_that_of_the_worst_row() -> None:
    ours = np.array([[1, 0], [3, 4]], np.float32)
    assert lowest_cosine(ours, np.array([[5, 0], [4, 3]], np.float32)) == pytest.approx(24 / 25)


def test_options_become_arguments_and_unset_ones_none() -> None:
    given = {"random_weights": True, "no_reference": False, "precision": None, "items": 5}
    assert [part for name, value in given.items() for part in _argument(name, value)] == [
        "--random-weights", "--items", "5",
    ]  # fmt: skip


@pytest.mark.django_db
def test_a_text_encoder_prints_rates_and_the_ratio_to_its_bare_backend(capsys: pytest.CaptureFixture[str]) -> None:
    _make_items()
    report(Comparison(create_encoder(preset="hashing")).measure())
    printed = _printed(capsys)
    assert "6 text" in printed["hashing"]
    rates = [float(printed[name].split()[0]) for name in ("text items/s", "text plain loop/s", "text ratio")]
    assert rates[2] == pytest.approx(rates[0] / rates[1], rel=0.01, abs=0.001)  # it is printed with three decimals
    assert re.search(r"at least 0\.95: (PASS|FAIL)", printed["text ratio"])
    assert 0 <= float(printed["forward pass idle"].split("%")[0]) <= 100
    assert "padding waste" not in printed  # hashing pads nothing


@pytest.mark.django_db
@pytest.mark.parametrize("preset", ["qwen3-vl-2b-mm-mean", "qwen3-vl-2b-mm-last"])
def test_qwen3_vl_is_measured_against_transformers_with_and_without_images(
    models_dir: object, preset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _make_items()
    figures = Comparison(settle_precision(create_encoder(preset=preset))).measure()
    report(figures)
    printed = _printed(capsys)
    assert [len(group.ids) for group in figures.groups] == [3, 3]
    assert figures.cosine > 0.9999
    assert re.search(r"at least 1\.0: (PASS|FAIL)", printed["text ratio"])
    assert re.search(r"above 1\.0: (PASS|FAIL)", printed["images ratio"])
    assert re.search(r"^\d+\.\d% +at most 5%: (PASS|FAIL)$", printed["padding waste, mixed"])


@pytest.mark.django_db
def test_without_a_reference_there_is_no_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    _make_items()
    report(Comparison(create_encoder(preset="hashing"), with_reference=False).measure())
    printed = _printed(capsys)
    assert "text items/s" in printed
    assert "text ratio" not in printed


@pytest.mark.django_db
def test_a_reference_with_other_vectors_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def reversed_encode(self: BareReference, contents: Sequence[Content]) -> Vectors:
        return encode(self, contents)[:, ::-1]

    encode = BareReference.encode
    monkeypatch.setattr(BareReference, "encode", reversed_encode)
    _make_items()
    with pytest.raises(CommandError, match="not those of bare backend"):
        Comparison(create_encoder(preset="hashing")).measure()


@pytest.mark.django_db
def test_an_empty_bank_says_so() -> None:
    with pytest.raises(CommandError, match="No item suits the encoder"):
        Comparison(create_encoder(preset="hashing")).measure()


def _make_items() -> None:
    """Three of text, three of text with an image, of different lengths."""
    for number in range(1, 4):
        make_item(text="가나다 문제 " * 5 * number)
        make_image(make_item(text="그림을 보고 " * number), size=(80 * number, 60))


def _printed(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Lines by name: it ends where two spaces or a colon begin."""
    lines = (re.split(r"\s{2,}|:", line, maxsplit=1) for line in capsys.readouterr().out.splitlines())
    return {name: rest.strip() for name, rest in lines}
