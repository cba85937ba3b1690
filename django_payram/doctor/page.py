"""The diagnosis as a page of the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from django_payram import doctor
from django_payram.models import Payment

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.http import HttpRequest, HttpResponse


@require_http_methods(["GET", "HEAD", "POST"])
def doctor_view(request: HttpRequest, admin_site: AdminSite) -> HttpResponse:
    """Show the diagnosis. A POST also sends test webhooks to the address under which the request came.

    To be wrapped in ``admin_site.admin_view``, which demands the login. Raises PermissionDenied.
    """
    if not request.user.has_perm("django_payram.view_payment"):
        raise PermissionDenied
    scope = doctor.Scope(public_url=request.build_absolute_uri("/"), round_trip=request.method == "POST")
    findings = list(doctor.examine(scope))
    level, summary = doctor.summary(findings)
    request.current_app = admin_site.name
    # The admin's own templates take ``opts``.
    shown = {"title": _("Connection to PayRam"), "opts": Payment._meta, "round_trip": scope.round_trip}  # noqa: SLF001
    context = {**admin_site.each_context(request), **shown, "findings": findings, "level": level, "summary": summary}
    return TemplateResponse(request, "admin/django_payram/doctor.html", context)
