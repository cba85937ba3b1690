"""The diagnosis as a page of the admin."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from django_payram import doctor
from django_payram.doctor import Level, Part
from django_payram.doctor.addresses import places
from django_payram.models import Payment

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.http import HttpRequest, HttpResponse

PERMISSION = "django_payram.view_payment"
TEMPLATE = "admin/django_payram/doctor.html"


@require_http_methods(["GET", "HEAD", "POST"])
def doctor_view(request: HttpRequest, admin_site: AdminSite) -> HttpResponse:
    """Show the diagnosis. A POST also sends test webhooks to the address under which the request came.

    To be wrapped in ``admin_site.admin_view``, which demands the login. Raises PermissionDenied.
    """
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    scope = doctor.scope(public_url=request.build_absolute_uri("/"), round_trip=request.method == "POST")
    parts = list(doctor.examine(scope))
    findings = [finding for part in parts for finding in part.findings]
    request.current_app = admin_site.name
    context = {
        **admin_site.each_context(request),
        "title": _("Connection to PayRam"),
        "opts": Payment._meta,  # noqa: SLF001 - the admin's templates take it
        "parts": [part for part in map(_without_addresses, parts) if part.findings],
        "addresses": places(scope),
        "summary": doctor.summary(findings),
        "level": doctor.gravest(findings),
        "round_trip": scope.round_trip,
    }
    return TemplateResponse(request, TEMPLATE, context)


def _without_addresses(part: Part) -> Part:
    """The page shows the addresses in a form that can be copied, so that their findings need not stand there twice."""
    if part.name != "addresses":
        return part
    return replace(part, findings=tuple(finding for finding in part.findings if finding.level != Level.OK))
