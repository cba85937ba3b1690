"""The addresses of the shop."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from benchmarks.shop import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("payram/", include("django_payram.urls")),
    path("orders/<int:pk>/pay/", views.PayOrder.as_view(), name="pay-order"),
    path("orders/<int:pk>/pay/parcel/", views.PayParcel.as_view(), name="pay-parcel"),
    path("orders/<int:pk>/withdraw/", views.withdraw_links),
    path("orders/<int:pk>/send-back/", views.send_back),
    path("orders/<int:pk>/merge/", views.merge),
    path("ready/", views.ready, name="ready"),
]
