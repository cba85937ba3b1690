"""Start-up: what django_payram adds to the imports of a web worker that has Django, its admin and REST framework.

python -m benchmarks.startup
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from benchmarks.measuring.arguments import positive
from benchmarks.measuring.command import Benchmark, main
from benchmarks.measuring.results import Results, at_most, compared
from benchmarks.measuring.rounds import interleaved
from benchmarks.stage.processes import ROOT

if TYPE_CHECKING:
    import argparse

MOST_MILLISECONDS = 60

# A web worker that is ready: apps, the admin's modules, and the URLs with every view they name.
# importtime does not see what Django imports by name with import_module(), so that goes through __import__ here.
WORKER = """
import importlib, sys, types
importlib.import_module = lambda name, package=None: (__import__(name), sys.modules[name])[1]
from django.conf import settings
contrib = [f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes", "messages", "sessions")]
settings.configure(
    INSTALLED_APPS=[*contrib, "rest_framework", *%(apps)r],
    ROOT_URLCONF="urls",
    USE_TZ=True,
    PAYRAM={"default": {"BASE_URL": "https://pay.example.com", "API_KEY": "0123456789abcdef"}},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
import django
django.setup()
from django.contrib import admin
from django.urls import get_resolver, include, path
import rest_framework.views
urls = sys.modules["urls"] = types.ModuleType("urls")
urls.urlpatterns = [path("admin/", admin.site.urls)]
%(more)s
get_resolver().url_patterns
"""
FLOOR = WORKER % {"apps": [], "more": ""}
PRODUCT = WORKER % {
    "apps": ["django_payram"],
    "more": 'import django_payram.views.api; urls.urlpatterns.append(path("payram/", include("django_payram.urls")))',
}
LINE = re.compile(r"^import time:\s+(\d+) \|", re.MULTILINE)


def import_milliseconds(code: str, *, cache: str) -> float:
    """Return what a fresh interpreter spends in imports while it runs ``code``, by ``-X importtime``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        # Compiled once, by the first round: a shop's worker finds its modules compiled as well.
        env={**kept, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": cache},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sum(map(int, LINE.findall(run.stderr))) / 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take how many interpreters are started."""
    parser.add_argument("--starts", type=positive, default=15, help="interpreters a side (default: %(default)s)")


def measure(options: argparse.Namespace) -> Results:
    """Start interpreters with and without the app."""
    with tempfile.TemporaryDirectory(prefix="payram-startup-") as cache:
        measured = interleaved(
            {
                "floor": lambda: import_milliseconds(FLOOR, cache=cache),
                "product": lambda: import_milliseconds(PRODUCT, cache=cache),
            },
            rounds=options.starts,
            title="startup",
        )
    comparison = compared(
        "startup",
        "a web worker's imports",
        "ms",
        product=measured["product"],
        floor=measured["floor"],
        floor_name="Django, its admin and REST framework",
        kind="difference",
        goal=at_most(MOST_MILLISECONDS),
    )
    return Results(comparisons=[comparison])


BENCHMARK = Benchmark("startup", __doc__, add_arguments, measure, in_environment=False)

if __name__ == "__main__":
    main(BENCHMARK)
