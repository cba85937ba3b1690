"""django-cacheops, with every query cached, never shows what a payment was before its last change."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from django_payram.models import Payment, PaymentEvent
from django_payram.models.states import Review, State
from django_payram.payments import open_payment, refresh
from django_payram.payments.refresh import refresh_if_stale
from django_payram.polling import worker
from django_payram.signals import payment_paid
from tests.shop.models import Order


class Shop:
    """What a shop's pages ask, again and again: each answer comes from the cache, unless something has changed."""

    def __init__(self, order):
        self.order = order

    def look(self):
        payments = Payment.objects.for_order(self.order)
        return {
            "states": sorted(payments.values_list("state", flat=True)),
            "open": Payment.objects.filter(state=State.OPEN).count(),
            "paid": Payment.objects.paid().exists(),
            "review": [payment.review for payment in payments],
            "timeline": PaymentEvent.objects.filter(payment__in=list(payments)).count(),
            "order": Order.objects.get(pk=self.order.pk).status,
        }

    def is_cached(self):
        with CaptureQueriesContext(connection) as statements:
            self.look()
        return len(statements) == 0


@pytest.fixture
def shop(order):
    def deliver_goods(payment, **_kwargs):
        order = payment.order
        order.status = "delivered"
        order.save()

    payment_paid.connect(deliver_goods)
    shop = Shop(order)
    shop.look()
    assert shop.is_cached()
    yield shop
    payment_paid.disconnect(deliver_goods)


def test_a_payment_is_seen_when_it_is_opened(shop, payment):
    """F91."""
    seen = shop.look()
    assert (seen["states"], seen["open"], seen["paid"]) == ([State.OPEN], 1, False)
    assert shop.is_cached()


def test_a_webhook_is_seen(payram, shop, payment):
    """F91: by queries of payments, of events, and of the order that a receiver changed."""
    assert shop.look()["states"] == [State.OPEN]
    payram.pay(payment, 20)
    assert shop.look()["states"] == [State.PARTIALLY_FILLED]
    payram.pay(payment)
    seen = shop.look()
    assert (seen["states"], seen["open"], seen["paid"], seen["order"]) == ([State.FILLED], 0, True, "delivered")
    assert seen["timeline"] == PaymentEvent.objects.nocache().count()
    assert shop.is_cached()


def test_a_repeated_webhook_drops_nothing(payram, shop, payment):
    payram.pay(payment)
    shop.look()
    payram.sandbox.redeliver(payment.reference)
    assert shop.is_cached()


def test_an_answer_is_seen(payram, shop, payment):
    """F91: no webhook comes."""
    assert shop.look()["open"] == 1
    payram.sandbox.pay(payment.reference)
    refresh(payment)
    assert shop.look()["states"] == [State.FILLED]


def test_a_poll_asks_and_is_seen(payram, shop, payment):
    """F91: which payments are due is not asked of the cache."""
    assert list(worker.run()) == []
    assert shop.look()["open"] == 1
    payram.sandbox.pay(payment.reference)
    Payment.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))
    assert [result.news for result in worker.run()] == [True]
    assert shop.look()["states"] == [State.FILLED]


def test_a_decision_in_the_admin_is_seen(payram, shop, payment, admin_client):
    """F91: a held payment is accepted."""
    Payment.objects.filter(pk=payment.pk).invalidated_update(amount_usd=Decimal(70))
    payram.pay(payment, payment.amount_usd)
    seen = shop.look()
    assert (seen["review"], seen["order"]) == ([Review.AMOUNT], "new")
    admin_client.post(
        f"/admin/django_payram/payment/{payment.pk}/accept/", {"reason": "Agreed by phone.", "confirm": "on"}
    )
    seen = shop.look()
    assert (seen["review"], seen["paid"], seen["order"]) == ([""], True, "delivered")


def test_a_link_that_another_one_replaces_is_seen(payment, order):
    """F91."""
    live = Payment.objects.filter(live_slot=payment.live_slot)
    assert list(live) == [payment]
    other = open_payment(order, amount=order.total + 1, email=order.email)
    assert list(live.all()) == [other]


def test_the_status_page_asks_again_after_payram_was_down(payram, payment, client, monkeypatch):
    """F91: the page reads from the cache when the payment was checked last, and a lost webhook heals all the same."""
    monkeypatch.setitem(refresh_if_stale.__globals__, "FRESH", timedelta(0))
    page = reverse("payram:status-api", args=[payment.token])
    payram.sandbox.pay(payment.reference)
    payram.sandbox.inject_fault(None, "broken")
    assert client.get(page).json()["state"] == State.OPEN
    payram.sandbox.clear_faults()
    assert client.get(page).json()["state"] == State.FILLED
