"""Installs the crash points in the shop's processes, once everything is imported."""

from __future__ import annotations

from django.apps import AppConfig

from tests.crashes import crash_points


class CrashesConfig(AppConfig):
    name = "tests.crashes"

    def ready(self):
        crash_points.install()
