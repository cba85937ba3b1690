"""PayRam's payloads in every api_version, one file each. Values are made up, structure and types are real."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def sample(name):
    """Return the bytes of a sample, such as ``status/s3-open``."""
    return (FOLDER / f"{name}.json").read_bytes()


def names(kind):
    """Return the names of all samples of a kind, such as ``status``."""
    return sorted(f"{kind}/{path.stem}" for path in (FOLDER / kind).glob("*.json"))
