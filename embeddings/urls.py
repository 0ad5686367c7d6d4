from django.contrib import admin
from django.urls import path

from embeddings.admin.history import history_clear, history_delete, history_page
from embeddings.admin.marking import mark_view
from embeddings.admin.marks import mark_delete, marks_page
from embeddings.admin.search import preview, search_page, suggestions

inside = admin.site.admin_view
urlpatterns = [
    path("search/", inside(search_page), name="item-search"),
    path("search/preview/", inside(preview), name="search-preview"),
    path("search/suggestions/", inside(suggestions), name="search-suggestions"),
    path("search/history/", inside(history_page), name="search-history"),
    path("search/history/clear/", inside(history_clear), name="search-history-clear"),
    path("search/history/<int:pk>/delete/", inside(history_delete), name="search-history-delete"),
    path("search/mark/", inside(mark_view), name="search-mark"),
    path("search/marks/", inside(marks_page), name="search-marks"),
    path("search/marks/<int:pk>/delete/", inside(mark_delete), name="search-mark-delete"),
]
