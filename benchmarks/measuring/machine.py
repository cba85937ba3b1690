"""On what a run was made: figures of two machines cannot be compared, ratios mostly can."""

from __future__ import annotations

import datetime as dt
import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("Django", "djangorestframework", "psycopg", "requests", "gunicorn")


def machine(postgresql: str = "") -> dict[str, str]:
    """Return what the machine is, which versions ran on it, and the date."""
    facts = {
        "date": dt.datetime.now(tz=dt.timezone.utc).date().isoformat(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }
    return facts | ({"PostgreSQL": postgresql} if postgresql else {})


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
