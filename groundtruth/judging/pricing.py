"""What a question costs: before it is asked, as expected and at most; after it, by the provider's count."""

import math
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from django.utils.translation import gettext as _

from groundtruth.judging.parameters import JudgeError, JudgeParameters
from groundtruth.judging.pictures import Size
from groundtruth.judging.questions import Question
from groundtruth.models import ModelPrice, Prompt

MILLION = 1_000_000
CENT_MILLIONTH = Decimal("0.00000001")  # the ledger's smallest sum; everything is rounded up to it

# Images of the provider's "high" detail: into a square of 2048, the shortest side to 768, in tiles of 512 pixels.
SQUARE, SHORTEST, TILE = 2_048, 768, 512

# What the provider adds to a request: roles, separators, the frame of the schema; and to each picture.
REQUEST_TOKENS, PICTURE_TOKENS = 100, 16
# Measured with the tokeniser of gpt-4o: lists of items as JSON take 0.28-0.30 tokens a byte (0.33 with many formulas),
# the first prompts 0.26-0.28; an entry with a reason of one sentence is 47 tokens, the scores of a pair are 51.
TOKENS_PER_BYTE = 0.3
ANSWER_TOKENS, ENTRY_TOKENS = 20, 60


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens in and out, and dollars."""

    input_tokens: int
    output_tokens: int
    usd: Decimal


def price_of(model: str) -> ModelPrice:
    """Raises JudgeError, saying where to add it, for a model without a price."""
    price = ModelPrice.objects.filter(model=model).first()
    if price is None:
        raise JudgeError(
            _("No price of %(model)s is on file. Add it in the admin under Prices of models.") % {"model": model}
        )
    return price


def expected_cost(question: Question, price: ModelPrice, parameters: JudgeParameters, batch: bool) -> Cost:
    """What it will probably cost: what is shown to the person who confirms."""
    pictures = sum(image_tokens(price, size, upscaled=False) for size in question.image_sizes)
    text = math.ceil(question.text_bytes * TOKENS_PER_BYTE)
    # Half of the candidates of a list are named.
    entries = math.ceil(question.count / 2) if question.kind == Prompt.Kind.LISTWISE else 1
    output = min(parameters.max_output_tokens, ANSWER_TOKENS + ENTRY_TOKENS * entries)
    return _cost(price, text + pictures, output, batch)


def maximum_cost(question: Question, price: ModelPrice, parameters: JudgeParameters, batch: bool) -> Cost:
    """What it can cost at most, which is put aside before it is sent.

    A token stands for at least one byte of UTF-8; pictures are counted as if the provider enlarged them; the answer is
    as long as allowed.
    """
    pictures = sum(PICTURE_TOKENS + image_tokens(price, size, upscaled=True) for size in question.image_sizes)
    return _cost(price, question.text_bytes + REQUEST_TOKENS + pictures, parameters.max_output_tokens, batch)


def charge(price: ModelPrice, input_tokens: int, output_tokens: int, batch: bool) -> Decimal:
    """Dollars for the tokens, rounded up to the ledger's smallest sum. Discounts for cached input are left out."""
    usd: Decimal = (input_tokens * price.input_usd + output_tokens * price.output_usd) / MILLION
    share: Decimal = price.batch_share if batch else Decimal(1)
    return (usd * share).quantize(CENT_MILLIONTH, ROUND_UP)


def image_tokens(price: ModelPrice, size: Size, *, upscaled: bool) -> int:
    return price.image_base_tokens + price.image_tile_tokens * tiles(size, upscaled=upscaled)


def tiles(size: Size, *, upscaled: bool) -> int:
    """Tiles of an image of (width, height) pixels. It is not said what happens to small ones, whence `upscaled`."""
    longest, shortest = max(size), min(size)
    scale = min(SQUARE / longest, SHORTEST / shortest)
    if not upscaled:
        scale = min(scale, 1.0)
    # A side of 512.0000001 is one of 512.
    across, down = (math.ceil(round(side * scale, 3) / TILE) for side in size)
    return across * down


def _cost(price: ModelPrice, input_tokens: int, output_tokens: int, batch: bool) -> Cost:
    return Cost(input_tokens, output_tokens, charge(price, input_tokens, output_tokens, batch))
