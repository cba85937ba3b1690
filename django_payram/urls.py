"""``path("payram/", include("django_payram.urls"))`` in the shop's URLs."""

from __future__ import annotations

from django.urls import path

from django_payram.views import HealthView, PayView, ReturnView, StatusView, WebhookView
from django_payram.views.decorators import outside_transactions
from django_payram.views.on_demand import OnDemandView

app_name = "payram"

API = "django_payram.views.api"

urlpatterns = [
    path("webhook/", WebhookView.as_view(), name="webhook"),
    # Without the slash as well: a redirect would lose the webhook.
    path("webhook", WebhookView.as_view()),
    path("payments/<uuid:token>/", StatusView.as_view(), name="status"),
    path("payments/<uuid:token>/pay/", PayView.as_view(), name="pay"),
    path("payments/<uuid:token>/state/", outside_transactions(OnDemandView(API, "StatusAPIView")), name="status-api"),
    path(
        "payments/<uuid:token>/methods/",
        outside_transactions(OnDemandView(API, "PaymentMethodsAPIView")),
        name="methods-api",
    ),
    path("return/", ReturnView.as_view(), name="return"),
    path("return", ReturnView.as_view()),
    path("health/", HealthView.as_view(), name="health"),
]
