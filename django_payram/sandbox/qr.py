"""The QR code of an address, drawn by segno when the extra ``qr`` is installed."""

from __future__ import annotations

import io
from importlib import import_module
from importlib.util import find_spec


def can_draw() -> bool:
    """Whether segno is there."""
    return find_spec("segno") is not None


def draw(text: str) -> bytes:
    """An SVG picture of the code, dark on white so that phones read it in any theme."""
    picture = io.BytesIO()
    code = import_module("segno").make(text, error="m", micro=False)
    code.save(picture, kind="svg", border=3, dark="#10221f", light="#ffffff", omitsize=True)
    return picture.getvalue()
