"""What a person may do about a payment in the admin. All of it is a transition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_payram.admin.words import refusal
from django_payram.conf.addresses import path_of
from django_payram.exceptions import PayramError
from django_payram.gateway.redaction import clean_text
from django_payram.models import DATABASE_BUSY, Outcome, Payment, Source
from django_payram.payments import refresh, transitions
from django_payram.payments.by_hand import link_to_mail, mail_link
from django_payram.polling.worker import Summary, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest

LONGEST_KEY = 18
"""Digits of a key that every database takes."""

# On the list: the selected payments


@admin.action(description=_("Ask PayRam now"), permissions=["ask"])
def ask_payram_now(_admin: ModelAdmin[Payment], request: HttpRequest, queryset: QuerySet[Payment]) -> None:
    """Ask PayRam about the selected payments, and send their receivers what is undelivered."""
    summary, asked = Summary(), []
    chosen = Payment.objects.filter(pk__in=queryset.values("pk"))
    for result in run(chosen, source=Source.ADMIN, summary=summary):
        asked.append(result.payment)
        if result.error is not None:
            messages.error(request, f"{result.payment}: {result.error}")
        elif not result.announced:
            _tell_failure(request, result.payment)
    text = ngettext(
        "PayRam was asked about %(count)d payment.", "PayRam was asked about %(count)d payments.", summary.asked
    )
    messages.success(request, text % {"count": summary.asked})
    remember(request, asked, Outcome.ASKED)


@admin.action(description=_("Notify receivers again"), permissions=["ask"])
def announce_again(_admin: ModelAdmin[Payment], request: HttpRequest, queryset: QuerySet[Payment]) -> None:
    """Send receivers what is true of the selected payments now."""
    for payment in queryset:
        _notify_again(request, payment)


# On a payment's page: the buttons


def _ask(request: HttpRequest, payment: Payment) -> None:
    try:
        refresh(payment, source=Source.ADMIN)
    except (PayramError, ImproperlyConfigured) as exc:
        messages.error(request, refusal(exc))
    else:
        messages.success(request, _("PayRam was asked, and its answer is recorded."))
    remember(request, [payment], Outcome.ASKED)
    if payment.undelivered:
        _tell_failure(request, payment)


def _tell_failure(request: HttpRequest, payment: Payment) -> None:
    text = _("A receiver of %(payment)s failed; its error is shown on the payment.")
    messages.error(request, text % {"payment": payment})


def _notify_again(request: HttpRequest, payment: Payment) -> None:
    recorded = transitions.notify_again(payment, actor=request.user.get_username())
    if recorded.delivered:
        text = _("The receivers of %(payment)s were notified.")
        messages.success(request, text % {"payment": payment})
    else:
        _tell_failure(request, payment)
    log(request, [payment], Outcome.ANNOUNCED if recorded.delivered else Outcome.NOT_ANNOUNCED)


def remember(request: HttpRequest, payments: Sequence[Payment], outcome: Outcome) -> None:
    """Write who did it in the timeline of the payments, and in Django's own history."""
    transitions.note(payments, outcome, source=Source.ADMIN, actor=request.user.get_username())
    log(request, payments, outcome)


def log(request: HttpRequest, payments: Sequence[Payment], outcome: Outcome) -> None:
    """Write who did it in Django's own history alone, of what stands in the timeline already."""
    message = str(outcome.label)
    LogEntry.objects.log_actions(request.user.pk, payments, CHANGE, change_message=message)  # type: ignore[arg-type]


def _mail(request: HttpRequest, payment: Payment) -> None:
    if not link_to_mail(payment):
        messages.error(request, _("The link cannot be sent: the payment is not open, or has no e-mail address."))
        return
    if _is_mailed_since(payment, request.POST.get("seen", "")):
        messages.info(request, _("The link was sent just now. It can be sent once more from here."))
        return
    address, actor = status_address(request, payment), request.user.get_username()
    try:
        mail_link(payment, status_url=address, source=Source.ADMIN, actor=actor)
    except DATABASE_BUSY:
        raise
    except Exception as exc:  # noqa: BLE001 - mail back ends raise whatever they like
        text = _("The mail could not be sent: %(error)s")
        messages.error(request, text % {"error": clean_text(str(exc))})
    else:
        sent = _("The link was sent to %(email)s.")
        messages.success(request, sent % {"email": payment.customer_email})
        log(request, [payment], Outcome.MAILED)


def _is_mailed_since(payment: Payment, seen: str) -> bool:
    """Return whether a mail was sent after the newest event that the page showed: one page sends one mail."""
    if not (seen.isascii() and seen.isdigit() and len(seen) <= LONGEST_KEY):
        return False
    return payment.events.filter(outcome=Outcome.MAILED, pk__gt=int(seen)).exists()


def status_address(request: HttpRequest, payment: Payment) -> str:
    """Return the absolute address of the customer's page; ``""`` in a shop that does not have it."""
    try:
        return request.build_absolute_uri(path_of("status", payment.token))
    except NoReverseMatch:
        return ""


BUTTONS: dict[str, tuple[str, Callable[[HttpRequest, Payment], None]]] = {
    "ask": ("ask_payram", _ask),
    "announce": ("ask_payram", _notify_again),
    "mail": ("request_payment", _mail),
}
"""The buttons of a payment's page, which ask nothing first: the permission that each needs, and what it does."""
