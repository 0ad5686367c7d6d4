"""The Celery application. Tasks are doorbells: messages carry ids, PostgreSQL owns the work (docs/architecture.md)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itembank.settings")

app = Celery("itembank")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

from itembank import worker_signals  # noqa: E402, F401 - connects them, wherever messages are sent or taken
