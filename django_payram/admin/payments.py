"""Payments in the admin: everything to see, nothing to edit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_payram.admin import actions
from django_payram.admin.columns import PaymentColumns
from django_payram.admin.decisions import DECISIONS, decision_view
from django_payram.admin.inbox import inbox_view
from django_payram.admin.lists import ProjectFilter, ReadOnlyAdmin, ReviewFilter, StatusFilter
from django_payram.admin.overview import download, overview_view
from django_payram.admin.panel import panel
from django_payram.admin.request_payment import request_view
from django_payram.admin.search import matching
from django_payram.models import DATABASE_BUSY, Payment
from django_payram.payments.links import usable_link
from django_payram.views.decorators import outside_transactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

CHECKBOX = '<input type="checkbox" name="{}" value="{}" aria-label="{}" class="action-select">'


@admin.register(Payment)
class PaymentAdmin(PaymentColumns, ReadOnlyAdmin):
    """The list of payments, and one payment with what can be decided about it and its timeline."""

    actions = (actions.ask_payram_now, actions.announce_again, download)
    date_hierarchy = "paid_at"
    list_display = ("label", "order_link", "status_and_review", "amount", "received", "customer", "age")
    list_filter = (StatusFilter, ReviewFilter, ProjectFilter, "created_at", "paid_at")
    list_per_page = 50
    ordering = ("-created_at", "-pk")
    search_help_text = _(
        "An order number, the beginning of an e-mail, a transaction hash, a deposit address, a reference, a token or a "
        "customer id."
    )
    search_fields = ("reference",)  # shows the search box; get_search_results does the work
    change_list_template = "admin/django_payram/payment/change_list.html"
    change_form_template = "admin/django_payram/payment/change_form.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *("token", "reference", "project", "order_link", "purpose", "tops_up"),
                    *("customer_id", "customer_email", "page_link", "status_link"),
                )
            },
        ),
        (
            _("On the chain"),
            {
                "fields": (
                    *("state", "coins", "currency", "blockchain", "deposit_address"),
                    *("transaction_link", "transaction_hash", "confirmed"),
                )
            },
        ),
        (_("Receivers"), {"fields": ("undelivered", "delivery_attempts", "next_delivery_at", "announce_error")}),
        (
            _("Times"),
            {
                "fields": (
                    *("created_at", "updated_at", "paid_at", "expires_at", "withdrawn_at", "closed_at"),
                    *("checked_at", "next_check_at"),
                )
            },
        ),
        (_("Metadata"), {"fields": ("metadata",), "classes": ("collapse",)}),
    )

    class Media:
        """Colours of statuses, and the layout of the panel and of the pages for decisions."""

        css = {"all": ("django_payram/admin.css",)}
        js = ("django_payram/copy.js", "django_payram/desk.js")

    # The list

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[Payment],
        search_term: str,
    ) -> tuple[QuerySet[Payment], bool]:
        """Find what people say on the phone: each is answered by an index, whatever the number of payments."""
        term = search_term.strip()
        if not term or "\x00" in term:
            return queryset, False
        return matching(queryset, term), False

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the newest first; of a span of payment dates those paid last."""
        is_of_paid = any(name.startswith("paid_at__") for name in request.GET)
        return ("-paid_at", "-pk") if is_of_paid else self.ordering

    def action_checkbox(self, obj: Payment) -> SafeString:
        """Return the box that chooses a row. Django's own is a template rendered, a fifth of the page's time."""
        label = _("Select this object for an action - {}").format(obj)
        return format_html(CHECKBOX, ACTION_CHECKBOX_NAME, obj.pk, label)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Remember with each row who looks at it: links lead only where the user may go."""
        changelist = super().get_changelist_instance(request)
        addresses: dict[str, tuple[str, str]] = {}
        for payment in changelist.result_list:
            payment.viewer, payment.addresses = request.user, addresses
        return changelist

    @outside_transactions
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, or do an action: no lock is held on a payment while PayRam is asked about the next one."""
        context = {"may_request": self.has_request_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    # Permissions

    def has_ask_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may ask PayRam and notify receivers again."""
        return request.user.has_perm("django_payram.ask_payram")

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may settle payments under review."""
        return request.user.has_perm("django_payram.review_payment")

    def has_request_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may make links, and mail them."""
        return request.user.has_perm("django_payram.request_payment")

    def may_decide(self, request: HttpRequest, name: str) -> bool:
        """Return whether the user may take the decision of that name."""
        return request.user.has_perm(f"django_payram.{DECISIONS[name].permission}_payment")

    # Pages

    def get_urls(self) -> list[URLPattern]:
        """Add the inbox, the overview, the doctor's report, and the buttons and decisions of a payment."""
        wrap = self.admin_site.admin_view
        views: dict[str, tuple[str, Callable[..., HttpResponseBase]]] = {
            "doctor/": ("doctor", self.doctor_view),
            "inbox/": ("inbox", partial(inbox_view, self)),
            "overview/": ("overview", partial(overview_view, self)),
            "request/": ("request", partial(request_view, self)),
            **{f"<path:object_id>/{name}/": (name, partial(self.button_view, name)) for name in actions.BUTTONS},
            **{f"<path:object_id>/{name}/": (name, partial(self.decision_view, name)) for name in DECISIONS},
        }
        own = [
            # Outside of ATOMIC_REQUESTS: some of them ask PayRam.
            path(address, outside_transactions(wrap(view)), name=f"django_payram_payment_{name}")
            for address, (name, view) in views.items()
        ]
        return [*own, *super().get_urls()]

    def doctor_view(self, request: HttpRequest) -> HttpResponse:
        """Show what ``payram_doctor`` says."""
        from django_payram.doctor.page import doctor_view  # noqa: PLC0415 - a rare page, and it brings requests along

        return doctor_view(request, self.admin_site)

    def button_view(self, button: str, request: HttpRequest, object_id: str) -> HttpResponse:
        """Do what a button of a payment's page says, and lead back to the page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        permission, act = actions.BUTTONS[button]
        if not (self.has_view_permission(request) and request.user.has_perm(f"django_payram.{permission}")):
            raise PermissionDenied
        payment = self._payment(request, object_id)
        try:
            act(request, payment)
        except DATABASE_BUSY:
            messages.error(request, _("The database is busy. Please try again in a minute."))
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:django_payram_payment_change", args=[payment.pk]))

    def decision_view(self, name: str, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for what a decision needs, or take it."""
        if not (self.has_view_permission(request) and self.may_decide(request, name)):
            raise PermissionDenied
        return decision_view(self, request, self._payment(request, object_id), name)

    def _payment(self, request: HttpRequest, object_id: str) -> Payment:
        payment: Payment | None = self.get_object(request, object_id)
        if payment is None:
            raise Http404
        return payment

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the panel with the decisions that the user may take, and the timeline."""
        payment: Any = context["original"]
        payment.viewer = request.user
        context |= panel(payment) | {
            "may_ask": self.has_ask_permission(request),
            "may_request": self.has_request_permission(request),
            "order": self.order_link(payment),
            "pay_link": usable_link(payment) if payment.is_open else "",
            "status_address": actions.status_address(request, payment),
            "decisions": [
                (f"admin:django_payram_payment_{name}", decision.title)
                for name, decision in DECISIONS.items()
                if self.may_decide(request, name) and decision.is_possible(payment)
            ],
        }
        return super().render_change_form(request, context, *args, **kwargs)
