"""The app's start: system checks, and the shop's receivers."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class DjangoPayramConfig(AppConfig):
    """django_payram in INSTALLED_APPS."""

    name = "django_payram"
    verbose_name = _("PayRam payments")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, watch deleted orders, and import every installed app's ``payram_receivers``."""
        from django_payram.conf import checks  # noqa: PLC0415 - the checks need the models
        from django_payram.payments import deleted_orders  # noqa: PLC0415

        checks.register()
        deleted_orders.watch()
        autodiscover_modules("payram_receivers")
