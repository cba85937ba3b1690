"""Two payments of one order live through anything, reported in any way; in the end one answer brings each to the truth.

More histories: ``pytest tests/test_confluence_machine.py --hypothesis-profile=thousands``, or ``deep``.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from django_payram import conf
from django_payram.gateway.payloads import PaymentUpdate
from django_payram.models import Payment, Source, content_type
from django_payram.models.states import State
from django_payram.payments import rules, transitions
from django_payram.polling.claims import mark_checked
from django_payram.testing.factories import PaymentFactory
from tests.conftest import listening
from tests.payments.helpers import apply
from tests.shop.models import Order

AMOUNT = Decimal("50.00")
DEPOSITS = st.sampled_from([Decimal(text) for text in ("0.01", "10", "25", "49.99", "50", "60")])
WHICH = st.sampled_from([0, 1])
SIGNALS = st.sets(st.sampled_from(["payment_paid", "payment_updated", "payment_canceled", "payment_needs_review"]))
RANK = list(State)


class Truth:
    """One payment as PayRam knows it."""

    def __init__(self):
        self.filled = Decimal(0)
        self.expired = self.seen = False

    @property
    def state(self):
        if self.filled >= AMOUNT:
            return State.OVER_FILLED if self.filled > AMOUNT else State.FILLED
        if self.expired:
            return State.CANCELED
        return State.PARTIALLY_FILLED if self.filled else State.OPEN

    def report(self):
        chain = {"on_chain": True, "confirmations": 1, "confirmations_required": 3}
        confirming = chain if self.seen and self.state == State.OPEN else {}
        return PaymentUpdate(
            word=str(self.state), state=self.state, filled_usd=self.filled or None, requested_usd=AMOUNT, **confirming
        )


class Shop(RuleBasedStateMachine):
    @initialize()
    def open_two_links(self):
        self.order = Order.objects.create()
        place = {"order_type": content_type(self.order), "order_id": str(self.order.pk), "amount_usd": AMOUNT}
        self.payments = [PaymentFactory(**place) for _ in range(2)]
        self.truths = [Truth(), Truth()]
        self.reports = [[truth.report()] for truth in self.truths]
        self.highest = [State.OPEN, State.OPEN]
        self.stack = ExitStack()
        self.listener = self.stack.enter_context(listening())

    def teardown(self):
        if not hasattr(self, "listener"):
            return
        try:
            self.settle()
        finally:
            self.stack.close()

    # What happens at PayRam

    def _changed(self, which):
        self.reports[which].append(self.truths[which].report())

    @rule(which=WHICH, usd=DEPOSITS)
    def money_comes(self, which, usd):
        self.truths[which].filled += usd
        self._changed(which)

    @rule(which=WHICH)
    def money_is_seen(self, which):
        self.truths[which].seen = True
        self._changed(which)

    @rule(which=WHICH)
    def a_link_expires(self, which):
        self.truths[which].expired = True
        self._changed(which)

    # What reaches the shop

    def _record(self, which, report, **how):
        payment = Payment.objects.get(pk=self.payments[which].pk)
        apply(payment, report, **how)

    @rule(which=WHICH, data=st.data())
    def a_webhook_comes_from_any_time(self, which, data):
        self._record(which, data.draw(st.sampled_from(self.reports[which])), source=Source.WEBHOOK)

    @rule(which=WHICH, data=st.data(), source=st.sampled_from([Source.WEBHOOK, Source.RETURN, Source.RESYNC]))
    def an_answer_was_long_on_its_way(self, which, data, source):
        report = data.draw(st.sampled_from(self.reports[which]))
        self._record(which, report, source=source, asked_at=timezone.now() - timedelta(hours=1))

    @rule(which=WHICH)
    def resync_asks(self, which):
        payment, report = Payment.objects.get(pk=self.payments[which].pk), self.truths[which].report()
        if rules.is_repetition(payment, replace(report, asked_at=timezone.now()), timezone.now(), conf.project()):
            mark_checked([payment])
        else:
            self._record(which, report, source=Source.RESYNC, asked_at=timezone.now())

    @rule(which=WHICH)
    def the_shop_stores_nothing_of_its_own(self, which):
        """A row that was loaded long ago is used: the gate reads it anew."""
        apply(self.payments[which], self.reports[which][0], source=Source.RETURN)

    @rule(names=SIGNALS)
    def receivers_break(self, names):
        self.listener.fail_on = names

    @precondition(lambda self: self.listener.fail_on)
    @rule()
    def receivers_are_mended(self):
        self.listener.fail_on = set()

    @rule(which=WHICH)
    def what_is_undelivered_is_sent(self, which):
        transitions.notify(self.payments[which])

    # What holds at any time

    @invariant()
    def an_order_is_announced_as_paid_at_most_once(self):
        """F5, F22, F23, F47."""
        assert self.listener.names.count("payment_paid") <= 1

    @invariant()
    def a_state_never_falls(self):
        """F7."""
        for which, payment in enumerate(self.payments):
            state = State(Payment.objects.get(pk=payment.pk).state)
            assert RANK.index(state) >= RANK.index(self.highest[which])
            self.highest[which] = state

    @invariant()
    def nothing_is_paid_that_payram_does_not_call_filled(self):
        for truth, payment in zip(self.truths, self.payments, strict=True):
            assert truth.filled >= AMOUNT or not Payment.objects.get(pk=payment.pk).is_paid

    # The end: resync asks once about each, and tells what is pending

    def settle(self):
        self.listener.fail_on = set()
        for which, truth in enumerate(self.truths):
            self._record(which, truth.report(), source=Source.RESYNC, asked_at=timezone.now())
        for payment in self.payments:
            transitions.notify(payment)
        rows = [Payment.objects.get(pk=payment.pk) for payment in self.payments]
        for truth, row in zip(self.truths, rows, strict=True):
            closed_partial = truth.state == State.CANCELED and truth.filled
            assert row.state == (State.PARTIALLY_FILLED if closed_partial else truth.state)
            assert (row.filled_usd or 0) == truth.filled
            assert row.is_paid == (truth.filled >= AMOUNT)
            assert (row.closed_at is not None) == (truth.expired or truth.filled >= AMOUNT)
            assert row.undelivered == []
        paid = [row for row in rows if row.is_paid]
        assert self.listener.names.count("payment_paid") == min(len(paid), 1)
        with_money = [truth for truth in self.truths if truth.filled]
        duplicates = sum("duplicate" in row.reviews_raised for row in rows)
        assert duplicates == (len(with_money) - 1 if paid else 0)
        self._no_cancellation_was_sent_too_often()

    def _no_cancellation_was_sent_too_often(self):
        """F36."""
        canceled = Counter(payment.pk for name, payment, _ in self.listener.received if name == "payment_canceled")
        assert set(canceled.values()) <= {1}


@pytest.mark.django_db
def test_whatever_happens_one_answer_brings_each_payment_to_the_truth():
    """F1, F7, F22, F23, F53."""
    patient = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    # One history of the machine holds as much as several of the others.
    examples = settings.default.max_examples // 2
    run_state_machine_as_test(
        Shop,
        settings=settings(max_examples=examples, deadline=None, suppress_health_check=patient),
    )
