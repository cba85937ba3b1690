"""The app's start: its system checks, and the addresses of an order for the pages of a payment."""

from __future__ import annotations

from django.apps import AppConfig


class PayramOscarConfig(AppConfig):
    """django_payram.contrib.oscar in INSTALLED_APPS, above Oscar's own apps: its templates extend theirs."""

    name = "django_payram.contrib.oscar"
    label = "payram_oscar"
    verbose_name = "PayRam in django-oscar"

    def ready(self) -> None:
        """Register the checks, and let Oscar's order know its addresses where the shop's model does not."""
        from django_payram.contrib.oscar import checks, orders  # noqa: PLC0415 - Oscar's models must be there

        checks.register()
        orders.give_addresses()
