"""A setting with one project."""

from __future__ import annotations

import pytest

from tests.conf.helpers import PLAIN


@pytest.fixture
def declare(settings):
    """Write one project named ``default`` into the setting."""

    def write(**options):
        settings.PAYRAM = {"default": {**PLAIN, **options}}

    return write
