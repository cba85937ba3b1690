"""Payments in the admin: everything to see, nothing to edit."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import NoReverseMatch, path, reverse
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from django_payram.admin import actions
from django_payram.admin.lists import ProjectFilter, ReadOnlyAdmin, StatusFilter
from django_payram.models import DATABASE_BUSY, Payment, order_type
from django_payram.payments.links import usable_link
from django_payram.templatetags.payram import price, usd, web_address
from django_payram.views.decorators import outside_transactions

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

TIMELINE_LENGTH = 200
"""The newest events that a payment's page shows; older ones are in the list of events."""

CHECKBOX = '<input type="checkbox" name="{}" value="{}" aria-label="{}" class="action-select">'

EXACT_SEARCH = ("reference", "customer_id", "order_id", "deposit_address")


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """The list of payments, and one payment with its timeline."""

    actions = (actions.ask_payram_now, actions.announce_again)
    list_display = ("label", "status", "review", "amount", "received", "order_link", "age", "customer_email")
    list_filter = (StatusFilter, "review", ProjectFilter, "created_at")
    list_per_page = 50
    ordering = ("-created_at", "-pk")
    search_help_text = _("A whole reference, token, e-mail, customer id, order id or deposit address.")
    search_fields = ("reference",)  # shows the search box; get_search_results does the work
    change_list_template = "admin/django_payram/payment/change_list.html"
    change_form_template = "admin/django_payram/payment/change_form.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *("token", "reference", "project", "order_link", "order_number", "purpose"),
                    *("customer_id", "customer_email", "page_link"),
                )
            },
        ),
        (
            _("Money"),
            {
                "fields": (
                    *("status", "state", "review", "price", "amount", "received", "missing", "forgiven"),
                    *("surplus", "refunded", "coins", "paid_at", "tops_up"),
                )
            },
        ),
        (
            _("On the chain"),
            {"fields": ("currency", "blockchain", "deposit_address", "transaction_link", "confirmed")},
        ),
        (_("Receivers"), {"fields": ("undelivered", "delivery_attempts", "next_delivery_at", "announce_error")}),
        (
            _("Times"),
            {
                "fields": (
                    *("created_at", "updated_at", "expires_at", "withdrawn_at", "closed_at"),
                    *("checked_at", "next_check_at"),
                )
            },
        ),
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

    @admin.display(description=_("status"))
    def status(self, payment: Payment) -> str:
        """Return where the payment stands."""
        return str(payment.status.label)

    @admin.display(description=_("price"))
    def price(self, payment: Payment) -> str:
        """Return what the order costs, in the shop's currency."""
        return price(payment.price)

    @admin.display(description=_("forgiven"))
    def forgiven(self, payment: Payment) -> str:
        """Return what lacks although the payment is paid."""
        return usd(payment.forgiven_usd)

    @admin.display(description=_("refunded"))
    def refunded(self, payment: Payment) -> str:
        """Return what was sent back."""
        return usd(payment.refunded_usd)

    @admin.display(description=_("surplus"))
    def surplus(self, payment: Payment) -> str:
        """Return what has come beyond the amount."""
        return usd(payment.surplus_usd)

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
        kind = order_type(payment)
        text = f"{kind.name} {payment.order_id}"
        return self._link(f"{kind.app_label}_{kind.model}_change", payment.order_id, text)

    @admin.display(description=_("PayRam's page"))
    def page_link(self, payment: Payment) -> str:
        """Return a link to the page where the customer pays."""
        return _outside(payment.url) if usable_link(payment) else payment.url

    @admin.display(description=_("transaction"))
    def transaction_link(self, payment: Payment) -> str:
        """Return a link to the transaction on the chain."""
        return _outside(payment.explorer_url)

    @admin.display(description=_("tops up"))
    def tops_up(self, payment: Payment) -> str:
        """Return a link to the payment that this one tops up."""
        if payment.parent_id is None:
            return ""
        return self._link("django_payram_payment_change", payment.parent_id, str(payment.parent))

    def _link(self, page: str, key: str | int, text: str) -> str:
        """Link to another page of the same admin site, if that site has it."""
        try:
            return format_html(
                '<a href="{}">{}</a>', reverse(f"{self.admin_site.name}:{page}", args=[quote(key)]), text
            )
        except NoReverseMatch:
            return text

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

    # Pages and permissions

    def action_checkbox(self, obj: Payment) -> SafeString:
        """Return the box that chooses a row. Django's own is a template rendered, a fifth of the page's time."""
        label = _("Select this object for an action - {}").format(obj)
        return format_html(CHECKBOX, ACTION_CHECKBOX_NAME, obj.pk, label)

    @outside_transactions
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, or do an action: no lock is held on a payment while PayRam is asked about the next one."""
        return super().changelist_view(request, extra_context)

    def has_ask_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may ask PayRam and notify receivers again."""
        return request.user.has_perm("django_payram.ask_payram")

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may settle payments under review."""
        return request.user.has_perm("django_payram.review_payment")

    def get_urls(self) -> list[URLPattern]:
        """Add the report on the connection to PayRam, and the buttons of a payment's page."""
        wrap = self.admin_site.admin_view
        doctor = path("doctor/", wrap(self.doctor_view), name="django_payram_payment_doctor")
        view = wrap(self.button_view)
        buttons = [
            path(f"<path:object_id>/{name}/", view, {"button": name}, name=f"django_payram_payment_{name}")
            for name in actions.BUTTONS
        ]
        return [doctor, *buttons, *super().get_urls()]

    def doctor_view(self, request: HttpRequest) -> HttpResponse:
        """Show what ``payram_doctor`` says."""
        from django_payram.doctor.page import doctor_view  # noqa: PLC0415 - a rare page, and it brings requests along

        return doctor_view(request, self.admin_site)

    def button_view(self, request: HttpRequest, object_id: str, button: str) -> HttpResponse:
        """Do what a button of a payment's page says, and lead back to the page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        permission, act = actions.BUTTONS[button]
        if not (self.has_view_permission(request) and getattr(self, f"has_{permission}_permission")(request)):
            raise PermissionDenied
        payment = self.get_object(request, object_id)
        if payment is None:
            raise Http404
        try:
            act(request, payment)
        except DATABASE_BUSY:
            messages.error(request, _("The database is busy. Please try again in a minute."))
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:django_payram_payment_change", args=[payment.pk]))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the timeline and the buttons that the user may press."""
        payment: Payment = context["original"]
        events = payment.events.order_by("-created_at", "-pk")[:TIMELINE_LENGTH]
        context |= {
            "timeline": reversed(events),
            "may_ask": self.has_ask_permission(request),
            "may_review": self.has_review_permission(request) and (bool(payment.review) or payment.is_held),
            "reason_form": actions.ReasonForm(auto_id="%s"),
        }
        return super().render_change_form(request, context, *args, **kwargs)


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _outside(url: str) -> str:
    link = web_address(url)
    return format_html('<a href="{}" rel="noopener noreferrer">{}</a>', link, link) if link else url
