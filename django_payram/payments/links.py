"""Links to PayRam's page, as far as the setting of now lets customers be sent there, and the mail with one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.core.mail import send_mail
from django.template.loader import render_to_string

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


def mail_link(payment: Payment, *, status_url: str = "") -> None:
    """Send the customer a mail with the link where to pay.

    A shop may override the templates ``django_payram/request_mail.txt`` and ``django_payram/request_mail_subject.txt``.
    ``status_url`` is the absolute address of the customer's page, if there is one. Raises ValueError for a payment that
    cannot be paid or has no address, and what the mail server raises.
    """
    url = usable_link(payment)
    if not (url and payment.is_open and payment.customer_email):
        raise ValueError("Only the link of an open payment with an e-mail address can be sent.")
    context = {"payment": payment, "url": url, "status_url": status_url}
    subject = render_to_string("django_payram/request_mail_subject.txt", context).strip()
    send_mail(subject, render_to_string("django_payram/request_mail.txt", context), None, [payment.customer_email])
