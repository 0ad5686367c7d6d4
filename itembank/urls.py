from django.contrib import admin
from django.urls import include, path, re_path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView

from itembank.api import site
from itembank.media import serve_media, serve_thumbnail
from itembank.monitoring.views import VIEWS

urlpatterns = [
    *(path(address.removeprefix("/"), require_safe(view)) for address, view in VIEWS.items()),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("media/thumbnails/<int:pk>/<int:size>/", serve_thumbnail, name="thumbnail"),
    path("media/<path:path>", serve_media, name="media"),
    path("api/v1/", include((site.urls(), "api"))),
    re_path("^api/", site.nothing_here),
    path("admin/", include("embeddings.urls")),
    path("admin/", include("groundtruth.urls")),
    path("admin/", admin.site.urls),
]
