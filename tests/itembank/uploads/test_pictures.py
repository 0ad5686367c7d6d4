"""Whatever picture comes in, what is stored is upright, opaque, 8 bit and free of metadata."""

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from itembank.uploads import CleanImage, ImageError, sanitise
from itembank.uploads.limits import IMAGE_BYTES

from .builders import picture


def encoded(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def reopened(clean: CleanImage) -> Image.Image:
    return Image.open(io.BytesIO(clean.data))


def refused_code(data: bytes) -> str:
    with pytest.raises(ImageError) as refused:
        sanitise(data)
    assert str(refused.value)
    return refused.value.code


def claimed_png(width: int, height: int) -> bytes:
    """A PNG that says it has this size, and has no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("image_format", "extension"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "png"), ("GIF", "png")]
)
def test_the_four_formats_are_taken_and_jpeg_stays_jpeg(image_format: str, extension: str) -> None:
    clean = sanitise(picture(image_format))
    assert (clean.width, clean.height, clean.extension) == (4, 3, extension)
    assert len(clean.sha256) == 64


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF"])
def test_the_same_picture_gives_the_same_bytes(image_format: str) -> None:
    assert sanitise(picture(image_format)) == sanitise(picture(image_format))


@pytest.mark.parametrize("image_format", ["BMP", "TIFF", "ICO", "PPM"])
def test_other_formats_are_refused(image_format: str) -> None:
    assert refused_code(picture(image_format)) == "image-format"


@pytest.mark.parametrize(
    "data", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"GIF", b"\x89PNG\r\n\x1a\n", b"x"]
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert refused_code(data) in {"image-format", "image-broken"}


def test_an_empty_file_is_refused() -> None:
    assert refused_code(b"") == "image-empty"


def test_a_file_of_more_than_20_mib_is_refused() -> None:
    assert refused_code(picture() + b"\0" * IMAGE_BYTES) == "image-file-too-large"


@pytest.mark.parametrize("size", [(5001, 5000), (16_385, 1), (10_000, 10_000), (30_000, 30_000), (2**31 - 1, 2)])
def test_too_many_pixels_are_refused_before_they_are_decoded(size: tuple[int, int]) -> None:
    assert refused_code(claimed_png(*size)) == "image-too-many-pixels"


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_truncated_picture_is_refused(image_format: str) -> None:
    noise = Image.effect_noise((200, 200), 80).convert("RGB")
    data = encoded(noise, image_format)
    assert refused_code(data[: len(data) // 2]) in {"image-broken", "image-format"}


def test_a_png_without_size_is_refused() -> None:
    assert refused_code(claimed_png(0, 0)) in {"image-empty", "image-broken", "image-format"}


def test_a_photo_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    clean = sanitise(encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif))
    assert (clean.width, clean.height) == (20, 40)
    assert not reopened(clean).getexif()


def test_metadata_is_dropped() -> None:
    from PIL.PngImagePlugin import PngInfo

    note = PngInfo()
    note.add_text("Author", "SECRET-NAME")
    data = encoded(Image.new("RGB", (4, 3)), pnginfo=note, icc_profile=b"SECRET-NAME", dpi=(72, 72))
    assert b"SECRET-NAME" not in sanitise(data).data
    assert b"SECRET" not in sanitise(encoded(Image.new("RGB", (4, 3)), "JPEG", comment=b"SECRET")).data


def _rgba() -> Image.Image:
    return Image.new("RGBA", (2, 2), (0, 0, 0, 0))


def _grey_alpha() -> Image.Image:
    return Image.new("LA", (2, 2), (0, 0))


def _palette() -> Image.Image:
    image = Image.new("P", (2, 2), 0)
    image.putpalette([0, 0, 0])
    image.info["transparency"] = 0
    return image


@pytest.mark.parametrize("made", [_rgba, _grey_alpha, _palette])
@pytest.mark.parametrize("image_format", ["PNG", "GIF", "WEBP"])
def test_what_is_transparent_becomes_white(made: Callable[[], Image.Image], image_format: str) -> None:
    image = made() if image_format == "PNG" else made().convert("RGBA")
    clean = sanitise(encoded(image, image_format))
    assert reopened(clean).convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    image = Image.frombytes("I;16", (3, 1), struct.pack("<3H", 0, 0x8080, 0xFFFF))
    clean = reopened(sanitise(encoded(image)))
    assert [clean.getpixel((x, 0)) for x in range(3)] == [0, 128, 255]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK"])
def test_every_colour_mode_ends_as_grey_or_rgb(mode: str) -> None:
    data = encoded(Image.new(mode, (2, 2)), "JPEG" if mode == "CMYK" else "PNG")
    assert reopened(sanitise(data)).mode in {"L", "RGB"}


def test_of_an_animation_the_first_frame_is_kept() -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    for image_format in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], image_format, save_all=True, append_images=frames[1:])
        clean = reopened(sanitise(data))
        assert getattr(clean, "n_frames", 1) == 1
        red, _green, blue = clean.convert("RGB").getpixel((0, 0))  # type: ignore[misc]
        assert red > 200
        assert blue < 50


SEEDS = [picture(image_format, (9, 7)) for image_format in ("PNG", "JPEG", "WEBP", "GIF")]


@given(st.sampled_from(SEEDS), st.data())
def test_damaged_bytes_give_a_picture_or_an_image_error(seed: bytes, data: st.DataObject) -> None:
    changed = bytearray(seed)
    for _change in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(seed) - 1))] = data.draw(st.integers(0, 255))
    try:
        clean = sanitise(bytes(changed))
    except ImageError as error:
        assert error.code.startswith("image-")
    else:
        assert clean.width * clean.height > 0
