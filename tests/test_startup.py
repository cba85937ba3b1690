"""What a shop's start costs: modules that are rarely needed are imported when they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

HEAVY = ("requests", "urllib3", "tqdm", "celery", "segno", "factory")

# Not tests.urls: REST framework, which only a shop with a JSON checkout imports, brings requests along by itself.
WEB_WORKER = "import django; django.setup(); import django_payram.urls"
PLUGIN = "import django_payram.testing.plugin"
ASKING = f"{WEB_WORKER}; from django_payram.gateway.client import client_for; from django_payram.conf import project"


def imported(code):
    """Return the modules that a fresh interpreter has imported once it has run ``code``."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.split())


@pytest.mark.parametrize("code", [WEB_WORKER, PLUGIN], ids=["web worker", "pytest plugin"])
def test_a_start_imports_nothing_that_only_asking_payram_needs(code):
    assert not imported(code) & {*HEAVY, "django_payram.doctor", "django_payram.sandbox"}


def test_the_pytest_plugin_does_not_import_django():
    """Settings may not be there yet, and other plugins want to see it imported."""
    assert "django" not in imported(PLUGIN)


def test_asking_payram_imports_requests():
    assert "requests" in imported(f"{ASKING}; client_for(project())")


def test_the_testing_aids_are_imported_on_demand():
    assert "requests" in imported(f"{WEB_WORKER}; from django_payram.testing import running_payram")
