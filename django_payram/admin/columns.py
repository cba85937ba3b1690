"""What the list and the page of a payment show of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth import get_permission_codename
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from django_payram.admin.words import REASONS, word
from django_payram.conf.addresses import path_of
from django_payram.models import Review, order_type
from django_payram.models.statuses import SUMS
from django_payram.payments.links import usable_link
from django_payram.templatetags.payram import price, usd, web_address

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.utils.safestring import SafeString

    from django_payram.models import Payment

PLAIN = re.compile(r"[0-9A-Za-z-]+")
"""A key that stands in an address as it is."""
SHORT = 9
"""Characters of a reference that the list shows; the whole stands in its title."""


class PaymentColumns:
    """The columns and fields of payments; links lead to pages of the same admin site."""

    admin_site: AdminSite

    # On the list

    @admin.display(description=_("payment"), ordering="reference")
    def label(self, payment: Payment) -> str:
        """Return the reference, or the token of a payment that has none, and a mark for a top-up."""
        text = str(payment)
        short = text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"
        shown = format_html('<span title="{}">{}</span>', text, short)
        if payment.parent_id is None:
            return shown
        mark = format_html('<span class="payram-top-up" title="{0}" aria-label="{0}" role="img">↳</span>', _("Top-up"))
        return mark + shown

    @admin.display(description=_("payment"))
    def label_link(self, payment: Payment) -> str:
        """Return the same as a link to the payment's page."""
        return self._link("django_payram_payment_change", payment.pk, self.label(payment))

    @admin.display(description=_("order"), ordering="order_number")
    def order_link(self, payment: Payment) -> str:
        """Return a link to the order's own admin page; the order itself is not loaded, so that lists stay cheap."""
        if payment.order_type_id is None:
            return payment.order_number
        kind = order_type(payment)
        text = payment.order_number or payment.order_id
        model, viewer = kind.model_class(), getattr(payment, "viewer", None)
        may_view = viewer is None or any(
            viewer.has_perm(f"{kind.app_label}.{get_permission_codename(action, model._meta)}")  # noqa: SLF001
            for action in ("view", "change")
            if model is not None
        )
        if not may_view:
            return text
        known = getattr(payment, "addresses", {})
        return self._link(f"{kind.app_label}_{kind.model}_change", payment.order_id, text, known=known)

    @admin.display(description=_("status"))
    def status(self, payment: Payment) -> str:
        """Return where the payment stands."""
        return status_word(payment)

    @admin.display(description=_("status"))
    def status_and_review(self, payment: Payment) -> str:
        """Return where the payment stands, and why a person should look at it."""
        if not payment.review:
            return status_word(payment)
        reason = REASONS[Review(payment.review)]
        return format_html('{} <span class="payram-reason">{}</span>', status_word(payment), reason)

    @admin.display(description=_("amount"), ordering="amount_usd")
    def amount(self, payment: Payment) -> str:
        """Return what was asked for."""
        return usd(payment.amount_usd)

    @admin.display(description=_("received"), ordering=SUMS["received_usd"])
    def received(self, payment: Payment) -> str:
        """Return what has come, top-ups included."""
        return usd(payment.received_usd)

    @admin.display(description=_("customer"), ordering="customer_email")
    def customer(self, payment: Payment) -> str:
        """Return the customer's address, or the customer id where there is none."""
        text = payment.customer_email or payment.customer_id
        return format_html('<span class="payram-cut" title="{}">{}</span>', text, text)

    @admin.display(description=_("age"), ordering="-created_at")
    def age(self, payment: Payment) -> str:
        """Return how long ago the payment was opened."""
        return timesince(payment.created_at, depth=1)

    # On the page

    @admin.display(description=_("price"))
    def price(self, payment: Payment) -> str:
        """Return what the order costs, in the shop's currency."""
        return price(payment.price)

    @admin.display(description=_("received amount, as PayRam gives it"))
    def coins(self, payment: Payment) -> str:
        """Return PayRam's own figure: coin units, or US dollars from servers before July 2026."""
        return "" if payment.filled_amount is None else f"{payment.filled_amount.normalize():f}"

    @admin.display(description=_("confirmations"))
    def confirmed(self, payment: Payment) -> str:
        """Return confirmations seen and required."""
        if payment.confirmations is None:
            return ""
        return f"{payment.confirmations} / {payment.confirmations_required or '?'}"

    @admin.display(description=_("customer's page"))
    def status_link(self, payment: Payment) -> str:
        """Return a link to the page where the customer sees the payment; the shop may not have it."""
        try:
            address = path_of("status", payment.token)
        except NoReverseMatch:
            return ""
        return format_html('<a href="{}">{}</a>', address, _("Show what the customer sees"))

    @admin.display(description=_("PayRam's page"))
    def page_link(self, payment: Payment) -> str:
        """Return a link to the page where the customer pays."""
        return _outside(payment.url) if usable_link(payment) else payment.url

    @admin.display(description=_("transaction"))
    def transaction_link(self, payment: Payment) -> str:
        """Return a link to the transaction on the chain."""
        return _outside(payment.explorer_url)

    @admin.display(description=_("tops up"))
    def tops_up(self, payment: Payment) -> str:
        """Return a link to the payment that this one tops up."""
        if payment.parent_id is None:
            return ""
        return self._link("django_payram_payment_change", payment.parent_id, str(payment.parent))

    def _link(self, page: str, key: str | int, text: str, *, known: dict[str, tuple[str, str]] | None = None) -> str:
        """Link to another page of the same admin site, if that site has it.

        ``known`` keeps what stands before and after the key: Django takes long to put an address together, and the rows
        of a list lead to the same page.
        """
        between = f"/{key}/" if PLAIN.fullmatch(str(key)) else ""
        if between and known and page in known:
            return format_html('<a href="{}">{}</a>', between.join(known[page]), text)
        try:
            address = reverse(f"{self.admin_site.name}:{page}", args=[quote(key)])
        except NoReverseMatch:
            return text
        if between and known is not None and address.count(between) == 1:
            before, _between, after = address.partition(between)
            known[page] = (before, after)
        return format_html('<a href="{}">{}</a>', address, text)


def status_word(payment: Payment) -> SafeString:
    """Return where a payment stands, in a word with a colour."""
    status = payment.status
    return format_html('<span class="payram-status" data-status="{}">{}</span>', status.value, word(status))


def _outside(url: str) -> str:
    link = web_address(url)
    return format_html('<a href="{}" rel="noopener noreferrer">{}</a>', link, link) if link else url
