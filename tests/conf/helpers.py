"""Settings and what is said of them."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_payram import conf

KEY = "00112233445566778899aabbccddeeff"


OTHER_KEY = "ffeeddccbbaa99887766554433221100"


URL = "https://pay.example.com"


PLAIN = {"BASE_URL": URL, "API_KEY": KEY}


def complaint(name="default"):
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.project(name)
    return str(caught.value)
