from django.shortcuts import get_object_or_404, render

from django_payram.views import CheckoutView

from .models import Ticket


class TicketView(CheckoutView):
    """GET shows the ticket, POST leads to PayRam."""

    def get_order(self):
        return get_object_or_404(Ticket, token=self.kwargs["token"])

    def get_amount(self, ticket):
        return ticket.price

    def get_email(self, ticket):
        return ticket.email

    def way_back(self, ticket):
        return render(self.request, "tickets/ticket.html", {"ticket": ticket})
