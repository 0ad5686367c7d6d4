"""The form of an upload."""

from typing import Any

from django import forms
from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from itembank.uploads.opening import READERS

ITEM_SUFFIXES = (*READERS, ".zip")


class UploadForm(forms.Form):
    """The item file and, where it is no ZIP that has them, its images. What they hold is checked by a worker."""

    file = forms.FileField(
        label=_("Item file"), widget=forms.FileInput(attrs={"accept": ",".join(ITEM_SUFFIXES), "autofocus": True})
    )
    images_file = forms.FileField(
        label=_("Images ZIP"), required=False, widget=forms.FileInput(attrs={"accept": ".zip"})
    )

    def clean_file(self) -> Any:
        return self._acceptable("file", ITEM_SUFFIXES)

    def clean_images_file(self) -> Any:
        return self._acceptable("images_file", (".zip",))

    def _acceptable(self, field: str, suffixes: tuple[str, ...]) -> Any:
        file = self.cleaned_data[field]
        if file and not file.name.lower().endswith(suffixes):
            message = _("This file is of no known kind. Give one of: %(suffixes)s.")
            raise forms.ValidationError(message, "format-unknown", {"suffixes": ", ".join(suffixes)})
        if file and file.size > settings.UPLOAD_MAX_BYTES:
            message = _("The file has %(size)s; at most %(limit)s are possible. Split it.")
            sizes = {"size": filesizeformat(file.size), "limit": filesizeformat(settings.UPLOAD_MAX_BYTES)}
            raise forms.ValidationError(message, "too-large", sizes)
        return file
