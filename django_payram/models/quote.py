"""What PayRam offers for one payment: for shops that show the address themselves."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_payram.models.payment import Payment


class PaymentQuote(models.Model):
    """The coins that a payment can be paid in, at PayRam's prices, and what the customer has chosen.

    It is asked for anew while somebody looks at it, and says nothing about what has been paid. A payment has one once a
    customer was to pay it in the shop.
    """

    payment = models.OneToOneField(
        Payment, verbose_name=_("payment"), on_delete=models.CASCADE, primary_key=True, related_name="quote"
    )
    methods = models.JSONField(null=True, default=None, editable=False)
    """PayRam's offers: a list of dicts, ``[]`` when its server does not know the call, None before it was asked."""
    addresses = models.JSONField(default=dict, editable=False)
    """Deposit addresses that PayRam has assigned for this payment, by the code of the blockchain."""
    address_calls = models.JSONField(default=dict, editable=False)
    """The last call for an address, by the code of the blockchain: when it was, and how it failed."""
    chosen = models.CharField(max_length=42, blank=True, default="", editable=False)
    """The code of the coin and network that the customer has chosen, ``USDC-BASE`` for instance."""
    asked_at = models.DateTimeField(null=True, editable=False)
    """When PayRam was asked last. Of many pages that are open at once, the one that writes it asks."""
    priced_at = models.DateTimeField(null=True, editable=False)
    """When PayRam gave these prices."""

    class Meta:
        verbose_name = _("payment quote")
        verbose_name_plural = _("payment quotes")

    def __str__(self) -> str:
        return self.chosen
