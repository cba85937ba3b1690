"""``path("payram/", include("django_payram.contrib.oscar.urls"))`` in the shop's URLs."""

from __future__ import annotations

from django.urls import path

from django_payram.contrib.oscar.views import OrderView, PayOrderView

app_name = "payram_oscar"

urlpatterns = [
    path("orders/<str:order_number>/", OrderView.as_view(), name="order"),
    path("orders/<str:order_number>/pay/", PayOrderView.as_view(), name="pay"),
    path("orders/<str:order_number>/<str:proof>/pay/", PayOrderView.as_view(), name="pay-as-guest"),
]
