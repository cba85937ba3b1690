"""The app of the floors."""

from __future__ import annotations

from django.apps import AppConfig


class FloorsConfig(AppConfig):
    """benchmarks.floors in INSTALLED_APPS."""

    name = "benchmarks.floors"
    label = "floors"
