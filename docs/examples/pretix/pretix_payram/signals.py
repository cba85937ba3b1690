from django.dispatch import receiver
from pretix.base.signals import register_payment_providers

from .payment import Payram


@receiver(register_payment_providers, dispatch_uid="payment_payram")
def register_payram(sender, **kwargs):
    return Payram
