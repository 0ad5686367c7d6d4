"""Itembank: the Django project and its ground floor, the items."""

from itembank.celery import app as celery_app

__all__ = ["celery_app"]
