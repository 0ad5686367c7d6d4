"""Korean is complete: every message of ours has its translation, and the compiled catalogue is the written one."""

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation import gettext as django_gettext
from django.utils.translation import override
from django.utils.translation.template import templatize

from itembank.models import ItemImage

ROOT = Path(settings.BASE_DIR)
FLOORS = ("itembank", "embeddings", "groundtruth", "evaluation")
CATALOGUES = [path / "ko" / "LC_MESSAGES" for path in map(Path, settings.LOCALE_PATHS)]
FUNCTIONS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
STRING = r'"(?:[^"\\]|\\.)*"'
ENTRY = re.compile(
    rf"^msgid ((?:{STRING}\s*)+)(?:msgid_plural ((?:{STRING}\s*)+))?msgstr(?:\[0\])? ((?:{STRING}\s*)+)", re.MULTILINE
)
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}")


def _written(folder: Path) -> dict[str, str]:
    """Message -> translation, as the .po file has them."""
    source = (folder / "django.po").read_text(encoding="utf-8")
    found = {_value(entry[1]): _value(entry[3]) for entry in ENTRY.finditer(source)}
    found.pop("", None)
    return found


def _value(literals: str) -> str:
    return "".join(ast.literal_eval(literal) for literal in re.findall(STRING, literals))


def _messages_in_code() -> Iterator[str]:
    for floor in FLOORS:
        for path in (ROOT / floor).rglob("*.py"):
            yield from _messages(ast.parse(path.read_text(encoding="utf-8")))


def _messages_in_templates() -> Iterator[str]:
    """Django's own first step of makemessages: a template becomes code that calls gettext."""
    for floor in FLOORS:
        for path in (ROOT / floor).rglob("templates/**/*.html"):
            code = templatize(path.read_text(encoding="utf-8"))
            for call in re.finditer(rf"\bn?gettext\((u?{STRING}|u?'(?:[^'\\]|\\.)*')", code):
                yield ast.literal_eval(call[1])


def _messages(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
            literals = [each.value for each in node.args[:1] if isinstance(each, ast.Constant)]
            yield from (literal for literal in literals if isinstance(literal, str))


def test_every_message_in_the_code_has_its_korean() -> None:
    korean = {message: text for folder in CATALOGUES for message, text in _written(folder).items()}
    missing = sorted(
        {message for message in [*_messages_in_code(), *_messages_in_templates()] if not korean.get(message)}
    )
    assert missing == []


def test_no_translation_is_empty_or_a_guess() -> None:
    for folder in CATALOGUES:
        assert [message for message, text in _written(folder).items() if not text] == []
        assert ", fuzzy" not in (folder / "django.po").read_text(encoding="utf-8")


def test_translations_keep_the_placeholders() -> None:
    written = {message: text for folder in CATALOGUES for message, text in _written(folder).items()}
    changed = [
        message
        for message, text in written.items()
        if set(PLACEHOLDER.findall(message)) != set(PLACEHOLDER.findall(text))
    ]
    assert changed == []


@pytest.mark.parametrize("folder", CATALOGUES, ids=str)
def test_the_compiled_catalogue_is_the_written_one(folder: Path) -> None:
    with (folder / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    differing = [message for message, text in _written(folder).items() if _compiled(compiled, message) != text]
    assert differing == [], "run: manage.py compilemessages"


def test_buttons_whose_korean_django_words_badly_have_ours() -> None:
    with override("ko"):
        assert django_gettext("Save and add another") == "저장하고 하나 더 추가"
        assert django_gettext("Delete selected %(verbose_name_plural)s") == "선택한 %(verbose_name_plural)s 삭제"


def test_a_picture_of_an_item_is_named_by_its_place() -> None:
    with override("ko"):
        assert str(ItemImage(role="choice", position=0)) == "선택지 1"


def _compiled(catalogue: gettext.GNUTranslations, message: str) -> str:
    plain = catalogue.gettext(message)
    return plain if plain != message else catalogue.ngettext(message, message, 1)
