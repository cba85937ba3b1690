"""What a person may do about a payment in the admin. All of it goes through the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_payram import lifecycle, resync
from django_payram.admin.readonly import ReadOnlyAdmin
from django_payram.exceptions import PayramError
from django_payram.models import Payment, Source
from django_payram.transactions import outside_transactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern
    from django.utils.safestring import SafeString


CHECKBOX = '<input type="checkbox" name="{}" value="{}" aria-label="{}" class="action-select">'


class ReasonForm(forms.Form):
    """Why a person decided as they did; it goes into the timeline."""

    reason = forms.CharField(label=_("Reason"), max_length=500, strip=True)


class DecisionsAdmin(ReadOnlyAdmin):
    """The actions of the list and the buttons of a payment's page, each behind its permission."""

    actions = ("ask_payram_now", "announce_again")

    def action_checkbox(self, obj: Payment) -> SafeString:
        """Return the box that chooses a row. Django's own is a template rendered, a fifth of the page's time."""
        label = _("Select this object for an action - {}").format(obj)
        return format_html(CHECKBOX, ACTION_CHECKBOX_NAME, obj.pk, label)

    @outside_transactions
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, or do an action: no lock is held on a payment while PayRam is asked about the next one."""
        return super().changelist_view(request, extra_context)

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
            elif not asked.announced:
                self._tell_failure(request, asked.payment)
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
        except (PayramError, ImproperlyConfigured) as exc:
            self.message_user(request, str(exc), messages.ERROR)
            return
        self.message_user(request, _("PayRam was asked, and its answer is recorded."), messages.SUCCESS)
        if payment.pending:
            self._tell_failure(request, payment)

    def _tell_failure(self, request: HttpRequest, payment: Payment) -> None:
        text = _("A receiver of %(payment)s failed; its error is shown on the payment.")
        self.message_user(request, text % {"payment": payment}, messages.ERROR)

    def _announce_again(self, request: HttpRequest, payment: Payment) -> None:
        recorded = lifecycle.announce_again(payment, actor=request.user.get_username())
        if recorded.announced:
            text = _("The receivers of %(payment)s were told.")
            self.message_user(request, text % {"payment": payment}, messages.SUCCESS)
        else:
            self._tell_failure(request, payment)

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
        except ValueError:
            self.message_user(request, _("The payment is not held for review any more."), messages.ERROR)
            return
        self.message_user(request, done, messages.SUCCESS)
