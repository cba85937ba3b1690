"""What a person decides about a payment, each on a page of its own that says what will happen. All are transitions."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.validators import MaxValueValidator
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from django_payram.admin.orders import OrderForm, order_models
from django_payram.admin.panel import figures
from django_payram.admin.words import refusal
from django_payram.gateway.redaction import clean_text
from django_payram.models import DATABASE_BUSY, Payment, Source
from django_payram.payments import decisions, rules, transitions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise


class ReasonForm(forms.Form):
    """Why a person decided as they did; it goes into the timeline."""

    # Several lines: Enter in a field of one line would send the form.
    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("It stands in the timeline for good."),
        error_messages={"required": _("Please give a reason; it goes into the timeline.")},
    )


class AcceptForm(ReasonForm):
    """A reason, and that it is meant."""

    confirm = forms.BooleanField(
        label=_("I have looked at the money, and the order may be delivered."),
        error_messages={"required": _("Please confirm it: what is accepted cannot be taken back.")},
    )


class RefundForm(forms.Form):
    """What was sent back."""

    amount_usd = forms.DecimalField(label=_("Amount (USD)"), max_digits=20, decimal_places=2, min_value=rules.CENT)
    transaction = forms.CharField(
        label=_("Transaction"),
        max_length=decisions.LONGEST_TRANSACTION,
        required=False,
        help_text=_("The hash of the transaction, or the number of a bank transfer."),
    )
    note = forms.CharField(label=_("Note"), max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, *args: Any, payment: Payment, **kwargs: Any) -> None:
        left = rules.refundable_usd(payment)
        # The surplus of a paid payment is sent back, or everything.
        kwargs["initial"] = {"amount_usd": payment.surplus_usd.quantize(rules.CENT) or left}
        super().__init__(*args, **kwargs)
        field: Any = self.fields["amount_usd"]
        field.max_value, field.widget.attrs["max"] = left, left
        field.validators.append(MaxValueValidator(left))


@dataclass(frozen=True)
class Decision:
    """One thing that a person may decide: who may, when, what it asks, and what it does.

    ``take`` takes the payment, the cleaned fields and the user name, and raises ValueError when it cannot be.
    """

    permission: str
    title: _StrPromise
    explanation: _StrPromise
    is_possible: Callable[[Payment], bool]
    form: type[forms.Form]
    take: Callable[[Payment, dict[str, Any], str], object]
    done: _StrPromise


def _is_withdrawable(payment: Payment) -> bool:
    return payment.is_open and payment.parent_id is None


def _is_refundable(payment: Payment) -> bool:
    return payment.parent_id is None and payment.net_usd > 0


def _accept(payment: Payment, fields: dict[str, Any], actor: str) -> None:
    transitions.apply(payment, rules.Acceptance(clean_text(fields["reason"])), source=Source.ADMIN, actor=actor)


def _resolve(payment: Payment, fields: dict[str, Any], actor: str) -> None:
    transitions.apply(payment, rules.Resolution(clean_text(fields["reason"])), source=Source.ADMIN, actor=actor)


def _withdraw(payment: Payment, fields: dict[str, Any], actor: str) -> None:
    decisions.withdraw(payment, reason=fields["reason"], source=Source.ADMIN, actor=actor)


def _refund(payment: Payment, fields: dict[str, Any], actor: str) -> None:
    decisions.record_refund(payment, **fields, source=Source.ADMIN, actor=actor)


def _assign(payment: Payment, fields: dict[str, Any], actor: str) -> None:
    decisions.assign(payment, fields["order"], source=Source.ADMIN, actor=actor)


DECISIONS: Mapping[str, Decision] = MappingProxyType(
    {
        "accept": Decision(
            permission="review",
            title=_("Accept as paid"),
            explanation=_("The payment counts as paid, and the shop is told so: it may deliver the order at once."),
            is_possible=lambda payment: payment.is_held,
            form=AcceptForm,
            take=_accept,
            done=_("The payment counts as paid."),
        ),
        "withdraw": Decision(
            permission="withdraw",
            title=_("Withdraw the link"),
            explanation=_(
                "Nobody is led to the link any more, and the order may have another one. PayRam itself cannot close "
                "it: money that comes all the same is kept and shown here."
            ),
            is_possible=_is_withdrawable,
            form=ReasonForm,
            take=_withdraw,
            done=_("The link is withdrawn."),
        ),
        "refund": Decision(
            permission="refund",
            title=_("Record a refund"),
            explanation=_("This sends no money. Send it yourself first, then write down here what was sent."),
            is_possible=_is_refundable,
            form=RefundForm,
            take=_refund,
            done=_("The refund is recorded."),
        ),
        "assign": Decision(
            permission="assign",
            title=_("Assign to an order"),
            explanation=_(
                "The payment, with what tops it up, belongs to the other order from then on. If it is paid, that order "
                "becomes paid by it."
            ),
            is_possible=lambda payment: payment.parent_id is None,
            form=OrderForm,
            take=_assign,
            done=_("The payment is assigned to the order."),
        ),
        "resolve": Decision(
            permission="review",
            title=_("Resolve"),
            explanation=_("The payment needs no attention any more. Nothing becomes paid by it, and no money is sent."),
            # What is held is accepted or sent back.
            is_possible=lambda payment: bool(payment.review) and not payment.is_held,
            form=ReasonForm,
            take=_resolve,
            done=_("The review is resolved."),
        ),
    }
)
"""The decisions, in the order of their buttons. To resolve is the last: what the advice names comes before it."""


def decision_view(admin: ModelAdmin[Payment], request: HttpRequest, payment: Payment, name: str) -> HttpResponse:
    """Ask for what the decision needs, do it, and lead back to the payment's page."""
    decision = DECISIONS[name]
    page = reverse(f"{admin.admin_site.name}:django_payram_payment_change", args=[payment.pk])
    arguments: dict[str, Any] = {}
    if decision.form is OrderForm:
        arguments["models"] = order_models(admin.admin_site, request)
    elif decision.form is RefundForm:
        arguments["payment"] = payment
    if request.method != "POST":
        if not decision.is_possible(payment):
            messages.error(request, _("The payment cannot be decided in this way any more."))
            return HttpResponseRedirect(page)
        return _shown(admin, request, payment, name, decision.form(**arguments))
    form = decision.form(request.POST, **arguments)
    if not form.is_valid():
        return _shown(admin, request, payment, name, form)
    try:
        decision.take(payment, form.cleaned_data, request.user.get_username())
    except ValueError as exc:
        if decision.is_possible(payment):
            form.add_error(None, refusal(exc))
            return _shown(admin, request, payment, name, form)
        messages.error(request, _("The payment cannot be decided in this way any more."))
    except DATABASE_BUSY:
        messages.error(request, _("The database is busy. Please try again in a minute."))
    else:
        admin.log_change(request, payment, str(decision.done))
        messages.success(request, decision.done)
    return HttpResponseRedirect(page)


def _shown(
    admin: ModelAdmin[Payment], request: HttpRequest, payment: Payment, name: str, form: forms.Form
) -> HttpResponse:
    decision = DECISIONS[name]
    request.current_app = admin.admin_site.name
    context = {
        **admin.admin_site.each_context(request),
        "title": decision.title,
        "opts": Payment._meta,  # noqa: SLF001 - the admin's own templates take it
        "original": payment,
        "order": admin.order_link(payment),  # type: ignore[attr-defined] # of PaymentAdmin
        "decision": decision,
        "form": form,
        "figures": figures(payment),
        "media": admin.media + form.media,
    }
    return TemplateResponse(request, "admin/django_payram/payment/decision.html", context)
