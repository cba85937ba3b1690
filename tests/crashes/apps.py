"""Plants the moments of death into the shop's processes, once everything is imported."""

from __future__ import annotations

from django.apps import AppConfig

from tests.crashes import points


class CrashesConfig(AppConfig):
    name = "tests.crashes"

    def ready(self):
        points.plant()
