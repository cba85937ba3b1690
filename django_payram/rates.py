"""Exchange rates for the option ``RATES``: US dollars per unit of a currency."""

from __future__ import annotations

from decimal import Decimal


def djmoney(currency: str) -> Decimal:
    """Return the US dollars that one unit of ``currency`` is worth, by the rates that django-money keeps.

    It needs ``djmoney.contrib.exchange`` in INSTALLED_APPS, and its command ``update_rates`` run by cron (the extra
    ``money`` installs django-money). Raises its ``MissingRate`` for a currency that it has no rate of.
    """
    from djmoney.contrib.exchange.models import get_rate  # noqa: PLC0415 - installed with the extra only

    return Decimal(get_rate(currency, "USD"))  # type: ignore[no-untyped-call] # ships no types
