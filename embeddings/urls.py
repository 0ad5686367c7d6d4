from django.contrib import admin
from django.urls import path

from embeddings.admin.history import history_page
from embeddings.admin.marking import mark_view
from embeddings.admin.search import search_page

urlpatterns = [
    path("search/", admin.site.admin_view(search_page), name="item-search"),
    path("search/history/", admin.site.admin_view(history_page), name="search-history"),
    path("search/mark/", admin.site.admin_view(mark_view), name="search-mark"),
]
