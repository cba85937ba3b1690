"""The Celery tasks, with real workers that take them from a real broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from itertools import chain

import pytest
from celery.utils.time import maybe_iso8601, maybe_make_aware
from django.db.models import F
from django.utils import timezone

from django_payram import leases, tasks
from django_payram.lifecycle import open_payment
from django_payram.models import Payment, PaymentEvent
from django_payram.options import LONGEST_DEADLINE
from django_payram.testing.factories import PaymentFactory
from tests import test_readme, workers
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
    """Return the schedule of the README, as a shop copies it."""
    names = {}
    exec(test_readme.BLOCKS["a schedule"], names)
    return names["CELERY_BEAT_SCHEDULE"]


def paid():
    return Payment.objects.paid().count()


def receive(sender, broker):
    """Take the next message from the queue, as a worker does: its headers and its arguments."""
    with sender.connection_for_read() as conn, conn.SimpleQueue(broker.queue) as queue:
        message = queue.get(timeout=10)
        message.ack()
        return message.headers, json.loads(message.body)


def expires(headers, app):
    """Return when the message is void, as a worker reads it."""
    return maybe_make_aware(maybe_iso8601(headers["expires"]), app.timezone)


# Workers


def test_workers_find_out_what_no_webhook_told(payram, pay, start):
    """F1."""
    payments = pay(5)
    worker = start("--concurrency", "2")
    tasks.resync.delay(batch_size=2)
    workers.wait_for(lambda: paid() == 5, worker)
    assert asked(payram) == {payment.reference: 1 for payment in payments}
    assert set(Order.objects.values_list("status", "times_paid")) == {("paid", 1)}
    workers.wait_for(lambda: worker.said.count("Asked about 2 payments: 2 with news") == 2, worker)
    assert "Sent 5 payments to the workers, in 3 batches." in worker.said
    worker.stop()
    assert payram.setting()["default"]["API_KEY"] not in worker.said


def test_a_batch_lost_with_its_worker_comes_round_and_nothing_is_paid_twice(payram, pay, start):
    """F9, F47: kill -9 in the middle of a batch."""
    payments = pay(6)
    payram.sandbox.misbehave(payments[3].reference, "slow_headers")
    worker = start("--concurrency", "1")
    tasks.resync.delay(threads=1)
    workers.wait_for(lambda: paid() == 3 and payments[3].reference in asked(payram), worker)
    worker.kill()
    assert paid() == 3
    lost = Payment.objects.filter(paid_at=None)
    assert all(payment.next_check_at <= timezone.now() + leases.TAKEN for payment in lost)
    payram.sandbox.behave()
    minutes_pass(5)
    second = start("--concurrency", "1")
    tasks.resync.delay()
    workers.wait_for(lambda: paid() == 6, second)
    assert list(Order.objects.values_list("times_paid", flat=True)) == [1] * 6
    assert PaymentEvent.objects.filter(outcome="paid").count() == 6
    assert all(asked(payram)[payment.reference] == 1 for payment in payments[:3])


@pytest.mark.concurrency
def test_workers_and_schedules_at_once_ask_once(payram, pay, start):
    payments = pay(60)
    crew = [start("--concurrency", "2", "--prefetch-multiplier", "1") for _ in range(2)]
    for _ in range(6):
        tasks.resync.delay(batch_size=5)
    workers.wait_for(lambda: paid() == 60, *crew)
    for worker in crew:
        worker.stop()
    assert asked(payram) == {payment.reference: 1 for payment in payments}
    assert set(Order.objects.values_list("times_paid", flat=True)) == {1}
    assert all("resync_batch" in worker.said for worker in crew)


def test_a_message_that_comes_twice_asks_once(payram, pay, start):
    payments = pay(3)
    lease = leases.lend(Payment.objects.all())
    arguments = {"payments": list(lease.keys), "leased_until": lease.until.isoformat()}
    worker = start("--concurrency", "1")
    for _ in range(2):
        tasks.resync_batch.delay(**arguments)
    workers.wait_for(lambda: "3 no longer leased" in worker.said, worker)
    assert paid() == 3
    assert asked(payram) == {payment.reference: 1 for payment in payments}


def test_a_batch_that_waited_too_long_is_dropped_and_its_payments_are_due(payram, pay, start):
    pay(2)
    lease = leases.lend(Payment.objects.all())
    arguments = {"payments": list(lease.keys), "leased_until": lease.until.isoformat()}
    tasks.resync_batch.apply_async(kwargs=arguments, expires=timezone.now() - timedelta(seconds=1))
    tasks.announce_pending.delay()
    worker = start("--concurrency", "1")
    workers.wait_for(lambda: "tasks.announce_pending" in worker.said and "succeeded" in worker.said, worker)
    assert asked(payram) == {}
    minutes_pass(5)
    tasks.resync.delay()
    workers.wait_for(lambda: paid() == 2, worker)


def test_every_call_has_ended_when_the_lease_of_its_batch_does():
    assert leases.TAKEN.total_seconds() > tasks.ASKING_SECONDS + LONGEST_DEADLINE


def test_a_worker_that_hangs_is_stopped_when_its_lease_ends(payram, pay, start):
    pay(4)
    payram.sandbox.misbehave(None, "slow_headers")
    lease = leases.lend(Payment.objects.all())
    arguments = {"payments": list(lease.keys), "leased_until": lease.until.isoformat(), "threads": 1}
    worker = start("--concurrency", "1")
    tasks.resync_batch.apply_async(kwargs=arguments, time_limit=1)
    workers.wait_for(lambda: "Hard time limit (1s) exceeded" in worker.said, worker)
    assert tasks.resync_batch.time_limit == leases.TAKEN.total_seconds()
    payram.sandbox.behave()
    minutes_pass(1)
    tasks.resync.delay()
    workers.wait_for(lambda: paid() == 4, worker)


def test_the_schedule_runs_by_itself_and_tells_receivers(payram, pay, start, tmp_path):
    pay(2)
    order = Order.objects.create()
    PaymentFactory(
        paid=True,
        pending="payment_paid",
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


def test_threads_as_workers_do_the_same(payram, pay, start):
    pay(4)
    worker = start("--pool", "threads", "--concurrency", "2")
    tasks.resync.delay(batch_size=2)
    workers.wait_for(lambda: paid() == 4, worker)


def test_payram_down_is_told_in_the_log_and_comes_round_soon(payram, pay, start):
    pay(3)
    Payment.objects.update(created_at=timezone.now() - timedelta(days=60))
    payram.sandbox.misbehave(None, "broken")
    worker = start("--concurrency", "1")
    tasks.resync.delay()
    workers.wait_for(lambda: "3 without an answer" in worker.said, worker)
    assert all(payment.next_check_at < timezone.now() + timedelta(minutes=6) for payment in Payment.objects.all())


# Messages


def test_a_message_is_json_and_lasts_as_long_as_its_lease(sender, broker):
    payments = PaymentFactory.create_batch(3, next_check_at=timezone.now() - timedelta(hours=1))
    assert tasks.resync() == {"batches": 1, "payments": 3}
    headers, (_args, arguments, _links) = receive(sender, broker)
    assert headers["task"] == "django_payram.tasks.resync_batch"
    until = datetime.fromisoformat(arguments["leased_until"])
    assert arguments == {
        "payments": [payment.pk for payment in payments],
        "leased_until": until.isoformat(),
        "threads": 8,
        "rate": None,
    }
    assert timedelta(minutes=4) < until - timezone.now() < timedelta(minutes=5)
    assert set(Payment.objects.values_list("next_check_at", flat=True)) == {until}
    assert timedelta(minutes=4) < expires(headers, sender) - sender.now() <= timedelta(minutes=5)


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Asia/Kolkata"])
def test_a_message_lasts_as_long_where_the_shops_times_have_no_zone(sender, broker, settings, zone):
    """Celery reads a time without a zone as UTC."""
    settings.USE_TZ = False
    settings.TIME_ZONE = zone
    PaymentFactory(next_check_at=timezone.now() - timedelta(hours=1))
    tasks.resync()
    headers, (_args, arguments, _links) = receive(sender, broker)
    assert timezone.is_naive(datetime.fromisoformat(arguments["leased_until"]))
    assert timedelta(minutes=4) < expires(headers, sender) - sender.now() <= timedelta(minutes=5)


def test_a_schedule_faster_than_the_workers_piles_nothing_up(sender, broker):
    PaymentFactory.create_batch(5, next_check_at=timezone.now() - timedelta(hours=1))
    assert [tasks.resync(batch_size=2)["batches"] for _ in range(4)] == [3, 0, 0, 0]
    assert broker.waiting(sender) == 3


def test_a_run_sends_at_most_its_limit_and_the_longest_due_first(sender, broker):
    late = PaymentFactory.create_batch(3, next_check_at=timezone.now() - timedelta(hours=2))
    PaymentFactory.create_batch(3, next_check_at=timezone.now() - timedelta(hours=1))
    assert tasks.resync(limit=3, batch_size=2) == {"batches": 2, "payments": 3}
    assert Payment.objects.due(timezone.now()).count() == 3
    sent = [receive(sender, broker)[1][1]["payments"] for _ in range(2)]
    assert sorted(chain(*sent)) == [payment.pk for payment in late]


def test_pending_receivers_are_told_by_a_task_of_their_own(sender, broker):
    PaymentFactory(paid=True, pending="payment_paid", next_check_at=None)
    tasks.resync()
    assert receive(sender, broker)[0]["task"] == "django_payram.tasks.announce_pending"


def test_a_batch_that_cannot_be_sent_comes_round(sender, broker, monkeypatch):
    PaymentFactory.create_batch(2, next_check_at=timezone.now() - timedelta(hours=1))
    monkeypatch.setattr(tasks.resync_batch, "apply_async", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tasks.resync()
    minutes_pass(5)
    assert Payment.objects.due(timezone.now()).count() == 2


# What the tasks do, without a worker


def test_names_are_stable():
    names = {tasks.resync.name, tasks.resync_batch.name, tasks.announce_pending.name, tasks.prune.name}
    assert names == {f"django_payram.tasks.{name}" for name in ("resync", "resync_batch", "announce_pending", "prune")}


def test_the_schedule_names_tasks_and_its_messages_expire_before_the_next():
    for entry in schedule().values():
        assert entry["task"] in {tasks.resync.name, tasks.prune.name}
        assert entry["options"]["expires"] < entry["schedule"]


def test_the_example_shop_has_the_tasks_and_the_readmes_schedule():
    """As ``celery -A config`` finds them in the folder of the example."""
    look = """
import json
from celery.app.utils import find_app
app = find_app("config")
app.loader.import_default_modules()
print(json.dumps([sorted(app.tasks), app.conf.beat_schedule]))
"""
    folder = test_readme.ROOT / "example_project"
    environment = {**os.environ, "PYTHONPATH": str(test_readme.ROOT), "DJANGO_SETTINGS_MODULE": "config.settings"}
    said = subprocess.run([sys.executable, "-c", look], cwd=folder, env=environment, stdout=subprocess.PIPE, check=True)
    known, scheduled = json.loads(said.stdout)
    assert scheduled == schedule()
    assert {entry["task"] for entry in scheduled.values()} < set(known)


def test_results_are_sums_that_json_can_hold(payram, pay):
    pay(2)
    lease = leases.lend(Payment.objects.all())
    sums = tasks.resync_batch([*lease.keys, 10**9], lease.until.isoformat())
    assert json.loads(json.dumps(sums)) == {
        "asked": 2,
        "news": 2,
        "failed": 0,
        "receivers_failed": 0,
        "skipped": 1,
        "stopped": "",
    }


def test_receivers_are_told_wherever_the_run_begins(listener):
    PaymentFactory.create_batch(20, paid=True, pending="payment_updated")
    assert tasks.announce_pending() == {"announced": 20, "receivers_failed": 0}
    assert tasks.announce_pending() == {"announced": 0, "receivers_failed": 0}
    assert len(listener.heard) == 20


def test_slow_receivers_end_a_run_and_the_next_one_tells_the_rest(listener, monkeypatch, caplog):
    PaymentFactory.create_batch(3, paid=True, pending="payment_updated")
    monkeypatch.setattr(tasks, "ANNOUNCING_SECONDS", -1)
    assert tasks.announce_pending()["announced"] == 0
    assert "the next run tells the rest" in caplog.text
    monkeypatch.undo()
    assert tasks.announce_pending()["announced"] == 3


def test_a_run_begins_with_any_payment(listener):
    first = set()
    PaymentFactory.create_batch(8, paid=True, pending="payment_updated")
    for _ in range(40):
        Payment.objects.update(pending="payment_updated")
        told = len(listener.heard)
        tasks.announce_pending()
        first.add(listener.heard[told][1].pk)
    assert len(first) > 1


def test_a_batch_that_takes_too_long_ends_and_the_rest_comes_round(payram, pay, monkeypatch, caplog):
    pay(3)
    monkeypatch.setattr(tasks, "ASKING_SECONDS", -1)
    lease = leases.lend(Payment.objects.all())
    sums = tasks.resync_batch(list(lease.keys), lease.until.isoformat())
    assert (sums["asked"], sums["stopped"]) == (0, "The time limit of -1 seconds is over.")
    assert "Stopped early. The time limit" in caplog.text
    minutes_pass(5)
    assert Payment.objects.due(timezone.now()).count() == 3


def test_a_rate_spreads_the_requests(payram, pay):
    pay(4)
    lease = leases.lend(Payment.objects.all())
    before = timezone.now()
    assert tasks.resync_batch(list(lease.keys), lease.until.isoformat(), rate=20)["asked"] == 4
    assert timezone.now() - before > timedelta(seconds=3 / 20)


def test_prune_deletes_and_scrubs():
    old = timezone.now() - timedelta(days=400)
    facts = {"project": "default", "source": "webhook", "outcome": "recorded"}
    PaymentEvent.objects.create(**facts, created_at=old)
    recent = PaymentEvent.objects.create(
        **facts, created_at=timezone.now() - timedelta(days=100), payload='{"customer_email": "a@example.org"}'
    )
    PaymentFactory(paid=True, updated_at=old, next_check_at=None)
    assert tasks.prune() == {"events_deleted": 1, "emails_blanked": 0, "events_scrubbed": 0}
    assert tasks.prune(scrub_emails_older_than=90) == {"events_deleted": 0, "emails_blanked": 1, "events_scrubbed": 1}
    recent.refresh_from_db()
    assert recent.payload == '{"customer_email": ""}'


@pytest.mark.parametrize("number", [0, -1, True, "5", 1.5])
def test_senseless_numbers_are_refused_before_anything_is_done(number):
    for task, name in [(tasks.resync, "limit"), (tasks.resync, "batch_size"), (tasks.prune, "events_older_than")]:
        with pytest.raises(ValueError, match=f"{name} must be a whole number above 0"):
            task(**{name: number})
    with pytest.raises(ValueError, match="rate must be a number above 0, not 0"):
        tasks.resync(rate=0)
