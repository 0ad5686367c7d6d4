"""A raw row becomes an item draft, or the list of all that is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from itembank.canonical import normalise_text

from . import values
from .columns import CHOICE_COLUMNS, FIELDS, KNOWN, field_named
from .drafts import ImageDraft, ImageError, ItemDraft, ParsedRow, RowError
from .raw import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_stubs_ext import StrOrPromise

    from .drafts import ImageRole, JSONValue
    from .images import ImageSource
    from .raw import RawRow


class RowParser:
    """Parses the rows of one upload; remembers their ids, since an id may come once only."""

    def __init__(self, images: ImageSource) -> None:
        self._images = images
        self._first_row_by_code: dict[str, int] = {}

    def parse(self, raw: RawRow) -> ParsedRow:
        if raw.errors:
            return raw.rejected(raw.errors)
        reading = _Reading(raw.row, _by_field(raw.fields))
        draft = reading.draft()
        self._refuse_second(reading, draft.code)
        self._resolve_images(reading, draft.images)
        return raw.rejected(tuple(reading.errors)) if reading.errors else draft

    def _refuse_second(self, reading: _Reading, code: str) -> None:
        first = self._first_row_by_code.setdefault(code, reading.row) if code else reading.row
        if first != reading.row:
            message = _("The id “{code}” is in row {first} already. Give each item its own id.")
            reading.refuse("id", "id-duplicate", format_lazy(message, code=shown(code), first=first))

    def _resolve_images(self, reading: _Reading, drafts: tuple[ImageDraft, ...]) -> None:
        for draft in drafts:
            try:
                self._images.resolve(draft.path)
            except ImageError as error:
                reading.errors.append(error.at(reading.row, IMAGE_FIELDS[draft.role]))


IMAGE_FIELDS: dict[ImageRole, str] = {
    "question": "image_path",
    "explanation": "explanation_image_path",
    "choice": "choice_image_paths",
}


def _by_field(fields: Mapping[str, JSONValue]) -> dict[str, JSONValue]:
    """Fields under their canonical names; others keep their own. A name that is taken already is not taken over."""
    if fields.keys() <= FIELDS:
        return dict(fields)
    result = {name: value for name, value in fields.items() if name in KNOWN}
    for name, value in fields.items():
        field = field_named(name)
        result.setdefault(name if field is None or field in result else field, value)
    return result


class _Reading:
    """Reads the fields of one row, collecting what is wrong."""

    def __init__(self, row: int, fields: dict[str, JSONValue]) -> None:
        self.row = row
        self.errors: list[RowError] = []
        self._fields = fields

    def refuse(self, field: str, code: str, message: StrOrPromise) -> None:
        self.errors.append(RowError(self.row, field, code, message))

    def draft(self) -> ItemDraft:
        choices = self._choices()
        images = self._images(choices)
        return ItemDraft(
            row=self.row,
            code=self._code(),
            subject=self._required("subject"),
            grade=self._line("grade"),
            unit=self._line("unit"),
            item_type=values.item_type_named(self._line("item_type")),
            difficulty=self._difficulty(),
            text=self._question_text(images),
            choices=choices,
            answer=self._text("answer"),
            explanation=self._text("explanation"),
            curriculum_code=self._line("curriculum_code"),
            cognitive_level=self._line("cognitive_level"),
            metadata=self._metadata(),
            images=images,
        )

    def _checked(self, field: str, value: JSONValue) -> str:
        text = value if isinstance(value, str) else values.as_text(value)
        if text is None:
            self.refuse(field, "wrong-type", _("This must be text."))
            return ""
        text = values.cleaned(text)
        if not text.isprintable():
            self._refuse_control_characters(field, text)
        if len(text) > values.LENGTHS[field]:
            self._refuse_long(field, text.strip(), values.LENGTHS[field])
        return text

    def _refuse_control_characters(self, field: str, text: str) -> None:
        character = values.control_character(text)
        if character:
            message = _("It contains the control character {character}. Remove it.")
            self.refuse(field, "control-character", format_lazy(message, character=character))

    def _refuse_long(self, field: str, text: str, limit: int) -> None:
        if len(text) > limit:
            message = _("It has {length} characters; at most {limit} are possible.")
            self.refuse(field, "too-long", format_lazy(message, length=len(text), limit=limit))

    def _line(self, field: str) -> str:
        value = self._fields.get(field)
        if value is None or value == "":
            return ""
        text = self._checked(field, value).strip()
        if "\n" in text:
            self.refuse(field, "line-break", _("It must be one line. Remove the line break."))
        return text

    def _text(self, field: str) -> str:
        value = self._fields.get(field)
        return "" if value is None or value == "" else normalise_text(self._checked(field, value))

    def _required(self, field: str) -> str:
        failures = len(self.errors)
        value = self._line(field)
        if not value and len(self.errors) == failures:
            self.refuse(field, "required", _("This is required and is empty."))
        return value

    def _code(self) -> str:
        code = self._required("id")
        if not code.isprintable() or " " in code:
            message = _("An id must have no blanks, line breaks or invisible characters.")
            self.refuse("id", "id-characters", message)
        return code

    def _question_text(self, images: tuple[ImageDraft, ...]) -> str:
        failures = len(self.errors)
        text = self._text("text")
        if not text and len(self.errors) == failures and not any(image.role == "question" for image in images):
            self.refuse("text", "item-empty", _("The item has neither a text nor an image. Give one of them."))
        return text

    def _difficulty(self) -> int | None:
        name = self._line("difficulty")
        if not name:
            return None
        level = values.difficulty_named(name)
        if level is None:
            message = _("The difficulty “{value}” is unknown. Write 1 to 5, or 하, 중 or 상.")
            self.refuse("difficulty", "difficulty-unknown", format_lazy(message, value=shown(name)))
        return level

    def _choices(self) -> tuple[str, ...]:
        listed = self._listed_choices()
        if listed is None or listed == "":
            return ()
        if not isinstance(listed, list):
            self.refuse("choices", "wrong-type", _("This must be a list of texts."))
            return ()
        if len(listed) > values.MAX_CHOICES:
            message = format_lazy(_("At most {limit} choices are possible."), limit=values.MAX_CHOICES)
            self.refuse("choices", "too-many", message)
        return tuple(normalise_text(self._checked("choices", "" if choice is None else choice)) for choice in listed)

    def _listed_choices(self) -> JSONValue:
        listed = self._fields.get("choices")
        if self._fields.keys() <= FIELDS:
            return listed
        single = [self._fields.get(name) for name in CHOICE_COLUMNS]
        while single and (single[-1] is None or single[-1] == ""):
            single.pop()
        if single and listed:
            message = _("The choices are in one column and in several. Leave one of the two empty.")
            self.refuse("choices", "choices-twice", message)
        return single or listed

    def _images(self, choices: tuple[str, ...]) -> tuple[ImageDraft, ...]:
        question = self._paths("question")
        explanation = self._paths("explanation")
        pictured = self._paths("choice")
        self._check_choices(choices, pictured)
        self._check_has_image(bool(question or pictured))
        return (*question, *explanation, *pictured)

    def _paths(self, role: ImageRole) -> tuple[ImageDraft, ...]:
        field = IMAGE_FIELDS[role]
        value = self._fields.get(field)
        if value is None or value == "":
            return ()
        listed = value if isinstance(value, list) else [value]
        if len(listed) > values.MAX_IMAGES:
            message = format_lazy(_("At most {limit} images are possible."), limit=values.MAX_IMAGES)
            self.refuse(field, "too-many", message)
        paths = [self._path(field, path) for path in listed]
        if role != "choice":  # the place of a choice's image says which choice it belongs to
            paths = [path for path in paths if path]
        return tuple(ImageDraft(role, place, path) for place, path in enumerate(paths) if path)

    def _path(self, field: str, value: JSONValue) -> str:
        if value is not None and not isinstance(value, str):
            self.refuse(field, "wrong-type", _("An image is named by its path, as text."))
            return ""
        path = (value or "").strip()
        if len(path) > values.LENGTHS["image_path"]:
            self.refuse(field, "too-long", _("This path is too long."))
            return ""
        return path

    def _check_choices(self, choices: tuple[str, ...], pictured: tuple[ImageDraft, ...]) -> None:
        places = {image.position for image in pictured}
        if choices and places and max(places) >= len(choices):
            message = _("There are more images than choices.")
            self.refuse("choice_image_paths", "choice-image-surplus", message)
        if any(not choice and place not in places for place, choice in enumerate(choices)):
            message = _("A choice is empty. Give it a text or an image, or remove it.")
            self.refuse("choices", "choice-empty", message)

    def _check_has_image(self, pictured: bool) -> None:
        value = self._fields.get("has_image")
        if value is None or value == "":
            return
        flag = values.as_flag(value)
        if flag is None:
            self.refuse("has_image", "flag-unknown", _("This must be true or false."))
        elif flag and not pictured:
            message = _("has_image is true, but image_path is empty. Give the path of the image.")
            self.refuse("image_path", "image-path-missing", message)
        elif pictured and not flag:
            message = _("has_image is false, but there is an image. Correct one of them.")
            self.refuse("has_image", "image-contradiction", message)

    def _metadata(self) -> dict[str, JSONValue]:
        given = self._fields.get("metadata")
        metadata = given if isinstance(given, dict) else {}
        if given is not None and given != "" and not isinstance(given, dict):
            self.refuse("metadata", "wrong-type", _('This must be an object: {"name": value}.'))
        if self._fields.keys() <= FIELDS:
            return metadata
        return {**metadata, **self._unknown_fields(metadata)}

    def _unknown_fields(self, metadata: dict[str, JSONValue]) -> dict[str, JSONValue]:
        unknown = {name: value for name, value in self._fields.items() if name not in KNOWN}
        for name, value in unknown.items():
            if name in metadata and metadata[name] != value:
                message = _(
                    "The unknown field “{name}” goes into metadata, but metadata has another “{name}”. Rename one."
                )
                self.refuse("metadata", "metadata-collision", format_lazy(message, name=shown(name)))
        return unknown
