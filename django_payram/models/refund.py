"""Money that the shop has sent back."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_payram.models.payment import Payment


class Refund(models.Model):
    """Money of a payment that the shop has sent back by itself: this app never sends any. It is never changed."""

    # Money that was sent back must not be forgotten with the payment.
    payment = models.ForeignKey(Payment, verbose_name=_("payment"), on_delete=models.PROTECT, related_name="refunds")
    amount_usd = models.DecimalField(_("amount (USD)"), max_digits=20, decimal_places=2)
    """What was sent back, in US dollars with two places."""
    transaction = models.CharField(_("transaction"), max_length=255, blank=True)
    """Where it can be looked up: the hash of the transaction on the chain, or the number of a bank transfer."""
    note = models.TextField(_("note"), blank=True)
    actor = models.CharField(_("by"), max_length=150, blank=True)
    """User name of the person who recorded it."""
    is_announced = models.BooleanField(default=False, editable=False)
    """Whether the receivers of ``payment_refunded`` have succeeded."""
    created_at = models.DateTimeField(_("time"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        indexes: ClassVar = [models.Index(fields=["created_at"], name="payram_refund_created")]

    def __str__(self) -> str:
        return f"{self.amount_usd} USD"
