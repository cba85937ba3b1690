"""Money in templates."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.template import Context, Template
from django.utils import translation

TEMPLATE = Template("{% load payram %}{{ amount|usd }}")


def shown(amount):
    return TEMPLATE.render(Context({"amount": amount}))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Decimal("49.99"), "49.99 USD"),
        (Decimal(5), "5.00 USD"),
        (5, "5.00 USD"),
        (Decimal(0), "0.00 USD"),
        (Decimal("49.98999999"), "49.98 USD"),
        (Decimal("0.00999"), "0.00 USD"),
        (Decimal("12345.60000000"), "12345.60 USD"),
        (Decimal("-9.995"), "-10.00 USD"),
        (None, ""),
    ],
)
def test_dollars_have_two_places_and_are_never_more_than_there_are(amount, text):
    assert shown(amount) == text


def test_dollars_stand_in_the_readers_format(settings):
    settings.USE_THOUSAND_SEPARATOR = True
    with translation.override("de"):
        assert shown(Decimal("12345.6")) == "12.345,60 USD"


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://chain.example/tx/1", "https://chain.example/tx/1"),
        ("http://chain.example/", "http://chain.example/"),
        ("javascript:alert(1)", ""),
        ("HTTPS://chain.example/", ""),
        ("https:chain.example", ""),
        (" https://chain.example/", ""),
        ("", ""),
    ],
)
def test_only_a_web_address_may_become_a_link(url, link):
    assert Template("{% load payram %}{{ url|web_address }}").render(Context({"url": url})) == link
