"""The payment method. Salesman answers its front end with the address that these methods return."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from salesman.checkout.payment import PaymentError, PaymentMethod
from salesman.core.utils import get_salesman_model

from django_payram.exceptions import InvalidPaymentRequest, PayramError
from django_payram.payments import open_payment

Order = get_salesman_model("Order")


class PayRam(PaymentMethod):
    identifier = "payram"
    label = _("Cryptocurrency")

    def basket_payment(self, basket, request):
        order = Order.objects.create_from_basket(basket, request)
        basket.delete()
        try:
            return self.order_payment(order, request)
        except PaymentError:
            # The order is placed all the same: it is paid later, by a POST to its own "pay".
            path = reverse("salesman-order-detail", args=[order.ref])
            return request.build_absolute_uri(f"{path}?token={order.token}")

    def order_payment(self, order, request):
        try:
            payment = open_payment(order, amount=order.amount_outstanding, email=order.email, order_number=order.ref)
        except (PayramError, InvalidPaymentRequest) as exc:
            raise PaymentError(_("Payment is not possible just now")) from exc
        return payment.url

    # PayRam sends no money back, so refund_payment() is Salesman's, which answers that it did not.
