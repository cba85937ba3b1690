"""Payments in the admin: everything to see, nothing to edit. What a person may do goes through the gate."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import NoReverseMatch, path, reverse
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_payram import lifecycle, resync
from django_payram.exceptions import PayramError
from django_payram.models import Payment, PaymentEvent, Source
from django_payram.templatetags.payram import usd

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern

TIMELINE_LENGTH = 200
"""The newest events that a payment's page shows; older ones are in the list of events."""

EXACT_SEARCH = ("reference", "customer_id", "order_id", "deposit_address")


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows to look at: no add, no change, no delete."""

    show_full_result_count = False
    actions_selection_counter = True

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Payments come from the shop's checkout."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Money and state are PayRam's to say."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """What was paid stays in the books."""
        return False


class ReasonForm(forms.Form):
    """Why a person decided as they did; it goes into the timeline."""

    reason = forms.CharField(label=_("Reason"), max_length=500, strip=True)


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """The list of payments, one payment with its timeline, and what a person may do about it."""

    list_display = ("label", "state", "amount", "received", "order_link", "customer_email", "review", "age")
    list_filter = ("state", "review", "project", "created_at")
    list_per_page = 50
    ordering = ("-created_at", "-pk")
    search_help_text = _("A whole reference, token, e-mail, customer id, order id or deposit address.")
    search_fields = ("reference",)  # shows the search box; get_search_results does the work
    actions = ("ask_payram_now", "announce_again")
    change_form_template = "admin/django_payram/payment/change_form.html"
    fieldsets = (
        (
            None,
            {"fields": ("token", "reference", "project", "order_link", "customer_id", "customer_email", "page_link")},
        ),
        (
            _("Money"),
            {"fields": ("state", "review", "amount", "received", "missing", "coins", "paid_at", "tops_up")},
        ),
        (
            _("On the chain"),
            {"fields": ("currency", "blockchain", "deposit_address", "transaction_link", "confirmed")},
        ),
        (_("Receivers"), {"fields": ("pending", "announce_error")}),
        (_("Times"), {"fields": ("created_at", "updated_at", "closed_at", "checked_at", "next_check_at")}),
        (_("Metadata"), {"fields": ("metadata",), "classes": ("collapse",)}),
    )

    # What is shown

    @admin.display(description=_("payment"), ordering="reference")
    def label(self, payment: Payment) -> str:
        """Return the reference, or the token of a payment that has none."""
        return str(payment)

    @admin.display(description=_("amount"), ordering="amount_usd")
    def amount(self, payment: Payment) -> str:
        """Return what was asked for."""
        return usd(payment.amount_usd)

    @admin.display(description=_("received"), ordering="filled_usd")
    def received(self, payment: Payment) -> str:
        """Return what has come, top-ups included."""
        return usd(payment.received_usd)

    @admin.display(description=_("missing"))
    def missing(self, payment: Payment) -> str:
        """Return what is still to come."""
        return usd(payment.missing_usd)

    @admin.display(description=_("received amount, as PayRam gives it"))
    def coins(self, payment: Payment) -> str:
        """Return PayRam's own figure: coin units, or US dollars from servers before July 2026."""
        return "" if payment.filled_amount is None else f"{payment.filled_amount.normalize():f}"

    @admin.display(description=_("confirmations"))
    def confirmed(self, payment: Payment) -> str:
        """Return confirmations seen and required."""
        if payment.confirmations is None:
            return ""
        return f"{payment.confirmations} / {payment.confirmations_required or '?'}"

    @admin.display(description=_("age"), ordering="created_at")
    def age(self, payment: Payment) -> str:
        """Return how long ago the payment was opened."""
        return timesince(payment.created_at, depth=1)

    @admin.display(description=_("order"), ordering="order_id")
    def order_link(self, payment: Payment) -> str:
        """Return a link to the order's own admin page; the order itself is not loaded, so that lists stay cheap."""
        if payment.order_type_id is None:
            return ""
        kind = ContentType.objects.get_for_id(payment.order_type_id)
        text = f"{kind.name} {payment.order_id}"
        return _link(f"admin:{kind.app_label}_{kind.model}_change", payment.order_id, text)

    @admin.display(description=_("PayRam's page"))
    def page_link(self, payment: Payment) -> str:
        """Return a link to the page where the customer pays."""
        return _outside(payment.url)

    @admin.display(description=_("transaction"))
    def transaction_link(self, payment: Payment) -> str:
        """Return a link to the transaction on the chain."""
        return _outside(payment.explorer_url)

    @admin.display(description=_("tops up"))
    def tops_up(self, payment: Payment) -> str:
        """Return a link to the payment that this one tops up."""
        if payment.parent_id is None:
            return ""
        return _link("admin:django_payram_payment_change", payment.parent_id, str(payment.parent))

    # Searching

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[Payment],
        search_term: str,
    ) -> tuple[QuerySet[Payment], bool]:
        """Find whole values only: each is answered by an index, whatever the number of payments."""
        term = search_term.strip()
        if not term or "\x00" in term:
            return queryset, False
        found = Q(customer_email__in=[term, term.lower()])
        for name in EXACT_SEARCH:
            found |= Q(**{name: term})
        if token := _uuid(term):
            found |= Q(token=token)
        return queryset.filter(found), False

    # What a person may do

    def has_ask_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may ask PayRam and tell receivers again."""
        return request.user.has_perm("django_payram.ask_payram")

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may settle payments under review."""
        return request.user.has_perm("django_payram.review_payment")

    @admin.action(description=_("Ask PayRam now"), permissions=["ask"])
    def ask_payram_now(self, request: HttpRequest, queryset: QuerySet[Payment]) -> None:
        """Ask PayRam about the selected payments."""
        summary = resync.Summary()
        chosen = Payment.objects.filter(pk__in=queryset.values("pk"))
        for asked in resync.run(chosen, source=Source.ADMIN, summary=summary):
            if asked.error is not None:
                self.message_user(request, f"{asked.payment}: {asked.error}", messages.ERROR)
        text = ngettext(
            "PayRam was asked about %(count)d payment.", "PayRam was asked about %(count)d payments.", summary.asked
        )
        self.message_user(request, text % {"count": summary.asked}, messages.SUCCESS)

    @admin.action(description=_("Announce again"), permissions=["ask"])
    def announce_again(self, request: HttpRequest, queryset: QuerySet[Payment]) -> None:
        """Tell receivers the present truth about the selected payments."""
        for payment in queryset:
            self._announce_again(request, payment)

    def get_urls(self) -> list[URLPattern]:
        """Add the buttons of a payment's page."""
        buttons: dict[str, Callable[..., HttpResponse]] = {
            "ask": self.ask_view,
            "announce": self.announce_view,
            "accept": self.accept_view,
            "resolve": self.resolve_view,
        }
        own = [
            path(f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=f"django_payram_payment_{name}")
            for name, view in buttons.items()
        ]
        return own + super().get_urls()

    def ask_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask PayRam about one payment."""
        return self._act(request, object_id, self.has_ask_permission, self._ask)

    def announce_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Tell receivers the present truth about one payment."""
        return self._act(request, object_id, self.has_ask_permission, self._announce_again)

    def accept_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let a held payment count as paid."""
        return self._act(request, object_id, self.has_review_permission, self._accept)

    def resolve_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Clear a payment's review."""
        return self._act(request, object_id, self.has_review_permission, self._resolve)

    def _act(
        self,
        request: HttpRequest,
        object_id: str,
        may: Callable[[HttpRequest], bool],
        act: Callable[[HttpRequest, Payment], None],
    ) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and may(request)):
            raise PermissionDenied
        payment = self.get_object(request, object_id)
        if payment is None:
            raise Http404
        act(request, payment)
        return HttpResponseRedirect(reverse("admin:django_payram_payment_change", args=[payment.pk]))

    def _ask(self, request: HttpRequest, payment: Payment) -> None:
        try:
            lifecycle.refresh(payment, source=Source.ADMIN)
        except PayramError as exc:
            self.message_user(request, str(exc), messages.ERROR)
            return
        self.message_user(request, _("PayRam was asked, and its answer is recorded."), messages.SUCCESS)

    def _announce_again(self, request: HttpRequest, payment: Payment) -> None:
        recorded = lifecycle.announce_again(payment, actor=request.user.get_username())
        if recorded.announced:
            text = _("The receivers of %(payment)s were told.")
            self.message_user(request, text % {"payment": payment}, messages.SUCCESS)
        else:
            text = _("A receiver of %(payment)s failed; its error is shown on the payment.")
            self.message_user(request, text % {"payment": payment}, messages.ERROR)

    def _accept(self, request: HttpRequest, payment: Payment) -> None:
        self._decide(request, payment, lifecycle.accept, _("The payment counts as paid."))

    def _resolve(self, request: HttpRequest, payment: Payment) -> None:
        self._decide(request, payment, lifecycle.resolve, _("The review is resolved."))

    def _decide(self, request: HttpRequest, payment: Payment, decide: Callable[..., object], done: Any) -> None:
        form = ReasonForm(request.POST)
        if not form.is_valid():
            self.message_user(request, _("Please give a reason; it goes into the timeline."), messages.ERROR)
            return
        try:
            decide(payment, reason=form.cleaned_data["reason"], actor=request.user.get_username())
        except ValueError as exc:
            self.message_user(request, str(exc), messages.ERROR)
            return
        self.message_user(request, done, messages.SUCCESS)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the timeline and the buttons that the user may press."""
        payment: Payment = context["original"]
        events = payment.events.order_by("-created_at", "-pk")[:TIMELINE_LENGTH]
        context |= {
            "timeline": reversed(events),
            "may_ask": self.has_ask_permission(request),
            "may_review": self.has_review_permission(request) and bool(payment.review),
            "reason_form": ReasonForm(auto_id="%s"),
        }
        return super().render_change_form(request, context, *args, **kwargs)


@admin.register(PaymentEvent)
class PaymentEventAdmin(ReadOnlyAdmin):
    """Every event, those without a payment included: unknown references and unreadable webhooks."""

    list_display = ("created_at", "reference", "source", "outcome", "state_before", "state_after", "note")
    list_filter = ("outcome", "source", "project", "created_at")
    list_per_page = 50
    ordering = ("-created_at", "-pk")
    search_fields = ("reference__exact",)
    search_help_text = _("A whole reference.")
    fields = (
        "created_at",
        "payment",
        "project",
        "reference",
        "source",
        "outcome",
        "state_before",
        "state_after",
        "note",
        "error",
        "actor",
        "payload",
    )


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _link(view: str, key: object, text: str) -> str:
    try:
        return format_html('<a href="{}">{}</a>', reverse(view, args=[key]), text)
    except NoReverseMatch:
        return text


def _outside(url: str) -> str:
    return format_html('<a href="{}" rel="noopener noreferrer">{}</a>', url, url) if url else ""
