"""Settings of the measured project: the shop's, with its own orders and receivers."""

from __future__ import annotations

from benchmarks.shop.settings import *  # noqa: F403 - settings extend settings
from benchmarks.shop.settings import INSTALLED_APPS, PAYRAM, env

INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "benchmarks.shop"] + ["benchmarks.floors"]
ROOT_URLCONF = "benchmarks.floors.urls"

# Left to the shop; a floor with one statement more for every request would only flatter.
DATABASES["default"]["CONN_HEALTH_CHECKS"] = False  # noqa: F405

PAYRAM["default"]["CONFIRM_WEBHOOKS"] = env.bool("CONFIRM_WEBHOOKS", default=False)

LOGGING = {"version": 1, "loggers": {"django_payram": {"level": "ERROR"}}}
