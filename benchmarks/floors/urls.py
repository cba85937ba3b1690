"""The addresses of the measured project."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from benchmarks.floors import views
from benchmarks.floors.admin import plain

urlpatterns = [
    path("admin/", admin.site.urls),
    path("plain/", plain.urls),
    path("payram/", include("django_payram.urls")),
    path("floor/webhook/", views.webhook),
    path("floor/asking-webhook/", views.asking_webhook),
    path("asking/", views.asking),
    path("ready/", views.empty, name="ready"),
]
