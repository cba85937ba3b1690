"""Processes killed at every stage of open, record, announce and resync."""

from __future__ import annotations

import pytest
import requests

from tests.crashes import crash_points
from tests.crashes.helpers import (
    assert_notified_with_the_state,
    assert_paid_once,
    case_of,
    click,
    resync,
    resync_is_killed,
)

BARRED_MINUTES = 2


@pytest.mark.parametrize("moment", crash_points.OPEN)
def test_a_shop_killed_while_it_makes_a_link_is_paid_once_all_the_same(on, crashing, moment):
    """F20."""
    order = on.shop_database.new_order()
    with crashing(moment), pytest.raises(requests.ConnectionError):
        on.shop.checkout(order)
    on.shop_database.age(order, minutes=BARRED_MINUTES + 1)
    reference = click(on, order)
    on.payram.pay(reference)
    resync(on)
    assert_paid_once(on, order)
    orphans = [payment for payment in case_of(on, order).truth if payment["reference"] != reference]
    assert [payment["state"] for payment in orphans] in ([], ["CANCELLED"]), "PayRam's older word for it"


@pytest.mark.parametrize("moment", crash_points.RECORD)
def test_a_shop_killed_while_it_records_a_webhook_is_healed_by_resync(on, crashing, moment):
    """F1, F8, F47."""
    order = on.shop_database.new_order()
    reference = click(on, order)
    on.payram.pay(reference)
    with crashing(moment):
        assert on.payram.redeliver(reference)["status"] is None
    assert_notified_with_the_state(on, order)
    resync(on)
    assert_paid_once(on, order)
    assert on.payram.redeliver(reference)["status"] == 200
    assert_paid_once(on, order)


@pytest.mark.parametrize("moment", crash_points.RECORD)
def test_a_shop_killed_while_it_records_a_webhook_is_healed_by_its_redelivery(on, crashing, moment):
    """F6."""
    order = on.shop_database.new_order()
    reference = click(on, order)
    on.payram.pay(reference)
    with crashing(moment):
        assert on.payram.redeliver(reference)["status"] is None
    assert on.payram.redeliver(reference)["status"] == 200
    assert_paid_once(on, order)


def test_a_shop_killed_after_the_commit_has_done_all_but_the_work_after_the_commit(on, crashing):
    order = on.shop_database.new_order()
    reference = click(on, order)
    on.payram.pay(reference)
    with crashing("on_commit"):
        assert on.payram.redeliver(reference)["status"] is None
    assert_paid_once(on, order)
    resync(on)
    assert_paid_once(on, order)


@pytest.mark.parametrize("moment", crash_points.RESYNC)
def test_a_resync_that_is_killed_is_taken_up_by_the_next(on, crashing, moment):
    """F1."""
    orders = on.shop_database.new_orders(["10.00"] * 5)
    for order in orders:
        on.payram.pay(click(on, order))
    with crashing(moment):
        resync_is_killed(on)
    for order in orders:
        assert_notified_with_the_state(on, order)
    resync(on)
    for order in orders:
        assert_paid_once(on, order)


@pytest.mark.parametrize("moment", crash_points.PAGE)
def test_a_status_page_that_is_killed_keeps_nobody_from_asking(on, crashing, moment):
    order = on.shop_database.new_order()
    reference = click(on, order)
    on.payram.pay(reference)
    page = f"{on.shop.url}/payram/payments/{on.shop_database.payments(order)[0]['token']}/"
    with crashing(moment), pytest.raises(requests.ConnectionError):
        requests.get(page, timeout=30)
    resync(on)
    assert_paid_once(on, order)


@pytest.mark.parametrize("moment", crash_points.TOP_UP)
def test_a_shop_killed_while_it_records_a_top_up_counts_it_once_when_payram_sends_it_again(on, crashing, moment):
    order = on.shop_database.new_order("50.00")
    reference = click(on, order)
    on.payram.pay(reference, "20.00")
    resync(on)
    child = on.payram.top_up(reference)["reference"]
    with crashing(moment):
        assert on.payram.redeliver(child)["status"] is None
    assert on.payram.redeliver(child)["status"] == 200
    assert_paid_once(on, order)


def test_a_top_up_that_was_saved_before_the_crash_is_healed_by_resync_alone(on, crashing):
    order = on.shop_database.new_order("50.00")
    reference = click(on, order)
    on.payram.pay(reference, "20.00")
    child = on.payram.top_up(reference)["reference"]
    with crashing("the top-up is saved and not recorded"):
        assert on.payram.redeliver(child)["status"] is None
    resync(on)
    assert_paid_once(on, order)


@pytest.mark.parametrize("moment", ["the request has left and no answer came", "the answer is there and not recorded"])
def test_an_orphan_is_taken_in_when_payram_mentions_it(on, crashing, moment):
    """F20."""
    order = on.shop_database.new_order()
    with crashing(moment), pytest.raises(requests.ConnectionError):
        on.shop.checkout(order)
    [orphan] = case_of(on, order).truth
    on.payram.pay(orphan["reference"])
    assert on.payram.redeliver(orphan["reference"])["status"] == 200
    assert_paid_once(on, order)


def test_a_top_up_received_during_a_call_that_was_killed_is_recorded_by_polling(on, crashing):
    """F3."""
    order = on.shop_database.new_order("50.00")
    reference = click(on, order)
    on.payram.pay(reference, "20.00")
    on.payram.expire(reference)
    resync(on)
    with crashing("the request has left and no answer came"), pytest.raises(requests.ConnectionError):
        on.shop.checkout(order)
    child = on.payram.top_up(reference)["reference"]
    assert on.payram.redeliver(child)["status"] == 200
    on.shop_database.age(order, minutes=BARRED_MINUTES + 1)
    resync(on)
    assert_paid_once(on, order)
