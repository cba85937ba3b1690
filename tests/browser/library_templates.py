"""Settings: the example shop without its own base template for the payment pages, so that the library's is shown."""

from __future__ import annotations

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as APPS

INSTALLED_APPS = ["django_payram", *(app for app in APPS if app != "django_payram")]
