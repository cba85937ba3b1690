"""The shop as a Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ShopConfig(AppConfig):
    """A small shop for coffee and tea."""

    name = "shop"
    verbose_name = _("Shop")
