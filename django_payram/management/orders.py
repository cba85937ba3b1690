"""The order that a command is about, as ``APP.MODEL:KEY``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

if TYPE_CHECKING:
    from django.db.models import Model


def read_order(text: str) -> Model:
    """Return the order that ``--order`` names. Raises CommandError."""
    label, _colon, key = text.partition(":")
    if not key:
        raise CommandError(f"--order must be APP.MODEL:KEY, such as shop.order:42, not {text!r}.", returncode=2)
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError) as exc:
        raise CommandError(f"--order must be APP.MODEL:KEY, such as shop.order:42. {exc}", returncode=2) from exc
    try:
        order: Model | None = model._default_manager.filter(pk=key).first()  # noqa: SLF001 - Django's documented name
    except (ValueError, ValidationError) as exc:
        raise CommandError(f"{key!r} is no key of {label}.", returncode=2) from exc
    if order is None:
        raise CommandError(f"There is no {label} with the key {key!r}.")
    return order
