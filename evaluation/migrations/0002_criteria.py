"""The criteria that the program brings; an admin may edit them."""

from django.db import migrations

# (name, kind, figure, direction, line, no-go line)
CRITERIA = (
    ("Top-5 recall", "metric", "R@5", "at-least", 0.80, 0.70),
    ("Top-10 recall", "metric", "R@10", "at-least", 0.90, None),
    ("MRR", "metric", "RR", "at-least", 0.65, None),
    ("Top-5 recall against the baseline", "baseline", "R@5", "at-least", -0.05, -0.15),
    ("P95 latency (ms)", "performance", "p95_ms", "at-most", 200, None),
    ("Memory (GB)", "performance", "memory_gb", "at-most", 8, None),
    ("Calls in a row", "performance", "calls_ok", "at-least", 1000, None),
)


def add_criteria(apps, schema_editor):
    """Rows that are there, perhaps edited, stay as they are."""
    for position, (name, kind, measure, direction, threshold, no_go) in enumerate(CRITERIA, start=1):
        apps.get_model("evaluation", "Criterion").objects.get_or_create(
            name=name,
            defaults={
                "kind": kind,
                "measure": measure,
                "direction": direction,
                "threshold": threshold,
                "no_go": no_go,
                "position": position,
            },
        )


class Migration(migrations.Migration):

    dependencies = [
        ('evaluation', '0001_initial'),
    ]

    operations = [
        migrations.RunPython(add_criteria, migrations.RunPython.noop),
    ]
