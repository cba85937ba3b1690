"""Rows of any age, and the command as an operator types it."""

from __future__ import annotations

import json
from datetime import timedelta

from django.utils import timezone

from django_payram.models import PaymentEvent
from django_payram.testing.factories import PaymentFactory
from tests.commands import run_command

BUYER = "buyer@example.org"


def run(*args):
    """Return the exit code and what the command prints."""
    return run_command("payram_prune", *args)


def sums(*args):
    code, said = run(*args, "--json")
    assert code == 0
    return json.loads(said)


def days_ago(days):
    return timezone.now() - timedelta(days=days)


def event(days=0, **fields):
    facts = {"project": "default", "source": "webhook", "outcome": "recorded", "created_at": days_ago(days)}
    return PaymentEvent.objects.create(**{**facts, **fields})


def kept_webhook(customer_id, days=0, **fields):
    """A webhook whose reference is not known."""
    return event(days, outcome="unmatched", customer_id=customer_id, payload={"reference_id": "r"}, **fields)


def settled(days=100, **fields):
    return PaymentFactory(**{"paid": True, "updated_at": days_ago(days), "next_check_at": None, **fields})
