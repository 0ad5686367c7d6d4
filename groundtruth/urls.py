from django.contrib import admin
from django.urls import path

from groundtruth.admin.agreement import agreement_csv, agreement_page
from groundtruth.admin.from_marks import from_marks_page

urlpatterns = [
    path("groundtruth/from-thumbs/", admin.site.admin_view(from_marks_page), name="truth-from-marks"),
    path("groundtruth/agreement/<int:pk>/", admin.site.admin_view(agreement_page), name="truth-agreement"),
    path("groundtruth/agreement/<int:pk>/csv/", admin.site.admin_view(agreement_csv), name="truth-agreement-csv"),
]
