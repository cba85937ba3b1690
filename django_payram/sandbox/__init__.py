"""A pretend PayRam server, for demonstrations and tests: no coins move."""

from __future__ import annotations

from django_payram.sandbox.application import Call, Sandbox
from django_payram.sandbox.deliveries import Delivery, OutgoingWebhook
from django_payram.sandbox.ledger import Payment, UnknownPayment
from django_payram.sandbox.misbehaviour import KINDS
from django_payram.sandbox.storage import BrokenBooks
from django_payram.sandbox.vintages import VINTAGES

__all__ = [
    "KINDS",
    "VINTAGES",
    "BrokenBooks",
    "Call",
    "Delivery",
    "OutgoingWebhook",
    "Payment",
    "Sandbox",
    "UnknownPayment",
]
