"""A page that sells tickets, and the tickets."""

import uuid

from django import forms
from django.db import models
from django.shortcuts import redirect
from django.urls import reverse
from wagtail.models import Page


class TicketPage(Page):
    """Has a pay button. What it posts becomes a ticket, and goes on to that ticket's own address."""

    price = models.DecimalField(max_digits=9, decimal_places=2, help_text="US dollars")

    content_panels = [*Page.content_panels, "price"]

    def serve(self, request):
        ticket = Ticket(page=self, price=self.price)
        request.ticket_form = TicketForm(request.POST or None, instance=ticket)
        if request.method == "POST" and request.ticket_form.is_valid():
            request.ticket_form.save()
            # 307: the browser posts once more, so that PayRam is called by a view outside of any transaction.
            return redirect(ticket, preserve_request=True)
        return super().serve(request)


class Ticket(models.Model):
    """Whoever knows its token may see it and pay it."""

    token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    page = models.ForeignKey(TicketPage, on_delete=models.PROTECT, related_name="tickets")
    email = models.EmailField()
    price = models.DecimalField(max_digits=9, decimal_places=2)
    is_paid = models.BooleanField(default=False)

    def get_absolute_url(self):
        return reverse("ticket", args=[self.token])

    # The status page offers another link here, when one has expired.
    get_payment_url = get_absolute_url


class TicketForm(forms.ModelForm):
    class Meta:
        model = Ticket
        fields = ["email"]
