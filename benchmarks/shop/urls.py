"""The addresses of the shop."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from benchmarks.shop import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("payram/", include("django_payram.urls")),
    path("orders/<int:pk>/pay/", views.PayOrder.as_view(), name="pay-order"),
    path("ready/", views.ready, name="ready"),
]
