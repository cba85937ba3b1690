"""What a load balancer asks: whether this process can reach its database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_not_required
from django.db import connections
from django.http import JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from django_payram.models import DATABASE_BUSY, database
from django_payram.views.decorators import outside_transactions

if TYPE_CHECKING:
    from django.http import HttpRequest


@method_decorator([never_cache, login_not_required, outside_transactions], name="dispatch")
class HealthView(View):
    """Answers 200 when the database of the payments answers, 503 otherwise, and says nothing else.

    PayRam is not asked: a shop whose PayRam is down still sells, and must not be taken out of service.
    """

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> JsonResponse:  # noqa: ARG002 - Django's signature
        """Ask the database."""
        try:
            with connections[database()].cursor() as cursor:
                cursor.execute("SELECT 1")
        except DATABASE_BUSY:
            return JsonResponse({"status": "unavailable"}, status=503)
        return JsonResponse({"status": "ok"})
