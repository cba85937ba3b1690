"""PostgreSQL, PayRam or the whole shop gone in the middle of the day, and back again."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
import requests

from benchmarks.audit import examine
from tests.crashes.helpers import (
    assert_audit_finds_nothing,
    assert_notified_with_the_state,
    assert_paid_once,
    case_of,
    click,
    resync,
)

SENDERS = 4


def paid_orders(on, number):
    """Orders whose customers have paid at PayRam, and of which the shop does not know: order to reference."""
    orders = {order: click(on, order) for order in on.shop_database.new_orders(["10.00"] * number)}
    for reference in orders.values():
        on.payram.pay(reference)
    return orders


def send_all(on, references, *, disturb, after):
    """Send a webhook about each payment, several at a time; ``disturb()`` once so many were answered."""
    answered = count(1)

    def send(reference):
        status = on.payram.redeliver(reference)["status"]
        if next(answered) == after:
            disturb()
        return status

    with ThreadPoolExecutor(SENDERS) as pool:
        return list(pool.map(send, references))


def kill_postmaster(database, books):
    database.kill()


def stop_immediately(database, books):
    database.stop("immediate")


def kill_a_backend(database, books):
    backends = books.rows("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND query <> ''")
    database.kill_a_backend(min(row["pid"] for row in backends))


@pytest.mark.parametrize("disturb", [kill_postmaster, stop_immediately, kill_a_backend])
def test_webhooks_answer_503_while_postgresql_is_gone_and_all_is_healed(on, disturb):
    orders = paid_orders(on, 40)
    answers = send_all(on, orders.values(), disturb=lambda: disturb(on.database, on.shop_database), after=10)
    assert set(answers) <= {200, 503}
    assert 503 in answers or disturb is kill_a_backend  # after which PostgreSQL may be back before the next webhook
    on.database.restart()
    for order in orders:
        assert_notified_with_the_state(on, order)
    resync(on)
    for order in orders:
        assert_paid_once(on, order)


def test_webhooks_are_taken_again_as_soon_as_postgresql_is_back(on):
    orders = paid_orders(on, 4)
    on.database.kill()
    assert {on.payram.redeliver(reference)["status"] for reference in orders.values()} == {503}
    on.database.restart()
    for order, reference in orders.items():
        assert on.payram.redeliver(reference)["status"] == 200
        assert_paid_once(on, order)


def test_a_shop_killed_whole_under_load_comes_back_and_resync_heals_it(on):
    orders = paid_orders(on, 40)
    answers = send_all(on, orders.values(), disturb=on.shop.kill, after=10)
    assert set(answers) == {200, None}
    on.shop.start()
    for order in orders:
        assert_notified_with_the_state(on, order)
    resync(on)
    for order in orders:
        assert_paid_once(on, order)


def test_a_killed_master_takes_its_workers_along_and_the_next_heals_what_they_left(on):
    orders = paid_orders(on, 20)
    master = on.shop.process.pid
    answers = send_all(on, orders.values(), disturb=lambda: os.kill(master, signal.SIGKILL), after=5)
    assert set(answers) <= {200, None}
    on.shop.kill()
    on.shop.start()
    resync(on)
    for order in orders:
        assert_paid_once(on, order)


def test_an_hour_without_payram_is_made_up_for_by_resync_alone(on):
    """F1, F19."""
    waiting = on.shop_database.new_orders(["10.00"] * 15)
    references = {order: click(on, order) for order in waiting}
    on.payram.kill()
    turned_away = on.shop_database.new_order()
    for _minute in range(3):
        on.shop_database.bring_forward()
        run = on.shop.manage("payram_resync", "--threads=2")
        assert run.returncode == 1
        assert "Stopped early" in run.stderr
        assert on.shop.checkout(turned_away).status_code == 503
        page = requests.get(
            f"{on.shop.url}/payram/payments/{on.shop_database.payments(waiting[0])[0]['token']}/", timeout=30
        )
        assert page.status_code == 200
    on.payram.start()
    for order in waiting[:5]:
        on.payram.pay(references[order])
    for order in waiting[5:10]:
        on.payram.expire(references[order])
    resync(on)
    for order in waiting[:5]:
        assert_paid_once(on, order)
    for order in waiting[5:]:
        assert_audit_finds_nothing(on, order)
    on.payram.pay(click(on, turned_away))
    resync(on)
    assert_paid_once(on, turned_away)


def test_the_audit_of_a_real_ledger_finds_what_was_tampered_with(on):
    order = on.shop_database.new_order("10.00")
    on.payram.pay(click(on, order))
    resync(on)
    assert_paid_once(on, order)
    on.shop_database.change(
        "INSERT INTO shop_receivedsignal (signal, order_id, payment, told_at) SELECT signal, order_id, payment, now() "
        "FROM shop_receivedsignal WHERE order_id = %s",
        order,
    )
    assert [finding.kind for finding in examine(case_of(on, order))] == ["twice"]
    on.shop_database.change("DELETE FROM shop_receivedsignal WHERE order_id = %s", order)
    on.shop_database.change("UPDATE django_payram_payment SET state = 'OPEN' WHERE order_id = %s", str(order))
    assert [finding.kind for finding in examine(case_of(on, order))] == ["wrong", "wrong"]
    on.shop_database.change("DELETE FROM shop_order WHERE id = %s", order)
