"""The app that takes the place of Oscar's own: everything but the view that places the order is Oscar's."""

from __future__ import annotations

from oscar.apps.checkout import apps


class CheckoutConfig(apps.CheckoutConfig):
    """The checkout of a shop that has none of its own."""

    name = "django_payram.contrib.oscar.checkout"
