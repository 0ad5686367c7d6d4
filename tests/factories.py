"""Readable ways to make rows. Each keyword is a field; what a test does not name gets a plausible value."""

import io
import itertools
from typing import Any

from django.contrib.auth.models import Permission, User
from PIL import Image

from embeddings.models import Encoder
from embeddings.services import create_encoder
from itembank import canonical
from itembank.models import Item, ItemImage
from itembank.services import save_item
from itembank.storage import store_image
from itembank.uploads.pictures import sanitise

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


def make_image(
    item: Item, *, role: str = "question", position: int = 0, size: tuple[int, int] = (120, 80)
) -> ItemImage:
    """A stored picture at a place of the item, whose derived fields follow. Every picture is another one."""
    buffer = io.BytesIO()
    Image.new("RGB", size, f"hsl({next(_numbers) * 37 % 360}, 60%, 50%)").save(buffer, "PNG")
    clean = sanitise(buffer.getvalue())
    image = ItemImage.objects.create(
        item=item,
        role=role,
        position=position,
        file=store_image(clean),
        sha256=clean.sha256,
        width=clean.width,
        height=clean.height,
    )
    save_item(item=item)
    return image


def make_encoder(preset: str = "hashing") -> Encoder:
    """An encoder row of a preset, with its partition."""
    return create_encoder(preset=preset)


def make_staff(username: str = "staff", **fields: Any) -> User:
    """A signed-in colleague without any permission."""
    return User.objects.create_user(username, password="correct horse", is_staff=True, **fields)


def allow(user: User, *permissions: str) -> User:
    """Give permissions such as "embeddings.view_encoder"; returns the user without what it remembered of them."""
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return User.objects.get(pk=user.pk)


def make_admin(username: str = "admin") -> User:
    return User.objects.create_superuser(username, password="correct horse")
