"""Views as a shop would write them by hand."""

from __future__ import annotations

import hmac
import json
from decimal import Decimal

import requests
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from benchmarks.floors.models import LeanEvent, LeanPayment, Order

payram = requests.Session()
"""Its connections are kept alive."""


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
    if not _is_authentic(request):
        return JsonResponse({"message": "Wrong key."}, status=401)
    fields = json.loads(request.body)
    _record(fields["reference_id"], fields["status"], fields["filled_amount_in_usd"], request.body)
    return JsonResponse({"message": "Webhook received successfully."})


@csrf_exempt
@require_POST
def asking_webhook(request):
    """Take a webhook as a hint, as PayRam's documents advise: what is recorded is what PayRam says when it is asked."""
    if not _is_authentic(request):
        return JsonResponse({"message": "Wrong key."}, status=401)
    project, reference = settings.PAYRAM["default"], json.loads(request.body)["reference_id"]
    answer = payram.get(
        f"{project['BASE_URL']}/api/v1/payment/reference/{reference}",
        headers={"API-Key": project["API_KEY"]},
        timeout=15,
        allow_redirects=False,
    )
    answer.raise_for_status()
    fields = answer.json()
    _record(reference, fields["paymentState"], fields["filledAmountInUSD"], answer.content)
    return JsonResponse({"message": "Webhook received successfully."})


def _is_authentic(request):
    key = settings.PAYRAM["default"]["API_KEY"]
    return hmac.compare_digest(request.headers.get("API-Key", "").encode(), key.encode())


def _record(reference, state, filled_usd, payload):
    with transaction.atomic():
        payment = LeanPayment.objects.select_for_update().get(reference=reference)
        if payment.state != state:
            payment.state = state
            payment.filled_usd = Decimal(filled_usd)
            payment.save(update_fields=["state", "filled_usd", "updated_at"])
            Order.objects.filter(pk=payment.order_id).update(status="paid")
            LeanEvent.objects.create(payment=payment, payload=payload.decode())
