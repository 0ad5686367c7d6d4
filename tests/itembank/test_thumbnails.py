"""Thumbnails: small, in proportion, made once, written whole."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from itembank.models import ItemImage
from itembank.templatetags.items import thumbnail as thumbnail_tag
from itembank.thumbnails import SIZES, ThumbnailError, fitted_size, thumbnail
from tests.factories import make_image, make_item


@given(width=st.integers(1, 16_384), height=st.integers(1, 16_384), size=st.sampled_from(SIZES))
def test_a_thumbnail_fits_its_box_and_is_never_larger_than_the_image(width: int, height: int, size: int) -> None:
    fitted = fitted_size(ItemImage(width=width, height=height), size)
    assert all(1 <= side <= size for side in fitted)
    assert fitted[0] <= width
    assert fitted[1] <= height
    assert max(fitted) == min(size, max(width, height))


@pytest.mark.django_db
def test_the_file_has_the_size_that_pages_reserve_for_it() -> None:
    image = make_image(make_item(), size=(800, 300))
    with Image.open(thumbnail(image, 96)) as small:
        assert small.size == fitted_size(image, 96) == (96, 36)


@pytest.mark.django_db
def test_a_thumbnail_is_made_once() -> None:
    image = make_image(make_item())
    first = thumbnail(image, 96).stat().st_mtime_ns
    assert thumbnail(image, 96).stat().st_mtime_ns == first


@pytest.mark.django_db
def test_nothing_half_written_stays_beside_it() -> None:
    path = thumbnail(make_image(make_item()), 96)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.django_db
def test_a_damaged_file_has_no_thumbnail_and_leaves_nothing_behind() -> None:
    image = make_image(make_item())
    Path(image.file.path).write_bytes(b"not a picture")
    with pytest.raises(ThumbnailError):
        thumbnail(image, 96)
    assert not list((Path(image.file.storage.location) / "thumbs").iterdir())


@pytest.mark.django_db
def test_the_tag_reserves_the_space_and_loads_late() -> None:
    html = thumbnail_tag(make_image(make_item(), size=(200, 100)), 96)
    assert 'width="96" height="48"' in html
    assert 'loading="lazy"' in html
    assert "alt=" in html


def test_the_tag_shows_nothing_for_an_item_without_an_image() -> None:
    assert thumbnail_tag(None) == ""
