"""The Celery tasks, with real workers that take them from a real broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from django_payram import tasks
from django_payram.models import Payment, PaymentEvent
from django_payram.payments import open_payment
from django_payram.testing.factories import PaymentFactory
from tests import workers
from tests.docs import pages
from tests.shop.models import Order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.not_in("databases", reason="the workers are processes that know one database"),
]


@pytest.fixture(params=workers.BROKERS)
def broker(request, tmp_path):
    return workers.broker(request.param, tmp_path)


@pytest.fixture
def sender(broker):
    """The test process sends tasks to the broker."""
    with broker.app() as app:
        yield app


@pytest.fixture
def shared(tmp_path, transactional_db):
    with workers.shared_database(tmp_path):
        yield


@pytest.fixture
def start(shared, sender, broker, payram, tmp_path):
    """Start workers; they end with the test."""
    started = []

    def start_worker(*arguments, **options):
        log = tmp_path / f"worker-{len(started)}.log"
        started.append(workers.Worker(broker, payram, log, arguments=arguments, **options))
        return started[-1].wait_until_ready()

    yield start_worker
    for worker in started:
        worker.kill()


@pytest.fixture
def pay(payram):
    """Open payments for orders and pay them without a webhook, so that only polling can find out."""
    payram.sandbox.webhooks = False

    def open_and_pay(number):
        opened = []
        for _ in range(number):
            order = Order.objects.create()
            opened.append(open_payment(order, amount=order.total, email=order.email))
            payram.sandbox.pay(opened[-1].reference)
        due()
        return opened

    return open_and_pay


def due():
    Payment.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))


def asked(payram):
    """Count how often PayRam was asked about each reference."""
    return Counter(call.path.rpartition("/")[2] for call in payram.sandbox.calls if call.method == "GET")


def minutes_pass(minutes):
    Payment.objects.update(next_check_at=F("next_check_at") - timedelta(minutes=minutes))


def schedule():
    """Return the schedule of the documentation, as a shop copies it."""
    names = {}
    exec(pages.named("docs/howto/celery.rst")["a schedule"], names)
    return names["CELERY_BEAT_SCHEDULE"]


def paid():
    return Payment.objects.paid().count()


# Workers


@pytest.mark.brokers
def test_workers_find_out_what_no_webhook_reported(payram, pay, start):
    """F1."""
    payments = pay(5)
    worker = start("--concurrency", "2")
    tasks.resync.delay()
    workers.wait_for(lambda: paid() == 5, worker)
    assert asked(payram) == {payment.reference: 1 for payment in payments}
    assert set(Order.objects.values_list("status", "times_paid")) == {("paid", 1)}
    workers.wait_for(lambda: "Resync: asked 5, news 5, failed 0" in worker.logged, worker)
    worker.stop()
    assert payram.setting()["default"]["API_KEY"] not in worker.logged


@pytest.mark.brokers
def test_what_a_killed_worker_had_claimed_is_due_again_and_nothing_is_paid_twice(payram, pay, start):
    """F9, F47: kill -9 in the middle of a run."""
    payments = pay(6)
    payram.sandbox.inject_fault(payments[3].reference, "slow_headers")
    worker = start("--concurrency", "1")
    tasks.resync.delay(threads=1)
    workers.wait_for(lambda: paid() == 3 and payments[3].reference in asked(payram), worker)
    worker.kill()
    assert paid() == 3
    lost = Payment.objects.filter(paid_at=None)
    assert all(payment.next_check_at <= timezone.now() + timedelta(minutes=5) for payment in lost)
    payram.sandbox.clear_faults()
    minutes_pass(5)
    second = start("--concurrency", "1")
    tasks.resync.delay()
    workers.wait_for(lambda: paid() == 6, second)
    assert list(Order.objects.values_list("times_paid", flat=True)) == [1] * 6
    assert PaymentEvent.objects.filter(outcome="paid").count() == 6
    assert all(asked(payram)[payment.reference] == 1 for payment in payments[:3])


@pytest.mark.concurrency
@pytest.mark.brokers
def test_workers_at_once_share_the_payments_and_ask_once(payram, pay, start):
    payments = pay(60)
    crew = [start("--concurrency", "2", "--prefetch-multiplier", "1") for _ in range(2)]
    for _ in range(6):
        tasks.resync.delay(threads=1)
    workers.wait_for(lambda: paid() == 60, *crew)
    for worker in crew:
        worker.stop()
    assert asked(payram) == {payment.reference: 1 for payment in payments}
    assert set(Order.objects.values_list("times_paid", flat=True)) == {1}


@pytest.mark.brokers
def test_a_message_that_comes_twice_asks_once(payram, pay, start):
    payments = pay(3)
    worker = start("--concurrency", "1")
    for _ in range(2):
        tasks.resync.delay()
    workers.wait_for(lambda: "Resync: asked 0" in worker.logged, worker)
    assert paid() == 3
    assert asked(payram) == {payment.reference: 1 for payment in payments}


@pytest.mark.brokers
def test_a_message_that_waited_too_long_is_dropped_and_its_payments_stay_due(payram, pay, start):
    pay(2)
    tasks.resync.apply_async(expires=timezone.now() - timedelta(seconds=1))
    tasks.prune.delay()
    worker = start("--concurrency", "1")
    workers.wait_for(lambda: "tasks.prune" in worker.logged and "succeeded" in worker.logged, worker)
    assert asked(payram) == {}
    tasks.resync.delay()
    workers.wait_for(lambda: paid() == 2, worker)


@pytest.mark.brokers
def test_the_schedule_runs_by_itself_and_notifies_receivers(payram, pay, start, tmp_path):
    pay(2)
    order = Order.objects.create()
    PaymentFactory(
        paid=True,
        undelivered=["payment_paid"],
        next_delivery_at=timezone.now(),
        order_type_id=Payment.objects.first().order_type_id,
        order_id=str(order.pk),
        next_check_at=None,
    )
    PaymentEvent.objects.create(
        project="default",
        source="webhook",
        outcome="recorded",
        note="old",
        created_at=timezone.now() - timedelta(days=366),
    )
    every_second = {name: {**entry, "schedule": 1} for name, entry in schedule().items()}
    worker = start("--beat", "--schedule", str(tmp_path / "beat"), "--concurrency", "2", schedule=every_second)
    workers.wait_for(lambda: paid() == 3 and set(Order.objects.values_list("times_paid", flat=True)) == {1}, worker)
    workers.wait_for(lambda: not PaymentEvent.objects.filter(note="old").exists(), worker)


@pytest.mark.brokers
def test_threads_as_workers_do_the_same(payram, pay, start):
    pay(4)
    worker = start("--pool", "threads", "--concurrency", "2")
    tasks.resync.delay()
    workers.wait_for(lambda: paid() == 4, worker)


@pytest.mark.brokers
def test_payram_down_is_logged_and_its_payments_are_due_again_soon(payram, pay, start):
    pay(3)
    Payment.objects.update(created_at=timezone.now() - timedelta(days=60))
    payram.sandbox.inject_fault(None, "broken")
    worker = start("--concurrency", "1")
    tasks.resync.delay()
    workers.wait_for(lambda: "failed 3" in worker.logged, worker)
    assert all(payment.next_check_at < timezone.now() + timedelta(minutes=6) for payment in Payment.objects.all())


# What the tasks do, without a worker


def test_names_are_stable():
    assert {tasks.resync.name, tasks.prune.name} == {"django_payram.tasks.resync", "django_payram.tasks.prune"}


def test_the_schedule_names_tasks_and_its_messages_expire_before_the_next():
    for entry in schedule().values():
        assert entry["task"] in {tasks.resync.name, tasks.prune.name}
        assert entry["options"]["expires"] < entry["schedule"]


def test_the_example_shop_has_the_tasks_and_the_readmes_schedule():
    """As ``celery -A config`` finds them in the folder of the example."""
    look = """
import json
import time
from celery.app.utils import find_app
app = find_app("config")
app.loader.import_default_modules()
print(json.dumps([sorted(app.tasks), app.conf.beat_schedule]))
"""
    folder = pages.ROOT / "example_project"
    environment = {**os.environ, "PYTHONPATH": str(pages.ROOT), "DJANGO_SETTINGS_MODULE": "config.settings"}
    said = subprocess.run([sys.executable, "-c", look], cwd=folder, env=environment, stdout=subprocess.PIPE, check=True)
    known, scheduled = json.loads(said.stdout)
    assert scheduled == schedule()
    assert {entry["task"] for entry in scheduled.values()} < set(known)


def test_results_are_sums_that_json_can_hold(payram, pay):
    pay(3)
    sums = tasks.resync()
    assert (sums["asked"], sums["news"], sums["failed"], sums["receivers_failed"]) == (3, 3, 0, 0)
    assert json.loads(json.dumps(sums)) == sums
    sums = tasks.prune(scrub_emails_older_than=1)
    assert json.loads(json.dumps(sums)) == sums


def test_slow_receivers_end_a_run_and_the_next_one_notifies_the_rest(listener, monkeypatch):
    """F70."""
    PaymentFactory.create_batch(3, undelivered=["payment_updated"], next_delivery_at=timezone.now(), next_check_at=None)
    monkeypatch.setattr("django_payram.polling.worker.NOTIFY_SECONDS", 0)
    tasks.resync()
    assert listener.names == []
    monkeypatch.undo()
    tasks.resync()
    assert listener.names == ["payment_updated"] * 3


def test_a_run_that_takes_too_long_ends_and_the_rest_stays_due(payram, pay, monkeypatch, caplog):
    pay(3)
    monkeypatch.setattr(tasks, "ASK_SECONDS", 0)
    assert tasks.resync()["asked"] == 0
    assert "The time limit of 0 seconds is over." in caplog.text
    assert Payment.objects.due(timezone.now()).count() == 3


def test_asking_comes_first_whatever_receivers_do(payram, pay, listener, monkeypatch):
    """F70."""
    pay(1)
    waiting = PaymentFactory(undelivered=["payment_updated"], next_delivery_at=timezone.now(), next_check_at=None)
    tasks.resync()
    assert [payment == waiting for _name, payment, _extra in listener.received] == [False, False, True]


def test_a_rate_spreads_the_requests(payram, pay):
    pay(3)
    started = time.monotonic()
    assert tasks.resync(rate=10.0)["asked"] == 3
    assert time.monotonic() - started >= 0.2


def test_prune_deletes_and_scrubs():
    old = timezone.now() - timedelta(days=400)
    facts = {"project": "default", "source": "webhook", "outcome": "recorded"}
    PaymentEvent.objects.create(**facts, created_at=old)
    recent = PaymentEvent.objects.create(
        **facts, created_at=timezone.now() - timedelta(days=100), customer_id="a@example.org"
    )
    PaymentFactory(paid=True, updated_at=old, next_check_at=None)
    assert tasks.prune() == {"events_deleted": 1, "emails_blanked": 0, "events_scrubbed": 0}
    assert tasks.prune(scrub_emails_older_than=90) == {"events_deleted": 0, "emails_blanked": 1, "events_scrubbed": 1}
    recent.refresh_from_db()
    assert recent.customer_id == ""


@pytest.mark.parametrize("number", [0, -1, True, "5", 1.5])
def test_senseless_numbers_are_refused_before_anything_is_done(number):
    for task, name in [(tasks.resync, "limit"), (tasks.resync, "threads"), (tasks.prune, "events_older_than")]:
        with pytest.raises(ValueError, match=f"{name} must be a whole number above 0"):
            task(**{name: number})
    with pytest.raises(ValueError, match="rate must be a number above 0, not 0"):
        tasks.resync(rate=0)
