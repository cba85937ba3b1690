"""What ``manage.py check`` says about PayRam in django-oscar."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from oscar.core.loading import get_class

from django_payram import conf
from django_payram.contrib.oscar.orders import leads_to, order_model, paid_status
from django_payram.models import USD

Messages = list[checks.CheckMessage]


def check_status(**_kwargs: Any) -> Messages:
    """W001: the pipeline does not lead to the status of paid orders, or not from the one that orders begin with."""
    wanted, first = paid_status(), getattr(settings, "OSCAR_INITIAL_ORDER_STATUS", "")
    if not wanted or (leads_to(wanted) and wanted in order_model().pipeline.get(first, ())):
        return []
    return [
        checks.Warning(
            f"OSCAR_ORDER_STATUS_PIPELINE leads not from {first!r} to {wanted!r}.",
            hint="Paid orders would not get the status that PAYRAM_OSCAR_PAID_STATUS names: add it to the pipeline.",
            id="payram_oscar.W001",
        )
    ]


def check_apps(**_kwargs: Any) -> Messages:
    """W002: below Oscar's apps ours is not asked for a template."""
    labels = [app.label for app in apps.get_app_configs()]
    if labels.index("payram_oscar") < labels.index("oscar"):
        return []
    return [
        checks.Warning(
            "django_payram.contrib.oscar stands below Oscar in INSTALLED_APPS.",
            hint='Put it above "oscar.config.Shop": its templates add the payment to the pages of Oscar.',
            id="payram_oscar.W002",
        )
    ]


def check_checkout(**_kwargs: Any) -> Messages:
    """W003: the shop's checkout does not know of PayRam."""
    from django_payram.contrib.oscar.checkout.mixins import PayramCheckout  # noqa: PLC0415 - needs Oscar's classes

    if issubclass(get_class("checkout.views", "PaymentDetailsView"), PayramCheckout):
        return []
    return [
        checks.Warning(
            "No order is paid through PayRam: the PaymentDetailsView of the checkout is not a PayramCheckout.",
            hint=(
                'Put "django_payram.contrib.oscar.checkout" in the place of "oscar.apps.checkout.apps.CheckoutConfig", '
                "or PayramCheckout of its module mixins before the base class of your own view."
            ),
            id="payram_oscar.W003",
        )
    ]


def check_currency(**_kwargs: Any) -> Messages:
    """W004: PayRam asks for US dollars, and the shop sells in another currency without exchange rates."""
    currency = getattr(settings, "OSCAR_DEFAULT_CURRENCY", USD)
    try:
        has_rates = conf.project(conf.DEFAULT_PROJECT).rates is not None
    except ImproperlyConfigured:
        # django_payram's own checks say so.
        return []
    if currency == USD or has_rates:
        return []
    return [
        checks.Warning(
            f"OSCAR_DEFAULT_CURRENCY is {currency!r}, and the setting PAYRAM has no RATES: no order can be paid.",
            hint="Set the option RATES to a function that knows the US dollars of one unit, or sell in US dollars.",
            id="payram_oscar.W004",
        )
    ]


def register() -> None:
    """Add the checks to those that ``manage.py check`` runs."""
    for check in (check_status, check_apps, check_checkout, check_currency):
        checks.register(check)
