"""The app's start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from django.apps import apps

import django_payram
from tests.shop import payram_receivers


def test_a_shops_receivers_are_imported_at_start():
    assert "tests.shop.payram_receivers" in sys.modules
    assert payram_receivers.imported


def test_the_app_has_its_name_and_keys():
    config = apps.get_app_config("django_payram")
    assert config.default_auto_field == "django.db.models.BigAutoField"
    assert str(config.verbose_name) == "PayRam payments"


def test_types_are_shipped():
    assert (Path(django_payram.__file__).parent / "py.typed").exists()


@pytest.mark.django_db
def test_the_shops_receiver_marks_the_order(payram, order):
    from django_payram.payments import open_payment

    payment = open_payment(order, amount=order.total, email=order.email)
    payram.pay(payment)
    order.refresh_from_db()
    assert (order.status, order.times_paid) == ("paid", 1)
