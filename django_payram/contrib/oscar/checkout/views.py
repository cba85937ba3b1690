"""The view that places the order. Oscar finds it by its name."""

from __future__ import annotations

from oscar.apps.checkout import views

from django_payram.contrib.oscar.checkout.mixins import PayramCheckout


class PaymentDetailsView(PayramCheckout, views.PaymentDetailsView):
    """Oscar's own, and then PayRam."""
