"""All payments that wait for a person, the weightiest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, When
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_payram.admin.decisions import ReasonForm
from django_payram.admin.lists import BoundedPaginator
from django_payram.admin.words import advice
from django_payram.gateway.redaction import clean_text
from django_payram.models import DATABASE_BUSY, Payment, Review, Source
from django_payram.payments import rules, transitions

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, HttpResponse

    from django_payram.models import PaymentQuerySet

PER_PAGE = 50


def waiting() -> PaymentQuerySet:
    """Return the payments that wait for a person: the weightiest reason first, and of one reason the oldest news."""
    weight = Case(*(When(review=review, then=place) for place, review in enumerate(Review)))
    return Payment.objects.needing_review().order_by(weight, "updated_at", "pk")


def inbox_view(admin: ModelAdmin[Payment], request: HttpRequest) -> HttpResponse:
    """Show what waits, or resolve what was chosen with one reason."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    may_review = admin.has_review_permission(request)  # type: ignore[attr-defined] # of PaymentAdmin
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if not may_review:
            raise PermissionDenied
        if form.is_valid():
            _resolve_chosen(admin, request, form.cleaned_data["reason"])
            return HttpResponseRedirect(reverse(f"{admin.admin_site.name}:django_payram_payment_inbox"))
    page = BoundedPaginator(waiting(), PER_PAGE).get_page(request.GET.get("p"))
    request.current_app = admin.admin_site.name
    context = {
        **admin.admin_site.each_context(request),
        "title": _("Payments that need you"),
        "opts": Payment._meta,  # noqa: SLF001 - the admin's own templates take it
        "page": page,
        "rows": [(payment, advice(payment)) for payment in page],
        "may_review": may_review,
        "form": form,
        "media": admin.media,
    }
    return TemplateResponse(request, "admin/django_payram/payment/inbox.html", context)


def _resolve_chosen(admin: ModelAdmin[Payment], request: HttpRequest, reason: str) -> None:
    keys = [key for key in request.POST.getlist("payment") if key.isascii() and key.isdigit()][:PER_PAGE]
    resolved, refused = 0, []
    for payment in Payment.objects.filter(pk__in=keys).order_by("pk"):
        try:
            _resolve(payment, reason, request.user.get_username())
        except ValueError:
            # Held payments are accepted or sent back, one by one; others were resolved in the meantime.
            refused.append(str(payment))
        except DATABASE_BUSY:
            messages.error(request, _("The database is busy. Please try again in a minute."))
            break
        else:
            resolved += 1
            admin.log_change(request, payment, _("The review is resolved."))
    if resolved:
        text = ngettext("%(count)d review is resolved.", "%(count)d reviews are resolved.", resolved)
        messages.success(request, text % {"count": resolved})
    if refused:
        text = _("These payments cannot be resolved, they have to be decided one by one: %(payments)s")
        messages.error(request, text % {"payments": ", ".join(refused)})
    elif not keys:
        messages.warning(request, _("Nothing was chosen."))


def _resolve(payment: Payment, reason: str, actor: str) -> Any:
    update: rules.Update = rules.Resolution(clean_text(reason))
    return transitions.apply(payment, update, source=Source.ADMIN, actor=actor)
