"""Uploads: the bytes of a file become typed drafts with row errors. Pure: no database, nothing written.

Use::

    with open_upload(path, images=folder_or_zip) as upload:
        for parsed in upload.rows():  # ItemDraft | RowErrors, streaming
            ...
            for image in draft.images:
                clean = sanitise(upload.images.read(upload.images.resolve(image.path)))

What counts as a good row is in ``rows`` and ``values`` (lengths, item types, difficulty 1-5), names of fields and
columns in ``columns``. A field that is none of them is kept in ``metadata`` under its own name.

A draft's paths resolve; reading and sanitising may still raise ImageError (``error.at(row, field)`` is the row
error for it). UploadError refuses the file as a whole, on opening or, for a fault further down, between two rows.
"""

from .drafts import ImageDraft, ImageError, ItemDraft, ParsedRow, RowError, RowErrors, UploadError
from .images import ImageEntry, ImageSource
from .limits import Limits
from .opening import Upload, open_upload
from .pictures import CleanImage, sanitise
from .rows import IMAGE_FIELDS

__all__ = [
    "IMAGE_FIELDS",
    "CleanImage",
    "ImageDraft",
    "ImageEntry",
    "ImageError",
    "ImageSource",
    "ItemDraft",
    "Limits",
    "ParsedRow",
    "RowError",
    "RowErrors",
    "Upload",
    "UploadError",
    "open_upload",
    "sanitise",
]
