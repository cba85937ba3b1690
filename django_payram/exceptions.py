"""What can go wrong between a shop and its PayRam server, one class per thing a caller may want to catch.

What an error knows is in its attributes; no error carries a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_payram.models import Payment


class PayramError(Exception):
    """What a call about a payment may raise, beside ValueError for wrong arguments, ImproperlyConfigured for a wrong
    setting, and Django's database errors.

    ``payment`` is the payment whose link was asked for, or that a webhook was about, None where none is known.
    """

    payment: Payment | None = None


class InvalidPaymentRequest(ValueError):
    """A wrong argument of ``open_payment``, found before anything was written. ``argument`` is its name."""

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(f"{argument} {message}")
        self.argument = argument


class PayramDisabled(PayramError):
    """The project takes no new payments (option ``ENABLED`` is False). Older payments still settle."""


class PayramAlreadyPaid(PayramError):
    """The order has been paid for this purpose, or that payment is held for review, so no further link is made.

    ``payment`` is the payment that settled the order, ``payment.purpose`` what for.
    """

    payment: Payment

    def __init__(self, message: str, *, payment: Payment) -> None:
        super().__init__(message)
        self.payment = payment


class PayramUnavailable(PayramError):
    """PayRam could not be asked, or gave no usable answer; asking later may well work.

    ``status`` is the HTTP status if there was one, ``code`` PayRam's own error code, ``retry_after`` the
    seconds it asked us to wait, and ``definite`` is True when PayRam certainly did not act on the call.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        retry_after: int | None = None,
        definite: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.definite = definite


class PayramRefused(PayramError):
    """PayRam understood the call and said no; asking again unchanged is useless.

    ``status`` is the HTTP status (None when the refusal is our own, as with too many links), ``code`` the
    error code as text.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def is_denial(self) -> bool:
        """Whether PayRam may mean that it knows no such payment: 404, and 401 since 2026. Other refusals may pass."""
        return self.status in (401, 404)


class PayramDataError(PayramError):
    """Something arrived that cannot be read as PayRam's, or that contradicts what was asked.

    ``reference`` is PayRam's reference if the answer held a believable one.
    """

    def __init__(self, message: str, *, reference: str | None = None) -> None:
        super().__init__(message)
        self.reference = reference
