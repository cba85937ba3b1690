"""What a payment of an order in pretix is, is an order to django_payram: it has one live link."""

from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _
from pretix.base.payment import BasePaymentProvider, PaymentException
from pretix.multidomain.urlreverse import eventreverse_absolute

from django_payram.exceptions import InvalidPaymentRequest, PayramError
from django_payram.models import Payment
from django_payram.payments import open_payment, withdraw


class Payram(BasePaymentProvider):
    identifier = "payram"
    verbose_name = public_name = _("Cryptocurrency")

    @property
    def is_enabled(self):
        return super().is_enabled and self.event.currency == "USD"

    # There is nothing to fill in.

    def checkout_prepare(self, request, cart):
        return True

    def payment_prepare(self, request, payment):
        return True

    def payment_is_valid_session(self, request):
        return True

    def checkout_confirm_render(self, request, order=None, info_data=None):
        return _("You choose a coin on the next page.")

    def execute_payment(self, request, payment):
        """Lead to PayRam. Whoever comes back without having paid gets the same link again."""
        try:
            opened = open_payment(
                payment, amount=payment.amount, email=payment.order.email, order_number=payment.full_id
            )
        except (PayramError, InvalidPaymentRequest) as exc:
            raise PaymentException(_("Payment is not possible just now")) from exc
        return opened.url

    def cancel_payment(self, payment):
        """Want no more money on the link: the customer pays in another way, or the order was canceled."""
        super().cancel_payment(payment)
        for opened in Payment.objects.for_order(payment).open():
            withdraw(opened)

    def payment_pending_render(self, request, payment):
        return self._render("pending", payment)

    def payment_control_render(self, request, payment):
        return self._render("control", payment)

    def _render(self, name, payment):
        found = Payment.objects.for_order(payment).order_by("pk")
        # On the main domain, whatever domain the event has.
        page = "plugins:pretix_payram:payram:status"
        links = [(one, eventreverse_absolute(False, page, {"token": one.token})) for one in found]
        return render_to_string(f"pretix_payram/{name}.html", {"payments": links})
