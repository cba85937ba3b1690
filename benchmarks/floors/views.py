"""Views as a shop would write them by hand."""

from __future__ import annotations

import hmac
import json
from decimal import Decimal

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from benchmarks.floors.models import LeanEvent, LeanPayment, Order


@csrf_exempt
def empty(request):  # noqa: ARG001 - Django's signature
    """Answer, and do nothing: the floor under every view."""
    return HttpResponse("ready")


@csrf_exempt
def asking(request):  # noqa: ARG001 - Django's signature
    """Ask the database one question as cheaply as Django lets one: no view that knows payments does less."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT state FROM floors_leanpayment WHERE reference = %s", ["none"])
        cursor.fetchall()
    return HttpResponse("ready")


@csrf_exempt
@require_POST
def webhook(request):
    """Check the header, read the body, and mark payment and order as paid: six statements, two for a repetition."""
    key = settings.PAYRAM["default"]["API_KEY"]
    if not hmac.compare_digest(request.headers.get("API-Key", "").encode(), key.encode()):
        return JsonResponse({"message": "Wrong key."}, status=401)
    fields = json.loads(request.body)
    with transaction.atomic():
        payment = LeanPayment.objects.select_for_update().get(reference=fields["reference_id"])
        if payment.state != fields["status"]:
            payment.state = fields["status"]
            payment.filled_usd = Decimal(fields["filled_amount_in_usd"])
            payment.save(update_fields=["state", "filled_usd", "updated_at"])
            Order.objects.filter(pk=payment.order_id).update(status="paid")
            LeanEvent.objects.create(payment=payment, payload=request.body.decode())
    return JsonResponse({"message": "Webhook received successfully."})
