"""What an encoder gets to see of the items of a claim."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from django.core.files.storage import default_storage
from django.utils.translation import gettext as _
from PIL import Image

from embeddings.encoders.base import EncoderBackend, EncoderInput, Features, Role
from embeddings.encoders.errors import ItemInputError
from embeddings.models import Encoder
from embeddings.pipeline.leases import Claim
from embeddings.selectors import items_for, items_with_current_vector
from itembank.canonical import embedding_text
from itembank.models import Item, ItemImage

SEEN_ROLES = (ItemImage.Role.QUESTION, ItemImage.Role.CHOICE)


@dataclass(frozen=True, slots=True)
class Picture:
    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Content:
    """What an item holds for a model, as it was when it was read; the pictures are not opened yet."""

    content_hash: str
    text: str
    pictures: tuple[Picture, ...]
    picture_missing: bool


@dataclass(frozen=True, slots=True)
class Work:
    """One item to embed, as it was when it was read."""

    claim: Claim
    content_hash: str
    text: str
    pictures: tuple[Picture, ...]
    picture_missing: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item got no vector. A final one would fail again: nothing is gained by trying."""

    work: Work
    reason: str
    final: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    works: tuple[Work, ...]
    features: Features
    failures: tuple[Failure, ...]


def read_works(claims: Sequence[Claim]) -> list[Work]:
    """The items of the claims as they are now, in their order; an item that is gone is left out."""
    found = read_contents([claim.item_id for claim in claims])
    works = ((claim, found[claim.item_id]) for claim in claims if claim.item_id in found)
    return [Work(claim, each.content_hash, each.text, each.pictures, each.picture_missing) for claim, each in works]


def read_contents(item_ids: Sequence[int]) -> dict[int, Content]:
    """Items as they are now, by id; one that is gone is left out.

    The hash is read before the pictures: should an edit come between, the vector's hash is the old one and the guard
    refuses it. The other way round, old pictures would pass under the new hash.
    """
    rows = list(Item.objects.filter(pk__in=item_ids).values_list("id", "content_hash", "text", "choices", "category"))
    pictures = _pictures(item_ids)
    return {pk: _content(*rest, pictures=tuple(pictures[pk])) for pk, *rest in rows}


def _content(
    content_hash: str, text: str, choices: list[str], category: str, *, pictures: tuple[Picture, ...]
) -> Content:
    missing = category == Item.ItemCategory.IMAGE and not pictures
    return Content(content_hash, embedding_text(text=text, choices=choices), pictures, missing)


def _pictures(item_ids: Sequence[int]) -> defaultdict[int, list[Picture]]:
    """By item: those of the question, then those of its choices."""
    found: defaultdict[int, list[Picture]] = defaultdict(list)
    images = ItemImage.objects.filter(item__in=item_ids, role__in=SEEN_ROLES).order_by("item", "-role", "position")
    for item_id, *picture in images.values_list("item_id", "file", "width", "height"):
        found[item_id].append(Picture(*picture))
    return found


def needless(encoder: Encoder, claims: Sequence[Claim], *, renew: bool) -> tuple[list[Claim], list[Claim]]:
    """Claims with nothing to do: those of items that hold nothing for this space, and those with a current vector.

    An edit may take an item's last figure away, and another job may have been faster; `renew` disregards the latter.
    """
    ids = [claim.item_id for claim in claims]
    suited = set(items_for(encoder).filter(pk__in=ids).values_list("pk", flat=True))
    current = (
        set() if renew else set(items_with_current_vector(encoder).filter(pk__in=ids).values_list("pk", flat=True))
    )
    unsuited = [claim for claim in claims if claim.item_id not in suited]
    return unsuited, [claim for claim in claims if claim.item_id in current & suited]


def estimated_cost(backend: EncoderBackend, work: Work) -> int:
    """The backend's estimate, by pictures of the right size that hold nothing: memory never touched is never taken."""
    blanks = (Image.new("RGB", (picture.width, picture.height), None) for picture in work.pictures)
    return backend.cost(EncoderInput(work.text, tuple(blanks)))


def prepare(backend: EncoderBackend, works: Sequence[Work]) -> Prepared:
    """Open and preprocess each item by itself, so that what goes wrong is that item's alone. Uses no database."""
    done: list[tuple[Work, Features]] = []
    failures = []
    for work in works:
        try:
            done.append((work, backend.preprocess([opened(work)], Role.DOCUMENT)))
        except ItemInputError as error:
            failures.append(Failure(work, error.reason, final=True))
        except Exception as error:  # a backend may raise anything, and only this item is touched
            failures.append(Failure(work, describe(error), final=False))
    return Prepared(tuple(work for work, _ in done), Features.join(features for _, features in done), tuple(failures))


def describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def opened(content: Content | Work) -> EncoderInput:
    """What the backend sees. Raises ItemInputError where a picture cannot be opened."""
    if content.picture_missing:
        raise ItemInputError(0, _("The item has a picture, but none is stored. Upload the item again."))
    return EncoderInput(content.text, tuple(_open(picture.name) for picture in content.pictures))


def _open(name: str) -> Image.Image:
    """A stored picture in RGB. They are upright and opaque since their upload."""
    try:
        with default_storage.open(name, "rb") as file, Image.open(BytesIO(file.read())) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        reason = _("The picture %(name)s is missing from the media folder. Upload the item again.")
    except (OSError, SyntaxError, ValueError):  # what decoders raise on a file cut off or overwritten
        reason = _("The picture %(name)s cannot be read. Upload the item again.")
    raise ItemInputError(0, reason % {"name": name})
