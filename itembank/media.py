"""Stored files, for signed-in staff only: exam items are confidential until the exam."""

import logging
import posixpath
from collections.abc import Callable
from functools import update_wrapper
from pathlib import PurePosixPath
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, SuspiciousFileOperation
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from itembank.models import ItemImage
from itembank.thumbnails import SIZES, ThumbnailError, thumbnail

logger = logging.getLogger(__name__)

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

SHOWN_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
"""What a browser may show; anything else, such as an uploaded file as it came, is only ever downloaded."""


def staff_only(view: View[P]) -> View[P]:
    """Visitors are asked to sign in; signed-in people who are not staff are refused."""

    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not (request.user.is_active and request.user.is_staff):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return update_wrapper(guarded, view)


@require_safe
@staff_only
def serve_media(request: HttpRequest, path: str) -> FileResponse:
    """A file under MEDIA_ROOT. 404 where there is none, also for a path that leads out of it.

    An upload as it came holds whole exams with their answers, so it takes the permission to upload.
    """
    if posixpath.normpath(path).startswith("uploads/") and not request.user.has_perm("itembank.add_uploadbatch"):
        raise PermissionDenied
    try:
        file = default_storage.open(path)
    except (OSError, ValueError, SuspiciousFileOperation) as error:
        raise Http404 from error
    return _file_response(file, path)


@require_safe
@staff_only
def serve_thumbnail(request: HttpRequest, pk: int, size: int) -> FileResponse:
    """The thumbnail of an item image in one of the SIZES."""
    if size not in SIZES:
        raise Http404
    return thumbnail_response(get_object_or_404(ItemImage, pk=pk), size)


def image_response(image: ItemImage) -> FileResponse:
    """The stored file of an image. 404 where it is missing."""
    try:
        file = image.file.storage.open(image.file.name)
    except OSError as error:
        raise Http404 from error
    return _file_response(file, image.file.name)


def thumbnail_response(image: ItemImage, size: int) -> FileResponse:
    """The thumbnail of an image, which need not be saved. 404 where the stored file is missing or broken."""
    try:
        file = thumbnail(image, size).open("rb")
    except ThumbnailError as error:
        logger.warning("no thumbnail of image %s: %s", image.pk, error)
        raise Http404 from error
    return _harmless(FileResponse(file, content_type="image/webp"))


def _file_response(file: File[bytes], path: str) -> FileResponse:
    shown = SHOWN_TYPES.get(PurePosixPath(path).suffix.lower())
    content_type = shown or "application/octet-stream"
    return _harmless(FileResponse(file, as_attachment=shown is None, content_type=content_type))


def _harmless(response: FileResponse) -> FileResponse:
    """Whatever the bytes are, the browser neither guesses their type, runs them, nor keeps them for others."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, max-age=86400"
    return response
