"""Exchange rates of django-money, with the real package in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

SHOP = """
import django
from django.conf import settings

settings.configure(
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "djmoney.contrib.exchange"],
)
django.setup()
from django.core.management import call_command
from djmoney.contrib.exchange.models import ExchangeBackend, Rate

call_command("migrate", verbosity=0)
backend = ExchangeBackend.objects.create(name="openexchangerates.org", base_currency="USD")
Rate.objects.create(backend=backend, currency="EUR", value="0.8")
from django_payram.rates import djmoney

{question}
"""


def answer(question):
    script = SHOP.format(question=textwrap.dedent(question))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_rate_is_in_us_dollars_for_one_unit_and_a_decimal():
    """F86."""
    assert answer("rate = djmoney('EUR'); print(type(rate).__name__, rate)") == "Decimal 1.25"


def test_a_currency_without_a_rate_raises():
    question = """
        from djmoney.contrib.exchange.exceptions import MissingRate
        try:
            djmoney("CHF")
        except MissingRate as exc:
            print(exc)
        """
    assert "CHF" in answer(question)
