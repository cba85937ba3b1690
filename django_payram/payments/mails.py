"""Mails to customers that the shop sends in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.mail import send_mail
from django.template.loader import render_to_string

from django_payram import conf
from django_payram.conf.addresses import path_of

if TYPE_CHECKING:
    from django_payram.models import Payment


def mail_status_link(payment: Payment, *, status_url: str = "") -> None:
    """Mail the customer of ``payment`` the address of the page that shows what became of it, and later is the receipt.

    In the active language. The address is made from the option ``SHOP_URL``, or given as ``status_url`` where a request
    knows it. A shop may override the templates ``django_payram/status_mail.txt`` and
    ``django_payram/status_mail_subject.txt``. To be called after the transaction, ``on_commit`` for instance: a mail
    cannot be taken back.

    Raises ValueError for a payment without an e-mail address, ImproperlyConfigured without an address of the shop, and
    what the mail server raises.
    """
    if not payment.customer_email:
        raise ValueError(f"The payment {payment.token} has no e-mail address.")
    project = conf.project(payment.project)
    if not status_url and not project.shop_url:
        raise ImproperlyConfigured(
            f"PAYRAM[{payment.project!r}] needs SHOP_URL, such as https://shop.example.com, for the links in mails."
        )
    context = {
        "payment": payment,
        "status_url": status_url or project.shop_url + path_of("status", payment.token),
        "shop_name": project.shop_name,
        "contact": project.contact,
    }
    send(payment, "django_payram/status_mail", context)


def send(payment: Payment, template: str, context: dict[str, Any]) -> None:
    """Mail the customer of ``payment`` what ``<template>.txt`` says, under the subject of ``<template>_subject.txt``.

    Raises what the mail server raises.
    """
    # A header has one line, and a template easily ends with another.
    subject = " ".join(render_to_string(f"{template}_subject.txt", context).split())
    send_mail(subject, render_to_string(f"{template}.txt", context), None, [payment.customer_email])
