"""A pretend PayRam server, for demonstrations and tests: no coins move."""

from __future__ import annotations

from django_payram.sandbox.api_versions import API_VERSIONS
from django_payram.sandbox.application import Call, Sandbox
from django_payram.sandbox.faults import FAULTS
from django_payram.sandbox.payments import Payment, UnknownPayment
from django_payram.sandbox.storage import CorruptData
from django_payram.sandbox.webhooks import Delivery, OutgoingWebhook

__all__ = [
    "API_VERSIONS",
    "FAULTS",
    "Call",
    "CorruptData",
    "Delivery",
    "OutgoingWebhook",
    "Payment",
    "Sandbox",
    "UnknownPayment",
]
