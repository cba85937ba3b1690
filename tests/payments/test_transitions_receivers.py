"""Receivers: what they are sent, and what becomes of those that fail."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone

from django_payram.models import Outcome, Payment, PaymentEvent, Source, database
from django_payram.models.states import State
from django_payram.payments import transitions
from django_payram.signals import payment_paid, payment_updated
from django_payram.testing.factories import PaymentFactory
from django_payram.testing.payram import TEST_KEY
from tests.payments.helpers import apply, of_order, outcomes, receive, update_of
from tests.shop.models import Order

pytestmark = pytest.mark.django_db


def test_a_receiver_that_raises_leaves_the_state_and_is_notified_again(listener):
    """F9, F6, F47, D3."""
    payment = PaymentFactory()
    listener.fail_on = {"payment_paid"}
    assert not receive(payment, State.FILLED, "49.99").delivered
    assert payment.is_paid
    assert payment.undelivered == ["payment_paid"]
    assert "RuntimeError: payment_paid is broken" in payment.announce_error
    assert listener.names == ["payment_updated"], "a bad receiver of one signal does not bar the other"
    assert Payment.objects.undelivered().get() == payment
    listener.fail_on = set()
    assert receive(payment, State.FILLED, "49.99").delivered
    assert listener.names == ["payment_updated", "payment_paid"]
    assert (payment.undelivered, payment.announce_error) == ([], "")
    assert outcomes(payment)[-2:] == [Outcome.NOT_ANNOUNCED, Outcome.ANNOUNCED]


def test_a_mended_receiver_of_updates_is_given_the_state_it_last_knew(listener):
    payment = PaymentFactory()
    listener.fail_on = {"payment_updated"}
    receive(payment, State.PARTIALLY_FILLED, "20")
    listener.fail_on = set()
    receive(payment, State.FILLED, "49.99")
    updates = [extra for name, _, extra in listener.received if name == "payment_updated"]
    assert updates == [{"previous_state": State.OPEN}]


@pytest.mark.not_in("databases", reason="two databases have no common transaction")
def test_what_a_failing_receiver_wrote_is_undone_and_what_the_others_wrote_stays(order):
    """F9."""

    def count(sender, payment, **kwargs):
        Order.objects.filter(pk=order.pk).update(times_paid=1, status="paid")

    def fail(sender, payment, **kwargs):
        Order.objects.filter(pk=order.pk).update(status="broken")
        raise RuntimeError("no")

    payment_paid.connect(count, weak=False)
    payment_updated.connect(fail, weak=False)
    try:
        receive(PaymentFactory(), State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(count)
        payment_updated.disconnect(fail)
    order.refresh_from_db()
    assert (order.times_paid, order.status) == (1, "paid")


@pytest.mark.parametrize("how", ["database error", "swallowed error", "rollback"])
def test_a_receiver_that_breaks_its_transaction_leaves_the_state(how):
    def break_it(sender, payment, **kwargs):
        if how == "rollback":
            transaction.set_rollback(True, using=database())
            return
        try:
            with connections[database()].cursor() as cursor:
                cursor.execute("SELECT * FROM no_such_table")
        except Exception:
            if how == "database error":
                raise

    payment = PaymentFactory()
    payment_paid.connect(break_it, weak=False)
    try:
        recorded = receive(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(break_it)
    assert payment.is_paid
    if how != "swallowed error" or connection.vendor == "postgresql":
        assert not recorded.delivered
        assert payment.undelivered == ["payment_paid"]


@pytest.mark.parametrize("stop", [SystemExit, KeyboardInterrupt])
def test_a_worker_stopped_inside_a_receiver_records_first_and_stops_then(listener, stop):
    """F9: a server that gives up on a hanging receiver raises SystemExit inside it."""

    def hang(sender, payment, **kwargs):
        PaymentEvent.objects.create(reference="the receiver's")
        raise stop

    payment = PaymentFactory()
    payment_paid.connect(hang, weak=False)
    try:
        with pytest.raises(stop):
            receive(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(hang)
    payment.refresh_from_db()
    assert payment.is_paid
    assert payment.undelivered == ["payment_paid", "payment_updated"]
    assert payment.announce_error.splitlines() == [
        f"payment_paid: {stop.__name__}: ",
        "payment_updated: not sent, the process was being stopped",
    ]
    assert not PaymentEvent.objects.filter(reference="the receiver's").exists()
    assert outcomes(payment) == [Outcome.RECORDED, Outcome.PAID, Outcome.NOT_ANNOUNCED]
    assert transitions.notify(payment).delivered
    assert listener.names == ["payment_paid", "payment_paid", "payment_updated"]


def test_a_receivers_error_is_kept_in_short_and_logged_in_full(caplog):
    def fail(sender, payment, **kwargs):
        raise RuntimeError("x" * 1000)

    payment = PaymentFactory()
    payment_paid.connect(fail, weak=False)
    try:
        receive(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(fail)
    assert payment.announce_error == "payment_paid: RuntimeError: ".ljust(500, "x")
    (record,) = [record for record in caplog.records if record.name == "django_payram"]
    assert record.getMessage().startswith(f"A receiver of payment_paid failed for payment {payment.token}.\nTraceback ")
    assert "x" * 1000 in record.getMessage()


def test_a_receiver_that_marks_the_transaction_for_rollback_is_distinguished():
    def mark(sender, payment, **kwargs):
        transaction.set_rollback(True, using=database())

    payment = PaymentFactory()
    payment_paid.connect(mark, weak=False)
    try:
        receive(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(mark)
    said = "payment_paid: TransactionBroken: A receiver marked the transaction for rollback."
    assert payment.announce_error == said


@pytest.mark.django_db(transaction=True)
def test_on_commit_work_that_fails_is_logged_without_keys_and_undoes_nothing(caplog, payram):
    def mail():
        raise ConnectionRefusedError(f"no mail for {TEST_KEY}")

    def leave(sender, payment, **kwargs):
        transaction.on_commit(mail, using=database())

    payment = PaymentFactory()
    payment_paid.connect(leave)
    try:
        recorded = receive(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(leave)
    assert (recorded.is_news, recorded.delivered, payment.is_paid, payment.undelivered) == (True, True, True, [])
    (message,) = caplog.messages
    assert message.startswith(f"on_commit work of a receiver failed for payment {payment.token}.\nTraceback")
    assert message.endswith("ConnectionRefusedError: no mail for [key]\n")


@pytest.mark.django_db(transaction=True)
def test_a_commit_that_fails_is_an_error(monkeypatch):
    payment = PaymentFactory()

    def broken(self):
        raise OperationalError("the server is gone")

    monkeypatch.setattr(type(connections[database()]), "_commit", broken)
    with pytest.raises(OperationalError):
        apply(payment, update_of(State.FILLED, "49.99"), source=Source.WEBHOOK)
    monkeypatch.undo()
    payment.refresh_from_db()
    assert not payment.is_paid


def test_on_commit_work_of_a_failing_receiver_is_not_done(django_capture_on_commit_callbacks):
    done = []

    def mail_then_fail(sender, payment, **kwargs):
        transaction.on_commit(lambda: done.append("mail"), using=database())
        raise RuntimeError("no")

    payment_paid.connect(mail_then_fail, weak=False)
    try:
        with django_capture_on_commit_callbacks(using=database(), execute=True):
            receive(PaymentFactory(), State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(mail_then_fail)
    assert done == []


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_loses_the_whole_transaction_leaves_all_to_the_next_time():
    """A deadlock undoes the payment's new state as well."""

    def lose(sender, payment, **kwargs):
        with connections[database()].cursor() as cursor:
            cursor.execute("ROLLBACK")
        raise RuntimeError("deadlock")

    payment = PaymentFactory()
    payment_paid.connect(lose, weak=False)
    try:
        with pytest.raises(OperationalError) as caught:
            apply(payment, update_of(State.FILLED, "49.99"), source=Source.WEBHOOK)
    finally:
        payment_paid.disconnect(lose)
    assert str(caught.value) == "A receiver of payment_paid lost the transaction."
    payment.refresh_from_db()
    assert payment.state == State.OPEN


def test_the_sender_of_every_signal_is_the_model():
    received = []

    def receiver(sender, payment, **kwargs):
        received.append((sender, payment))

    payment = PaymentFactory()
    payment_paid.connect(receiver, sender=Payment, weak=False)
    try:
        receive(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(receiver, sender=Payment)
    assert received == [(Payment, payment)]


def test_a_receiver_that_listens_to_payments_only_is_a_receiver(monkeypatch):
    received = []

    def receiver(payment, **kwargs):
        received.append(payment)

    monkeypatch.setattr(payment_paid, "receivers", [])
    payment = PaymentFactory()
    payment_paid.connect(receiver, sender=Payment)
    receive(payment, State.FILLED, "49.99")
    assert received == [payment]


def test_a_signal_without_receivers_counts_as_delivered():
    payment = PaymentFactory()
    assert receive(payment, State.FILLED, "49.99").delivered
    assert payment.undelivered == []


def test_an_undelivered_signal_that_lost_its_receivers_counts_as_delivered():
    payment = PaymentFactory(undelivered=["payment_paid"], next_delivery_at=timezone.now(), announce_error="x")
    assert transitions.notify(payment).delivered
    payment.refresh_from_db()
    assert (payment.undelivered, payment.announce_error) == ([], "")


def test_announcing_with_nothing_undelivered_notifies_nobody(listener, django_assert_num_queries):
    payment = PaymentFactory()
    assert transitions.notify(payment).delivered
    assert listener.names == []
    assert payment.events.count() == 0


def test_receivers_that_ask_about_the_same_payment_do_not_loop(listener):
    payment = PaymentFactory()

    def ask_again(sender, payment, **kwargs):
        receive(payment, State.FILLED, "49.99")

    payment_paid.connect(ask_again, weak=False)
    try:
        receive(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(ask_again)
    assert listener.names == ["payment_paid", "payment_updated"]


def test_a_key_in_a_receivers_error_is_neither_kept_nor_logged(settings, caplog):
    key = settings.PAYRAM["default"]["API_KEY"]

    def leak(sender, payment, **kwargs):
        raise RuntimeError(f"called with {key}")

    payment = PaymentFactory()
    payment_paid.connect(leak, weak=False)
    try:
        receive(payment, State.FILLED, "49.99")
    finally:
        payment_paid.disconnect(leak)
    assert key not in payment.announce_error
    assert key not in caplog.text
    assert "in leak" in caplog.text, "the traceback is logged"
    assert "[key]" in payment.announce_error


@pytest.mark.parametrize(
    ("state", "usd", "expected"),
    [
        (State.FILLED, "49.99", {"payment_paid", "payment_updated"}),
        (State.CANCELED, None, {"payment_canceled", "payment_updated"}),
        (State.FILLED, "10", {"payment_needs_review", "payment_updated"}),
        (State.OPEN, None, {"payment_updated"}),
    ],
)
def test_announcing_again_sends_what_is_true_now(listener, state, usd, expected):
    """D2."""
    payment = PaymentFactory()
    receive(payment, state, usd)
    listener.received.clear()
    assert transitions.notify_again(payment, actor="kim").delivered
    assert set(listener.names) == expected


@pytest.mark.parametrize(
    ("options", "source", "actor"),
    [({}, Source.ADMIN, ""), ({"source": Source.RESYNC, "actor": "kim"}, Source.RESYNC, "kim")],
)
def test_announcing_again_says_who_wished_it(listener, options, source, actor):
    payment = PaymentFactory(paid=True, undelivered=["payment_paid"], next_delivery_at=timezone.now())
    transitions.notify_again(payment, **options)
    event = payment.events.get(outcome=Outcome.ANNOUNCED)
    assert (event.source, event.actor) == (source, actor)


def test_announcing_a_duplicate_again_does_not_say_paid(listener, order):
    first, second = of_order(order), of_order(order)
    receive(first, State.FILLED, "49.99")
    receive(second, State.FILLED, "49.99")
    listener.received.clear()
    transitions.notify_again(second)
    assert "payment_paid" not in listener.names


def test_a_transition_takes_five_statements_without_receivers(django_assert_num_queries):
    payment = PaymentFactory()
    with django_assert_num_queries(5):  # SAVEPOINT, lock, UPDATE, INSERT of events, RELEASE
        apply(payment, update_of(State.PARTIALLY_FILLED, "20"), source=Source.WEBHOOK, asked_at=timezone.now())
