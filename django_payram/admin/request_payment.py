"""A link made by hand: "Request a payment"."""

from __future__ import annotations

import itertools
import json
import uuid
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_payram import conf
from django_payram.admin.actions import log
from django_payram.admin.orders import OrderForm, order_models
from django_payram.admin.words import refusal
from django_payram.exceptions import InvalidPaymentRequest, PayramAlreadyPaid, PayramError
from django_payram.models import CRASHED_AFTER, DATABASE_BUSY, USD, Outcome, Payment, Source, database, is_recent
from django_payram.payments.by_hand import LONGEST_HOURS, LONGEST_NOTE, Requested, request_payment
from django_payram.payments.request import CENT

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, HttpResponse


class PaymentRequestForm(OrderForm):
    """What is asked for, of whom, and for what."""

    email = forms.EmailField(label=_("Customer's e-mail"))
    amount = forms.DecimalField(label=_("Amount"), max_digits=15, decimal_places=2, min_value=CENT)
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
        label=_("Good for (hours)"),
        required=False,
        min_value=1,
        max_value=LONGEST_HOURS,
        help_text=_("Blank leaves it to PayRam."),
    )
    note = forms.CharField(
        label=_("Note"),
        max_length=LONGEST_NOTE,
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
        if self.initial.get("project") not in names:
            # That of an old payment may be gone.
            self.initial.pop("project", None)
        if len(names) == 1:
            field.widget, field.initial = forms.HiddenInput(), names[0]
        if all(conf.project(name).rates is None for name in names):
            self.fields["currency"].widget = forms.HiddenInput()

    def clean_currency(self) -> str:
        """Return the code in capital letters."""
        return str(self.cleaned_data["currency"]).upper()

    def open(self, *, actor: str) -> Requested:
        """Open the payment, with the errors of ``open_payment``."""
        given = self.cleaned_data
        order = given.get("order")
        return request_payment(
            order,
            email=given["email"],
            amount=given["amount"],
            currency=given["currency"],
            project=given["project"],
            purpose=given["purpose"],
            order_number=given["order_number"] or None,
            token=self._token() if order is None else None,
            hours=given["hours"],
            note=given["note"],
            source=Source.ADMIN,
            actor=actor,
        )

    def _token(self) -> uuid.UUID:
        """Return the token of the payment without an order that this form asks for, however often it is sent.

        It follows from what the form says, so that a form which is corrected asks for another payment, and from how
        often PayRam gave no link for it, so that the form can be sent again.
        """
        said = [str(self.cleaned_data[name]) for name in sorted(self.cleaned_data) if name != "order"]
        for failures in itertools.count():
            token = uuid.uuid5(self.cleaned_data["key"], json.dumps([failures, *said]))
            known = Payment.objects.using(database()).filter(token=token).first()
            if known is None or not _has_failed(known):
                break
        return token


def _has_failed(payment: Payment) -> bool:
    """Return whether the payment got no link, and gets none any more: PayRam said so, or the process was killed."""
    may_come = payment.is_open and is_recent(payment.created_at, within=CRASHED_AFTER, now=timezone.now())
    return not (payment.url or may_come)


ARGUMENTS = {"expires_in": "hours", "order": "order_key", "metadata": "note"}
"""The fields of the arguments that have another name."""


def request_view(admin: ModelAdmin[Payment], request: HttpRequest) -> HttpResponse:
    """Ask for what is wanted, make the link, and lead to the payment's page, which shows it."""
    if not (admin.has_view_permission(request) and admin.has_request_permission(request)):  # type: ignore[attr-defined]
        raise PermissionDenied
    try:
        asked = _asked(request)
        wanted = request.POST.get("order_model") or asked.get("order_model", "")
        models = order_models(admin.admin_site, request, wanted=wanted)
        form = PaymentRequestForm(request.POST or None, initial=asked, models=models)
    except ImproperlyConfigured as exc:
        messages.error(request, refusal(exc))
        return HttpResponseRedirect(reverse(f"{admin.admin_site.name}:django_payram_payment_changelist"))
    if form.is_valid() and (payment := _opened(request, form)) is not None:
        address = f"{admin.admin_site.name}:django_payram_payment_change"
        return HttpResponseRedirect(reverse(address, args=[payment.pk]))
    request.current_app = admin.admin_site.name
    context = {
        **admin.admin_site.each_context(request),
        "title": _("Request a payment"),
        "opts": Payment._meta,  # noqa: SLF001 - the admin's own templates take it
        "form": form,
        "media": admin.media + form.media,
    }
    return TemplateResponse(request, "admin/django_payram/payment/request.html", context)


def _asked(request: HttpRequest) -> dict[str, Any]:
    """Return what an address such as the one on an order's page fills in; never the key, which is new each time."""
    return {name: value for name, value in request.GET.items() if name != "key"}


def _opened(request: HttpRequest, form: PaymentRequestForm) -> Payment | None:
    """Return the payment, or None with what is wrong at its field."""
    try:
        payment, is_new = form.open(actor=request.user.get_username())
        log(request, [payment], Outcome.REQUESTED)
    except InvalidPaymentRequest as exc:
        field = ARGUMENTS.get(exc.argument, exc.argument)
        form.add_error(field if field in form.fields else None, refusal(exc))
    except PayramAlreadyPaid as exc:
        messages.warning(request, _("This is paid already, or under review. Another bill needs another purpose."))
        return exc.payment
    except (PayramError, ImproperlyConfigured) as exc:
        form.add_error(None, refusal(exc))
    except DATABASE_BUSY:
        form.add_error(None, _("The database is busy. Please try again in a minute."))
    else:
        if is_new:
            messages.success(request, _("The link is made. Copy it, or mail it to the customer."))
        else:
            messages.info(request, _("This was asked for before: here is the link that was made then."))
        return payment
    return None
