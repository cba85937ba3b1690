"""Mail in tests, under the settings of each version of Django."""

from __future__ import annotations

import django

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"

# From Django 6.0 on plain addresses, before it pairs of name and address.
MANAGERS = ["manager@example.org"] if django.VERSION >= (6, 0) else [("Manager", "manager@example.org")]


class Broken:
    """A back end whose server cannot be reached."""

    def __init__(self, **options):
        pass

    def send_messages(self, messages):
        raise OSError("no route to host")


def send_by(settings, backend):
    """Have mail sent by the back end of that dotted path."""
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": backend}}
    else:
        settings.EMAIL_BACKEND = backend
