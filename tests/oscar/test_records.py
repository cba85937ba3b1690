"""Oscar's Source and Transactions, and the status of the order."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from oscar.core.loading import get_model

from django_payram.contrib.oscar import orders, payram_receivers
from django_payram.models import Payment
from django_payram.payments import assign, open_payment, record_refund, refresh
from django_payram.payments.transitions import notify_again
from tests.oscar.test_checkout import with_rates

Transaction = get_model("payment", "Transaction")


def transactions(order):
    rows = Transaction.objects.filter(source__order=order).order_by("pk")
    return list(rows.values_list("txn_type", "amount", "reference"))


def sums(order):
    source = orders.source_of(order)
    return source.amount_allocated, source.amount_debited, source.amount_refunded


def test_a_paid_order_has_its_debit_and_its_status(payram, order, payment):
    payram.pay(payment)
    order.refresh_from_db()
    assert transactions(order) == [("Debit", Decimal("49.99"), payment.reference)]
    assert sums(order) == (Decimal("49.99"), Decimal("49.99"), 0)
    assert orders.source_of(order).balance == 0
    assert (orders.source_of(order).reference, order.status) == (payment.reference, "Being processed")
    assert order.status_changes.count() == 1


def test_a_signal_that_is_sent_again_changes_nothing(payram, order, payment):
    payram.pay(payment)
    record_refund(payment, amount_usd="10", transaction="0xabc")
    before = transactions(order), sums(order), order.status_changes.count()
    payram.sandbox.redeliver(payment.reference)
    refresh(payment)
    notify_again(payment)
    for receiver in (payram_receivers.pay_order, payram_receivers.follow):
        receiver(order, payment)
    assert (transactions(order), sums(order), order.status_changes.count()) == before


def test_an_order_that_was_shipped_is_not_put_back(payram, order, payment, monkeypatch):
    """Although this shop's pipeline would let it."""
    monkeypatch.setattr(type(order), "pipeline", {**order.pipeline, "Processed": ("Being processed",)})
    payram.pay(payment)
    order.refresh_from_db()
    order.set_status("Processed")
    payram_receivers.pay_order(order, payment)
    notify_again(payment)
    order.refresh_from_db()
    assert order.status == "Processed"


def test_refunds_are_recorded_once_each(payram, order, payment):
    payram.pay(payment)
    record_refund(payment, amount_usd="10", transaction="0xabc")
    record_refund(payment, amount_usd="10")
    record_refund(payment, amount_usd="10", transaction="0xabc")
    assert transactions(order)[1:] == [("Refund", Decimal(10), "0xabc"), ("Refund", Decimal(10), payment.reference)]
    assert sums(order) == (Decimal("49.99"), Decimal("49.99"), 20)


def test_a_part_is_no_debit_and_the_rest_makes_one(payram, order, payment):
    payram.pay(payment, 20)
    assert transactions(order) == []
    payram.pay(payment)
    assert transactions(order) == [("Debit", Decimal("49.99"), payment.reference)]


def test_what_was_sent_back_before_the_payment_was_paid_is_recorded_with_the_debit(payram, order, payment):
    payram.pay(payment, 20)
    record_refund(payment, amount_usd=5)
    assert transactions(order) == []
    payram.pay(payment, "34.99")
    assert [row[:2] for row in transactions(order)] == [("Debit", Decimal("54.99")), ("Refund", Decimal(5))]


def test_a_surplus_is_debited_as_well(payram, order, payment):
    payram.pay(payment, 60)
    assert sums(order) == (Decimal("49.99"), Decimal(60), 0)
    record_refund(payment, amount_usd="10.01")
    assert sums(order) == (Decimal("49.99"), Decimal(60), Decimal("10.01"))


def test_a_second_payment_is_debited_by_its_own_reference(payram, customer, order, payment):
    payram.expire(payment)
    customer.client.post(orders.pay_url(order))
    second = Payment.objects.for_order(order).open().get()
    payram.pay(second)
    payram.pay(payment)
    assert [row[2] for row in transactions(order)] == [second.reference, payment.reference]
    assert order.status_changes.count() == 1


def test_another_currency_is_recorded_by_the_rate_of_its_link(payram, customer, product, settings):
    settings.PAYRAM = with_rates(settings)
    product.stockrecords.update(price_currency="EUR")
    order, _response = customer.buy()
    payment = payram.pay(Payment.objects.get())
    for amount in ("18.33", "18.33", "18.33"):
        record_refund(payment, amount_usd=amount)
    assert orders.source_of(order).currency == "EUR"
    assert sums(order) == (Decimal("49.99"), Decimal("49.99"), Decimal("49.99"))
    order.refresh_from_db()
    assert order.status == "Being processed"


def test_a_payment_that_is_assigned_later_has_a_source(payram, order, customer):
    payment = payram.pay(open_payment(amount=30, email="ada@example.org"))
    other, _response = customer.buy()
    other.sources.all().delete()
    assign(payment, other)
    assert transactions(other) == [("Debit", Decimal(30), payment.reference)]
    assert sums(other) == (30, 30, 0)


def test_a_payment_that_leaves_an_order_takes_its_debit_and_its_refunds_along(payram, order, payment, customer):
    payram.pay(payment)
    record_refund(payment, amount_usd="10", transaction="0xabc")
    written = transactions(order)
    other, _response = customer.buy()
    assign(payment, other)
    assert (transactions(order), sums(order)) == ([], (Decimal("49.99"), 0, 0))
    assert (transactions(other), sums(other)) == (written, (Decimal("49.99"), Decimal("49.99"), 10))
    assert [orders.source_of(one).reference for one in (order, other)] == ["", payment.reference]
    record_refund(payment, amount_usd="5")
    assign(payment, order)
    assert (transactions(other), len(transactions(order))) == ([], 3)
    assert sums(order) == (Decimal("49.99"), Decimal("49.99"), 15)


def test_a_payment_that_leaves_an_order_leaves_the_records_of_the_others(payram, order, payment, customer):
    payram.pay(payment)
    payram.expire(payment)
    second = payram.pay(open_payment(order, amount=20, email="ada@example.org", purpose="engraving"))
    other, _response = customer.buy()
    assign(payment, other)
    assert transactions(order) == [("Debit", Decimal(20), second.reference)]
    assert sums(order)[1:] == (20, 0)


# Statuses


def test_a_status_that_the_pipeline_does_not_allow_is_logged_and_loses_nothing(payram, order, payment, caplog):
    order.set_status("Cancelled")
    with caplog.at_level(logging.ERROR):
        payram.pay(payment)
    assert (payment.is_paid, payment.undelivered, payment.announce_error) == (True, [], "")
    assert [row[0] for row in transactions(order)] == ["Debit"]
    order.refresh_from_db()
    assert order.status == "Cancelled"
    (line,) = [record.getMessage() for record in caplog.records if order.number in record.getMessage()]
    assert "'Cancelled' not to 'Being processed'" in line


@pytest.mark.parametrize("status", [None, ""])
def test_without_the_setting_the_status_stays(payram, order, payment, settings, status):
    settings.PAYRAM_OSCAR_PAID_STATUS = status
    payram.pay(payment)
    order.refresh_from_db()
    assert (order.status, sums(order)[1]) == ("Pending", Decimal("49.99"))


def test_an_order_that_has_grown_keeps_its_status(payram, order, payment, caplog):
    order.total_incl_tax += 10
    order.save()
    payram.pay(payment)
    order.refresh_from_db()
    assert (order.status, sums(order)[1]) == ("Pending", Decimal("49.99"))
    assert "costs more" in caplog.text


def test_a_receiver_of_the_shop_that_fails_delays_the_status_and_no_record(payram, order, payment):
    from oscar.apps.order.signals import order_status_changed

    def broken(**_kwargs):
        raise RuntimeError("The warehouse is closed.")

    order_status_changed.connect(broken)
    try:
        payram.sandbox.pay(payment.reference)
        assert [done.status for done in payram.sandbox.deliver_due()] == [500]
    finally:
        order_status_changed.disconnect(broken)
    payment.refresh_from_db()
    order.refresh_from_db()
    assert (payment.is_paid, payment.undelivered, order.status) == (True, ["payment_paid"], "Pending")
    assert [row[0] for row in transactions(order)] == ["Debit"]
    refresh(payment)
    order.refresh_from_db()
    assert (order.status, len(transactions(order))) == ("Being processed", 1)


# The dashboard


def test_the_dashboard_shows_payments_to_look_at(payram, order, payment, admin_client):
    payram.pay(payment)
    shown = admin_client.get(f"/dashboard/orders/{order.number}/").content.decode()
    panel = shown.partition('id="payram-payments"')[2].partition("</table>")[0]
    assert payment.reference in panel
    assert f'href="/admin/django_payram/payment/{payment.pk}/change/"' in panel
    assert f'href="/payram/payments/{payment.token}/"' in panel
    assert "Paid" in panel
    assert "<form" not in panel and "<button" not in panel and "<input" not in panel


def test_the_link_into_the_admin_needs_the_permission(order, payment, other_user):
    other_user.is_staff = True
    other_user.save()
    other_user.user_permissions.add(Permission.objects.get(codename="view_order", content_type__app_label="order"))
    client = Client()
    client.force_login(other_user, backend="django.contrib.auth.backends.ModelBackend")
    url = f"/dashboard/orders/{order.number}/"
    admin = f"/admin/django_payram/payment/{payment.pk}/change/"
    shown = client.get(url).content.decode()
    assert payment.reference in shown and admin not in shown
    other_user.user_permissions.add(Permission.objects.get(codename="view_payment"))
    assert admin in client.get(url).content.decode()
