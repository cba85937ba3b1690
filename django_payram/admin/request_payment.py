"""A link made by hand: "Request a payment"."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from django_payram import conf
from django_payram.admin.actions import remember
from django_payram.admin.orders import OrderForm, order_models
from django_payram.exceptions import InvalidPaymentRequest, PayramAlreadyPaid, PayramError
from django_payram.gateway.redaction import redact
from django_payram.models import DATABASE_BUSY, USD, Outcome, Payment, database
from django_payram.payments import open_payment

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, HttpResponse

LONGEST_HOURS = 24 * 365


class PaymentRequestForm(OrderForm):
    """What is asked for, of whom, and for what."""

    email = forms.EmailField(label=_("Customer's e-mail"))
    amount = forms.DecimalField(label=_("Amount"), max_digits=15, decimal_places=2)
    currency = forms.CharField(label=_("Currency"), max_length=3, min_length=3, initial=USD)
    project = forms.ChoiceField(label=_("Project"))
    purpose = forms.CharField(
        label=_("Purpose"),
        max_length=100,
        required=False,
        help_text=_("Which bill of the order it is; blank for the only one."),
    )
    order_number = forms.CharField(
        label=_("Order number"), max_length=200, required=False, help_text=_("What the customer calls it.")
    )
    hours = forms.IntegerField(
        label=_("Good for"),
        required=False,
        min_value=1,
        max_value=LONGEST_HOURS,
        help_text=_("Hours; blank leaves it to PayRam."),
    )
    note = forms.CharField(
        label=_("Note"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("For the shop alone; it is kept with the payment."),
    )
    # A form that is sent twice makes one link.
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    field_order = (
        *("email", "amount", "currency", "project", "order_model", "order_key"),
        *("order_number", "purpose", "hours", "note", "key"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, is_required=False, **kwargs)
        names = conf.names()
        field: Any = self.fields["project"]
        field.choices = [(name, name) for name in names]
        if len(names) == 1:
            field.widget, field.initial = forms.HiddenInput(), names[0]
        if all(conf.project(name).rates is None for name in names):
            self.fields["currency"].widget = forms.HiddenInput()

    def clean_currency(self) -> str:
        """Return the code in capital letters."""
        return str(self.cleaned_data["currency"]).upper()

    def open(self) -> Payment:
        """Open the payment, with the errors of ``open_payment``."""
        given = self.cleaned_data
        order, customer_id = given.get("order"), None
        if order is None:
            customer_id = f"{conf.project(given['project']).customer_id_prefix}request-{given['key']}"
            known = Payment.objects.using(database()).filter(customer_id=customer_id, project=given["project"]).first()
            if known is not None:
                return known
        return open_payment(
            order,
            email=given["email"],
            amount=given["amount"],
            currency=given["currency"],
            project=given["project"],
            purpose=given["purpose"],
            order_number=given["order_number"] or None,
            customer_id=customer_id,
            expires_in=timedelta(hours=given["hours"]) if given["hours"] else None,
            metadata={"note": given["note"]} if given["note"] else None,
        )


ARGUMENTS = {"expires_in": "hours", "order": "order_key", "metadata": "note"}
"""The field of an argument of ``open_payment`` that has another name."""


def request_view(admin: ModelAdmin[Payment], request: HttpRequest) -> HttpResponse:
    """Ask for what is wanted, make the link, and lead to the payment's page, which shows it."""
    if not (admin.has_view_permission(request) and admin.has_request_permission(request)):  # type: ignore[attr-defined]
        raise PermissionDenied
    try:
        models = order_models(admin.admin_site, request)
        if request.method == "POST":
            form = PaymentRequestForm(request.POST, models=models)
            if form.is_valid() and (payment := _opened(request, form)) is not None:
                address = f"{admin.admin_site.name}:django_payram_payment_change"
                return HttpResponseRedirect(reverse(address, args=[payment.pk]))
        else:
            form = PaymentRequestForm(initial=request.GET.dict(), models=models)
    except ImproperlyConfigured as exc:
        messages.error(request, str(exc))
        return HttpResponseRedirect(reverse(f"{admin.admin_site.name}:django_payram_payment_changelist"))
    request.current_app = admin.admin_site.name
    context = {
        **admin.admin_site.each_context(request),
        "title": _("Request a payment"),
        "opts": Payment._meta,  # noqa: SLF001 - the admin's own templates take it
        "form": form,
        "media": admin.media + form.media,
    }
    return TemplateResponse(request, "admin/django_payram/payment/request.html", context)


def _opened(request: HttpRequest, form: PaymentRequestForm) -> Payment | None:
    """Return the payment, or None with what is wrong at its field."""
    try:
        payment = form.open()
    except InvalidPaymentRequest as exc:
        field = ARGUMENTS.get(exc.argument, exc.argument)
        form.add_error(field if field in form.fields else None, str(exc))
    except PayramAlreadyPaid as exc:
        messages.warning(request, _("This is paid already, or under review. Another bill needs another purpose."))
        return exc.payment
    except PayramError as exc:
        form.add_error(None, redact(str(exc)))
    except DATABASE_BUSY:
        form.add_error(None, _("The database is busy. Please try again in a minute."))
    else:
        remember(request, [payment], Outcome.REQUESTED)
        messages.success(request, _("The link is made. Copy it, or mail it to the customer."))
        return payment
    return None
