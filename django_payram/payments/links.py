"""Links to PayRam's page, as far as the setting of now lets customers be sent there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from django_payram import conf
from django_payram.exceptions import PayramDataError
from django_payram.gateway.client import check_link

if TYPE_CHECKING:
    from django_payram.models import Payment


def usable_link(payment: Payment) -> str:
    """Return the page where the customer pays; ``""`` when there is none, or none that the setting allows any more.

    The setting may have changed since the link was made: another host, or https where there was http.
    """
    try:
        check_link(payment.url, conf.project(payment.project))
    except (PayramDataError, ImproperlyConfigured):
        return ""
    return payment.url
