from django.core.mail import send_mail
from django.db import transaction

from django_payram.signals import payment_paid

from .models import Ticket


@payment_paid.on(Ticket)
def send_ticket(ticket, payment, **kwargs):
    """May be called again: only the first call sends the ticket."""
    if ticket.is_paid:
        return
    ticket.is_paid = True
    ticket.save()
    subject, body = f"Your ticket for {ticket.page.title}", f"Show this at the door: {ticket.token}"
    transaction.on_commit(lambda: send_mail(subject, body, None, [ticket.email]))
