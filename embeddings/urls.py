from django.contrib import admin
from django.urls import path

from embeddings.admin.search import search_page

urlpatterns = [path("search/", admin.site.admin_view(search_page), name="item-search")]
