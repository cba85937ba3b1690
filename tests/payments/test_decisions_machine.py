"""Payments live through anything PayRam reports and the shop decides; in the end the sums and the signals are right.

More histories: ``pytest tests/payments/test_decisions_machine.py --hypothesis-profile=thousands``, or ``deep``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import ExitStack
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from django_payram.models import Payment, Refund, Review, Source, Status
from django_payram.payments import assign, record_refund, transitions, withdraw
from tests.conftest import listening
from tests.payments.helpers import accept, apply, of_order, resolve
from tests.payments.test_confluence_machine import AMOUNT, DEPOSITS, SIGNALS, Truth
from tests.shop.models import Order

WHICH = st.integers(0, 3)
SIDE = st.sampled_from([0, 1])


class Desk(RuleBasedStateMachine):
    @initialize()
    def open_four_links(self):
        self.orders = [Order.objects.create() for _ in range(2)]
        bills = [(0, ""), (0, ""), (0, "parcel"), (1, "")]
        self.payments = [of_order(self.orders[side], purpose=purpose, amount_usd=AMOUNT) for side, purpose in bills]
        self.truths = [Truth() for _ in bills]
        self.reports = [[truth.report()] for truth in self.truths]
        self.stack = ExitStack()
        self.listener = self.stack.enter_context(listening())

    def teardown(self):
        if not hasattr(self, "listener"):
            return
        try:
            self.settle()
        finally:
            self.stack.close()

    @property
    def all(self):
        return Payment.objects.filter(pk__in=[payment.pk for payment in self.payments])

    def row(self, which):
        return Payment.objects.get(pk=self.payments[which].pk)

    # PayRam

    @rule(which=WHICH, usd=DEPOSITS)
    def money_comes(self, which, usd):
        self.truths[which].filled += usd
        self.reports[which].append(self.truths[which].report())

    @rule(which=WHICH)
    def a_link_expires(self, which):
        self.truths[which].expired = True
        self.reports[which].append(self.truths[which].report())

    @rule(which=WHICH, data=st.data(), asked=st.booleans())
    def news_of_any_time_comes(self, which, data, asked):
        report = data.draw(st.sampled_from(self.reports[which]))
        # The row was read long ago, perhaps for another order.
        apply(self.payments[which], report, asked_at=timezone.now() if asked else None)

    @rule(names=SIGNALS)
    def receivers_break(self, names):
        self.listener.fail_on = names

    @rule()
    def receivers_are_mended(self):
        self.listener.fail_on = set()

    # The shop

    @rule(which=WHICH)
    def the_shop_withdraws(self, which):
        before = self.row(which)
        try:
            withdraw(self.row(which))
        except ValueError:
            assert before.is_paid

    @rule(which=WHICH, usd=DEPOSITS)
    def the_shop_sends_back(self, which, usd):
        before = self.row(which)
        try:
            record_refund(self.row(which), amount_usd=usd)
        except ValueError:
            assert usd > before.net_usd

    @rule(which=WHICH, side=SIDE)
    def the_shop_assigns(self, which, side):
        assign(self.row(which), self.orders[side])

    @rule(which=WHICH)
    def a_person_decides(self, which):
        row = self.row(which)
        if row.is_held:
            accept(row, reason="Fine.", actor="kim")
        elif row.review:
            resolve(row, reason="Seen.", actor="kim")

    # What holds at any time

    @invariant()
    def the_sums_agree(self):
        """F84."""
        for payment in self.payments:
            row = Payment.objects.get(pk=payment.pk)
            refunds = sum((refund.amount_usd for refund in row.refunds.all()), Decimal(0))
            assert refunds == row.refunded_usd <= row.received_usd
        rows = [self.row(which) for which in range(len(self.payments))]
        assert self.all.net_usd() == sum(row.net_usd for row in rows)

    @invariant()
    def nothing_is_paid_or_announced_that_payram_does_not_call_filled(self):
        told = {payment.pk for name, payment, _ in self.listener.received if name == "payment_paid"}
        for truth, payment in zip(self.truths, self.payments, strict=True):
            row = Payment.objects.get(pk=payment.pk)
            assert truth.filled >= AMOUNT or not row.is_paid
            assert row.is_paid or row.pk not in told

    @invariant()
    def all_the_money_that_is_not_paid_is_sent_back_or_waits_for_a_person(self):
        """F89."""
        for payment in self.payments:
            row = Payment.objects.get(pk=payment.pk)
            if row.is_filled and not row.is_paid:
                assert row.is_refunded or (row.is_held and row.review == Review.AMOUNT)

    @invariant()
    def a_bill_has_one_live_link_at_most(self):
        live = [(row.order_id, row.purpose) for row in self.all.exclude(live_slot=None)]
        assert len(live) == len(set(live))

    # The end

    def settle(self):
        self.listener.fail_on = set()
        for payment, truth in zip(self.payments, self.truths, strict=True):
            apply(payment, truth.report(), source=Source.RESYNC, asked_at=timezone.now())
        for payment in self.payments:
            transitions.notify(payment)
        rows = [self.row(which) for which in range(len(self.payments))]
        for truth, row in zip(self.truths, rows, strict=True):
            assert (row.filled_usd or 0) == truth.filled
            assert row.undelivered == []
            if row.withdrawn_at is not None and truth.filled == 0:
                assert row.status == Status.WITHDRAWN
        self._each_refund_was_announced_once()
        self._each_paid_bill_was_announced(rows)

    def _each_refund_was_announced_once(self):
        told = Counter(extra["refund"].pk for name, _, extra in self.listener.received if name == "payment_refunded")
        assert set(told) == {refund.pk for refund in Refund.objects.filter(payment__in=self.all)}
        assert set(told.values()) <= {1}

    def _each_paid_bill_was_announced(self, rows):
        paid = defaultdict(list)
        for row in rows:
            if row.is_paid:
                paid[row.order_id, row.purpose].append(row)
        told = {payment.pk for name, payment, _ in self.listener.received if name == "payment_paid"}
        for bill in paid.values():
            assert any(row.pk in told for row in bill)
            assert sum("duplicate" in row.reviews_raised for row in bill) >= len(bill) - 1


@pytest.mark.once
@pytest.mark.django_db
def test_whatever_the_shop_decides_the_sums_and_the_signals_are_right():
    """F23, F82, F83, F84, F85."""
    patient = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    examples = settings.default.max_examples // 2
    run_state_machine_as_test(
        Desk,
        settings=settings(max_examples=examples, deadline=None, suppress_health_check=patient),
    )
