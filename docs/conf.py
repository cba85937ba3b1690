"""Sphinx: ``sphinx-build -W docs docs/_build``."""

from __future__ import annotations

import django
from django.conf import settings

import django_payram

# The reference is made from docstrings, and models want settings.
settings.configure(
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "rest_framework",
        "django_payram",
    ],
    PAYRAM={},
    USE_TZ=True,
)
django.setup()

project = "django_payram"
author = "the django_payram authors"
copyright = "2026, the django_payram authors"  # noqa: A001 - Sphinx's own name
release = version = django_payram.__version__
extensions = ["sphinx.ext.autodoc"]
html_theme = "furo"
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

nitpicky = True
# Types in signatures, of Python and Django, and those of ours that no shop needs. Everything else must exist.
TYPES = (
    *("datetime", "timedelta", "Decimal", "Path", "UUID"),
    *("HttpRequest", "Model", "models.Model", "models.QuerySet", "django.db.models.base.Model"),
    *("Client", "Clock", "Delivery", "Send"),
)
nitpick_ignore = [("py:class", name) for name in TYPES]
