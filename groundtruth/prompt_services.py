"""What may be done with prompts and prices. Each function owns its transaction."""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max

from groundtruth.audit import record
from groundtruth.judge_services import may_spend
from groundtruth.models import ModelPrice, Prompt


@transaction.atomic
def create_prompt(*, kind: str, instructions: str, note: str = "", user: User | None = None) -> Prompt:
    """The next version of the kind's prompt."""
    written = Prompt.objects.select_for_update().filter(kind=kind).order_by("-version")
    list(written[:1])  # two who write at once: the second waits for the first and gets the version after it
    newest = Prompt.objects.filter(kind=kind).aggregate(newest=Max("version"))["newest"] or 0
    return Prompt.objects.create(
        kind=kind, version=newest + 1, instructions=instructions.strip(), note=note, created_by=user
    )


@transaction.atomic
def save_price(*, price: ModelPrice, user: User) -> ModelPrice:
    """Write a price, new or changed, with its line in the audit trail. Raises PermissionDenied."""
    may_spend(user)
    before = ModelPrice.objects.select_for_update().filter(pk=price.pk).first()
    price.save()
    record(
        target=price.model,
        action="price",
        old=price_figures(before) if before else None,
        new=price_figures(price),
        user=user,
    )
    return price


def price_figures(price: ModelPrice) -> dict[str, str]:
    names = ("input_usd", "output_usd", "batch_share", "image_base_tokens", "image_tile_tokens")
    return {"model": price.model} | {name: str(getattr(price, name)) for name in names}
