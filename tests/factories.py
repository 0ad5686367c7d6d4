"""Readable ways to make rows. Each keyword is a field; what a test does not name gets a plausible value."""

import itertools
from typing import Any

from django.contrib.auth.models import User

from embeddings.models import Encoder
from embeddings.services import create_encoder
from itembank import canonical
from itembank.models import Item

_numbers = itertools.count(1)


def make_item(**fields: Any) -> Item:
    """A saved item with its derived fields right. Without images: those come through uploads."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "code": f"T-{number:05d}",
        "subject": "수학",
        "grade": "중2",
        "unit": "일차함수",
        "item_type": "short_answer",
        "difficulty": 3,
        "text": f"일차함수 y = {number}x + 1의 기울기를 구하시오.",
        "choices": [],
    } | fields
    text, choices = values["text"], values["choices"]
    return Item.objects.create(
        **values,
        category=canonical.category(text=text, choices=choices, has_image=False),
        content_hash=canonical.content_hash(text=text, choices=choices, image_hashes=[]),
        record_hash=canonical.record_hash(values),
    )


def make_encoder(preset: str = "hashing") -> Encoder:
    """An encoder row of a preset, with its partition."""
    return create_encoder(preset=preset)


def make_staff(username: str = "staff", **fields: Any) -> User:
    """A signed-in colleague without any permission."""
    return User.objects.create_user(username, password="correct horse", is_staff=True, **fields)


def make_admin(username: str = "admin") -> User:
    return User.objects.create_superuser(username, password="correct horse")
