from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.utils.timezone import now
from django_scopes import scope
from pretix.base.models import Event, Order, Organizer

from django_payram.models import Payment


@pytest.fixture
def organizer(db):
    return Organizer.objects.create(name="A theatre", slug="theatre")


@pytest.fixture
def event(organizer):
    with scope(organizer=organizer):
        event = Event.objects.create(
            organizer=organizer,
            name="A play",
            slug="play",
            currency="USD",
            date_from=now() + timedelta(days=30),
            plugins="pretix_payram",
            live=True,
        )
        event.settings.payment_payram__enabled = True
        event.settings.timezone = "UTC"
        return event


@pytest.fixture
def order(organizer, event):
    with scope(organizer=organizer):
        ticket = event.items.create(name="A seat", default_price=25)
        event.quotas.create(name="Seats", size=1).items.add(ticket)
        order = event.orders.create(
            code="PLAY1",
            email="visitor@example.org",
            status=Order.STATUS_PENDING,
            datetime=now(),
            expires=now() + timedelta(days=5),
            total=25,
            locale="en",
            sales_channel=organizer.sales_channels.get(identifier="web"),
        )
        order.positions.create(item=ticket, price=25)
        order.payments.create(provider="payram", amount=25, state="created")
        return order


@pytest.fixture
def press_pay(client, payram, organizer, order):
    """Return a function that does what a visitor does on the order's page, and returns the answer."""

    def press():
        with scope(organizer=organizer):
            key = order.payments.last().pk
        return client.post(f"/theatre/play/order/{order.code}/{order.secret}/pay/{key}/confirm")

    return press


@pytest.fixture
def payment(press_pay):
    press_pay()
    return Payment.objects.get()


@pytest.fixture
def states(organizer, order):
    """Return a function that returns the states of the order and of its payments in pretix."""

    def read():
        with scope(organizer=organizer):
            order.refresh_from_db()
            return order.status, *order.payments.values_list("state", flat=True)

    return read


def test_the_visitor_is_led_to_payram(press_pay, states):
    answer, payment = press_pay(), Payment.objects.get()
    assert (answer.status_code, answer.url) == (302, payment.url)
    assert (payment.amount_usd, payment.order_number) == (Decimal(25), "PLAY1-P-1")
    assert press_pay().url == payment.url
    assert states() == ("n", "created")


def test_a_paid_order_is_confirmed_once(payram, payment, states, organizer, order):
    payram.see(payment)
    assert states() == ("n", "pending")
    payram.confirm(payment, 30)
    payram.repeat(payment)
    assert states() == ("p", "confirmed")
    with scope(organizer=organizer):
        assert order.all_logentries().filter(action_type="pretix.event.order.paid").count() == 1


def test_polling_confirms_what_no_webhook_says(payram, payment, states):
    payram.sandbox.pay(payment.reference)
    call_command("payram_resync", "--state", "OPEN")
    assert states() == ("p", "confirmed")


def test_the_doctor_names_the_address_of_the_webhook(payram, db, capsys):
    call_command("payram_doctor")
    assert ": /_payram/webhook/" in capsys.readouterr().out


def test_the_visitor_sees_the_status_page_on_the_main_domain(client, payram, payment, order):
    payram.see(payment)
    page = client.get(f"/theatre/play/order/{order.code}/{order.secret}/").content.decode()
    address = f"/_payram/payments/{payment.token}/"
    assert f'href="http://example.com{address}"' in page
    assert "PLAY1-P-1" in client.get(address).content.decode()


def test_an_expired_link_fails_the_payment_and_late_money_confirms_it(payram, payment, states):
    payram.expire(payment)
    assert states() == ("n", "failed")
    payram.pay(payment)
    assert states() == ("p", "confirmed")


def test_late_money_for_what_is_sold_out_is_written_down(payram, payment, states, organizer, event, order):
    with scope(organizer=organizer):
        order.status, order.expires = Order.STATUS_EXPIRED, now() - timedelta(days=1)
        order.save()
        event.quotas.update(size=0)
    payram.pay_late(payment)
    assert states() == ("e", "confirmed")
    assert payment.next_delivery_at is None


def test_a_canceled_payment_wants_no_money(payram, payment, organizer, order):
    with scope(organizer=organizer):
        order_payment = order.payments.get()
        order_payment.payment_provider.cancel_payment(order_payment)
    payment.refresh_from_db()
    assert payment.withdrawn_at


def test_what_was_paid_twice_is_shown_to_the_organizer_and_its_refund_leaves_the_order_paid(
    payram, payment, states, organizer, order, rf
):
    payram.pay_twice(payment)
    with scope(organizer=organizer):
        order_payment = order.payments.get()
        shown = order_payment.payment_provider.payment_control_render(rf.get("/"), order_payment)
    assert payment.get_review_display() in shown
    assert "50.00 USD" in shown
    payram.refund(payment, 25)
    with scope(organizer=organizer):
        assert not order.refunds.exists()
    payram.refund(payment, 10)
    payram.repeat(payment)
    payram.refund(payment, 5)
    with scope(organizer=organizer):
        assert [(one.state, one.amount) for one in order.refunds.all()] == [("external", 10), ("external", 5)]
    assert states() == ("p", "confirmed")


def test_the_visitor_may_try_again_when_payram_is_down(payram, press_pay, states):
    with payram.down():
        assert press_pay().url.startswith("/theatre/play/order/PLAY1/")
    assert states() == ("n", "created")
    assert press_pay().url == Payment.objects.last().url


def test_a_shop_in_another_currency_does_not_offer_it(organizer, event):
    with scope(organizer=organizer):
        assert event.get_payment_providers()["payram"].is_enabled
        event.currency = "EUR"
        assert not event.get_payment_providers()["payram"].is_enabled
