"""The mails that the shop sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from shop.models import Order


def thank(order: Order) -> None:
    """Thank the customer for the money of ``order``."""
    send_mail(
        subject=_("Thank you for your order %(number)s") % {"number": order.number},
        message=render_to_string("shop/mail/paid.txt", {"order": order}),
        from_email=None,
        recipient_list=[order.email],
    )
