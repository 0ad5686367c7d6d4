"""Uploads: a plain list, until their preview is here."""

from django.contrib import admin

from itembank.admin.base import ModelAdmin
from itembank.models import UploadBatch


@admin.register(UploadBatch)
class UploadBatchAdmin(ModelAdmin[UploadBatch]):
    list_display = ("file_name", "state", "total_rows", "created_at")
