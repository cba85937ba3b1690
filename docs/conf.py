"""Sphinx: ``sphinx-build -W docs docs/_build``."""

from __future__ import annotations

import django_payram

project = "django_payram"
author = "the django_payram authors"
copyright = "2026, the django_payram authors"  # noqa: A001 - Sphinx's own name
release = version = django_payram.__version__
html_theme = "furo"
exclude_patterns = ["_build"]
