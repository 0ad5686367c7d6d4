"""How items are shown in templates: rendered text, plain text, thumbnails."""

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from itembank import rendering
from itembank.models import Item, ItemImage
from itembank.thumbnails import fitted_size

register = template.Library()

EXCERPT_SOURCE_CHARS = 600
"""How much of a text is read for an excerpt: enough for a line, little enough for a hundred rows."""


@register.filter
def rendered(text: str) -> SafeString:
    """Safe HTML of an item's text, formulas as MathML."""
    return rendering.render_text(text)


@register.filter
def excerpt(text: str, length: int = 90) -> str:
    """The start of a text on one line, formulas as source."""
    return Truncator(rendering.plain_text(text[:EXCERPT_SOURCE_CHARS])).chars(length)


@register.simple_tag
def thumbnail(image: ItemImage | None, size: int = 96) -> SafeString | str:
    """An `<img>` of at most `size` pixels a side, loaded when it comes into view; nothing for None."""
    if image is None:
        return ""
    width, height = fitted_size(image, size)
    return format_html(
        '<img class="ib-thumb" src="{}?v={}" width="{}" height="{}" alt="{}" loading="lazy" decoding="async">',
        reverse("thumbnail", args=[image.pk, size]),
        image.sha256[:12],
        width,
        height,
        _("%(role)s image") % {"role": image.get_role_display()},
    )


@register.filter
def first_image(item: Item) -> ItemImage | None:
    """The image that stands for the item in lists: of the question if it has one. Reads prefetched images."""
    images = list(item.images.all())
    return next((image for image in images if image.role == ItemImage.Role.QUESTION), images[0] if images else None)
