"""The URLs of the test shop."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from tests.shop import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("payram/", include("django_payram.urls")),
    path("orders/<str:pk>/pay/", views.PayOrder.as_view(), name="pay-order"),
    path("async/orders/<str:pk>/pay/", views.PayOrderAsync.as_view(), name="async-pay-order"),
    path("api/orders/<str:pk>/pay/", views.PayOrderAPI.as_view(), name="api-pay-order"),
]
