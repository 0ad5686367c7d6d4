"""The example that the upload page offers: a ZIP as the bank takes it, opened in a spreadsheet without a manual."""

import csv
import io
import zipfile

from PIL import Image, ImageDraw

_STAMP = (2026, 1, 1, 0, 0, 0)
_COLUMNS = (
    "id", "subject", "grade", "unit", "item_type", "difficulty", "text", "choice_1", "choice_2", "choice_3",
    "choice_4", "choice_5", "answer", "has_image", "image_path",
)  # fmt: skip
_ROWS = (
    (
        "EX-0001", "수학", "중2", "일차함수", "객관식", "중", "일차함수 $y = 2x + 3$의 기울기는?",
        "$-3$", "$-2$", "$2$", "$3$", "$5$", "3", "false", "",
    ),
    (
        "EX-0002", "수학", "중2", "삼각형의 성질", "단답형", "하", "그림에서 각 $x$의 크기를 구하시오.",
        "", "", "", "", "", "60°", "true", "images/triangle.png",
    ),
    (
        "EX-0003", "물리학", "고1", "등가속도 운동", "서술형", "상",
        "정지해 있던 물체가 $a = 2\\,\\mathrm{m/s^2}$로 움직인다. 3초 동안 이동한 거리를 구하고 풀이를 쓰시오.",
        "", "", "", "", "", "9 m", "false", "",
    ),
)  # fmt: skip


def example_zip() -> bytes:
    """`items.csv` (UTF-8 with BOM, which Excel needs) and `images/triangle.png`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("items.csv", _STAMP), _items().encode("utf-8-sig"))
        archive.writestr(zipfile.ZipInfo("images/triangle.png", _STAMP), _triangle())
    return packed.getvalue()


def _items() -> str:
    text = io.StringIO()
    csv.writer(text).writerows([_COLUMNS, *_ROWS])
    return text.getvalue()


def _triangle() -> bytes:
    image = Image.new("RGB", (320, 240), "white")
    draw = ImageDraw.Draw(image)
    draw.polygon([(40, 200), (280, 200), (160, 30)], outline="black", width=3)
    for place, label in (((62, 180), "60°"), ((228, 180), "60°"), ((155, 55), "x")):
        draw.text(place, label, fill="black", font_size=20)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()
