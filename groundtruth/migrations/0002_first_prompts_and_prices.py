"""The first version of both prompts, and the prices of the two models that are asked by default."""

from decimal import Decimal

from django.db import migrations

from groundtruth.judging.prompts import FIRST_PROMPTS

PRICES = {
    "gpt-4o": {"input_usd": Decimal("2.5"), "output_usd": Decimal("10"), "image_base_tokens": 85, "image_tile_tokens": 170},
    "gpt-4o-mini": {
        "input_usd": Decimal("0.15"),
        "output_usd": Decimal("0.6"),
        "image_base_tokens": 2833,
        "image_tile_tokens": 5667,
    },
}


def add_first_rows(apps, schema_editor):
    """Rows that are there, perhaps edited, stay as they are."""
    for kind, instructions in FIRST_PROMPTS.items():
        values = {"instructions": instructions, "note": "comes with the program"}
        apps.get_model("groundtruth", "Prompt").objects.get_or_create(kind=kind, version=1, defaults=values)
    for model, figures in PRICES.items():
        apps.get_model("groundtruth", "ModelPrice").objects.get_or_create(model=model, defaults=figures)


class Migration(migrations.Migration):

    dependencies = [
        ('groundtruth', '0001_initial'),
    ]

    operations = [
        migrations.RunPython(add_first_rows, migrations.RunPython.noop),
    ]
