"""Names of the fields of an item, and the other names under which files bring them."""

from __future__ import annotations

import re
import unicodedata

FIELDS = frozenset(
    {
        "id", "subject", "grade", "unit", "item_type", "difficulty", "text", "image_path", "has_image",
        "metadata", "choices", "answer", "explanation", "curriculum_code", "cognitive_level",
        "explanation_image_path", "choice_image_paths",
    }
)  # fmt: skip
CHOICE_COLUMNS = tuple(f"choice_{number}" for number in range(1, 6))
KNOWN = FIELDS | set(CHOICE_COLUMNS)

_OTHER_NAMES = {
    "id": "code, item_id, item_code, 문항코드, 문항번호, 문항id, 문항아이디, 코드",
    "subject": "과목, 교과",
    "grade": "학년, 학년군",
    "unit": "단원, 단원명",
    "item_type": "유형, 문항유형, 문제유형",
    "difficulty": "난이도",
    "text": "본문, 문항, 문제, 발문, 지문, 문항본문, 문제본문",
    "image_path": "이미지, 이미지경로, 이미지파일, 그림, 그림파일",
    "has_image": "이미지여부, 이미지유무, 그림여부, 그림유무",
    "metadata": "메타데이터, 부가정보",
    "choices": "선택지, 선지, 답지",
    "answer": "정답, 답",
    "explanation": "해설, 풀이",
    "curriculum_code": "성취기준, 성취기준코드, 교육과정코드",
    "cognitive_level": "인지수준, 행동영역, 인지영역",
    "explanation_image_path": "해설이미지, 해설그림",
    "choice_image_paths": "선택지이미지, 선지이미지, 선택지그림",
}


def _squashed(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", unicodedata.normalize("NFC", name)).casefold()


def _table() -> dict[str, str]:
    table = {_squashed(name): name for name in (*FIELDS, *CHOICE_COLUMNS)}
    for field, names in _OTHER_NAMES.items():
        table |= {_squashed(name): field for name in names.split(",")}
    for number, column in enumerate(CHOICE_COLUMNS, start=1):
        table |= {f"{word}{number}": column for word in ("선택지", "선지", "답지", "보기")}
    return table


_FIELD_BY_NAME = _table()


def field_named(name: str) -> str | None:
    """The field that a column or key means, whatever its case, spaces or language; None where it means none."""
    return _FIELD_BY_NAME.get(_squashed(name))
