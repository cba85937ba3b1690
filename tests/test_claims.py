"""What docstrings say with "only", "never" and "alone", held against the source.

``tests/payments/test_writers.py`` has the claims on who writes a payment, ``tests/test_layers.py`` those on imports.
"""

from __future__ import annotations

import ast
import io
import os
import sys
import threading
from decimal import Decimal

import pytest
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db.backends.base.base import BaseDatabaseWrapper
from django.urls import URLPattern
from django.utils import timezone

from django_payram import conf, urls
from django_payram.gateway import payloads
from django_payram.management.reporting import Reporter
from django_payram.models import Payment, PaymentEvent, Review, State
from django_payram.payments import open_payment, rules
from django_payram.personal_data.erase import BLANK
from django_payram.polling.worker import run
from django_payram.testing.factories import PaymentFactory
from tests.surroundings import chosen
from tests.test_layers import imports, modules, name_of, subpackage

TREES = {name_of(path): ast.parse(path.read_text()) for path in modules() if subpackage(path) != "sandbox"}

# Ways to speak to another machine: the libraries, and what they are made of.
NETWORK = {"requests", "urllib3", "httpx", "http.client", "socket", "urllib.request", "smtplib"}

# What polling, webhooks and erasing write of a payment without a transition, and of an event after its creation.
WRITTEN_ALONE = {"checked_at", "next_check_at", "checks", *BLANK}
WRITTEN_LATER = {"payment", "customer_id", "retries", "next_retry_at"}


def calls(tree, name):
    """Yield the calls of a function or method of that name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) == name:
                yield node


def callers(name):
    """Return the modules that call something of that name, with what they call it on."""
    return {(module, ast.unparse(call.func)) for module, tree in TREES.items() for call in calls(tree, name)}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def importers(*names):
    """Return the modules that import one of these, or something of it."""
    return {
        module
        for module, tree in TREES.items()
        for name in imported(tree)
        if any(name == one or name.startswith(f"{one}.") for one in names)
    }


# PayRam


def test_only_the_transport_speaks_to_other_machines():
    assert importers(*NETWORK) == {"gateway.transport"}
    assert importers("asyncio") == {"payments.checkout"}
    used = {ast.unparse(node) for node in ast.walk(TREES["payments.checkout"]) if isinstance(node, ast.Attribute)}
    assert {name for name in used if name.startswith("asyncio.")} == {"asyncio.sleep"}


def test_only_the_client_and_the_doctor_have_a_transport():
    assert importers("django_payram.gateway.transport") == {"gateway.client", "doctor.connection"}


def test_only_the_checkout_creates_a_payment_at_payram():
    assert {module for module, called in callers("create") if "client" in called} == {"payments.checkout"}
    (create,) = calls(TREES["payments.checkout"], "create")
    loops = [node for node in ast.walk(TREES["payments.checkout"]) if isinstance(node, ast.While | ast.For)]
    assert not any(create is inside for loop in loops for inside in ast.walk(loop))


def test_only_the_gateway_reads_json_about_payments():
    """The diagnosis reads JSON as well: that of PayRam's health, and of the shop's own answers."""
    assert {module for module, _called in callers("loads")} == {"gateway.fields", "doctor.connection"}


def test_what_the_shop_remembers_with_a_payment_is_not_sent():
    fields = payloads.create_fields(
        customer_email="buyer@example.org", customer_id="c", amount_usd=Decimal("1.50"), invoice_id="t"
    )
    assert set(fields) == {"customerEmail", "customerId", "amountInUSD", "invoiceID"}


# Rows


def test_only_transitions_decide_and_deliver():
    assert callers("decide") == {("payments.transitions", "rules.decide"), ("payments.rules", "decide")}
    delivering = {pair for pair in callers("deliver") if pair[0] != "testing.payram"}
    assert delivering == {("payments.transitions", "notifications.deliver")}


@pytest.mark.parametrize("name", ["paid_at", "closed_at"])
def test_a_payment_is_paid_and_closed_at_one_place_and_never_the_opposite(name):
    (place,) = [
        (module, node)
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in ast.walk(node.targets[0])
        if isinstance(target, ast.Attribute) and target.attr == name
    ]
    module, node = place
    assert (module, ast.unparse(node.value)) == ("payments.rules", "(draft.now, None)")


QUOTED = {"methods", "addresses", "address_calls", "chosen", "asked_at", "priced_at"}


def test_without_a_transition_only_times_and_personal_columns_are_written():
    """Neither money nor a state, a review or a signal.

    ``live_slot`` is taken to lock an order without payments, ``is_announced`` is a refund's. A quote says what PayRam
    offers, and nothing of what was paid.
    """
    written, unnamed = set(), set()
    for module, tree in TREES.items():
        for call in calls(tree, "update"):
            if ast.unparse(call.func).startswith("statements."):
                continue
            names = {keyword.arg for keyword in call.keywords}
            written |= names - {None}
            if None in names:
                unnamed.add(module)
    assert written == (WRITTEN_ALONE - set(BLANK)) | WRITTEN_LATER | {
        "is_announced",
        "live_slot",
        "sent_at",
        "is_wanted",
        *QUOTED,
    }
    # One writes the times that its callers name, the other those of BLANK.
    assert unnamed == {"polling.claims", "personal_data.erase"}
    times = {keyword.arg for call in calls(TREES["polling.claims"], "update_unlocked") for keyword in call.keywords}
    assert times == {"checked_at", "next_check_at"}
    assert {field.name for field in Payment._meta.get_fields()} >= WRITTEN_ALONE
    assert {field.name for field in PaymentEvent._meta.get_fields()} >= WRITTEN_LATER
    # Of refunds, of the mail to the managers, and of quotes.
    assert not {"is_announced", "sent_at", "is_wanted", *QUOTED} & {
        field.name for model in (Payment, PaymentEvent) for field in model._meta.get_fields()
    }


def test_no_payment_is_ever_deleted():
    assert {module for module, _called in callers("delete")} == {"personal_data.prune"}
    (delete,) = calls(TREES["personal_data.prune"], "delete")
    assert ast.unparse(delete).startswith("PaymentEvent.objects.")


def test_rows_are_locked_by_transitions_claims_and_erasing_only():
    """A payment knows how to lock its order, for the receivers of that order's model. A quote is locked by itself."""
    lockers = {module for module, _called in callers("select_for_update")}
    assert lockers == {"payments.locks", "polling.claims", "personal_data.erase", "models.payment", "payments.quotes"}


@pytest.mark.parametrize("review", [review for review in Review if review != Review.AMOUNT])
def test_only_a_doubt_about_the_amount_holds_a_payment(review):
    payment = PaymentFactory.build(pk=1, review=review, reviews_raised=[review.value])
    update = payloads.PaymentUpdate(state=State.FILLED, filled_usd=payment.amount_usd, asked_at=timezone.now())
    project = conf.Project("default", base_url="https://pay.example.com", api_keys=("k",))
    decision = rules.decide(rules.Group(payment, (payment,)), update, timezone.now(), project)
    assert decision.group.payment.is_paid
    held = PaymentFactory.build(pk=1, review=Review.AMOUNT, reviews_raised=["amount"], amount_disputed=True)
    decision = rules.decide(rules.Group(held, (held,)), update, timezone.now(), project)
    assert (decision.group.payment.is_paid, decision.group.payment.is_held) == (False, True)


# What surrounds them


@pytest.mark.django_db
def test_the_threads_of_polling_only_ask(payram, order, monkeypatch):
    """None of them opens a connection to the database; those that ask are of a name."""
    payment = open_payment(order, amount=order.total, email=order.email)
    asking, reading = set(), set()
    fetch, cursor = payloads.read_status, BaseDatabaseWrapper.cursor

    def noted_fetch(body):
        asking.add(threading.current_thread().name)
        return fetch(body)

    def noted_cursor(self):
        reading.add(threading.current_thread().name)
        return cursor(self)

    monkeypatch.setattr(payloads, "read_status", noted_fetch)
    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", noted_cursor)
    payram.sandbox.pay(payment.reference)
    (result,) = run(Payment.objects.filter(pk=payment.pk))
    assert result.news
    assert asking
    assert all(name.startswith("payram") for name in asking)
    assert reading == {threading.current_thread().name}


@pytest.mark.parametrize("on_terminal", [False, True])
def test_rows_are_counted_only_where_a_bar_shows_it(monkeypatch, on_terminal):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: on_terminal, raising=False)
    counted = []
    reporter = Reporter(BaseCommand(), as_json=False, unit="row", total=lambda: counted.append("once") or 5)
    reporter.close("")
    assert counted == (["once"] if on_terminal else [])


def test_only_the_token_of_a_payment_stands_in_public_addresses():
    assert all(isinstance(pattern, URLPattern) for pattern in urls.urlpatterns)
    assert {name for pattern in urls.urlpatterns for name in pattern.pattern.converters} == {"token"}


def test_nothing_but_celery_imports_the_tasks():
    assert importers("celery") == {"tasks"}
    assert not any(target[0] == "tasks" for path in modules() for target in imports(path))


def test_the_sandbox_is_imported_by_its_command_and_the_aids_for_tests_only():
    users = {name_of(path) for path in modules() for target in imports(path) if target[0] == "sandbox"}
    outside = {name for name in users if not name.startswith("sandbox")}
    assert outside == {"management.commands.payram_sandbox", "testing.payram"}


def test_no_traceback_is_logged_as_it_is():
    """A receiver's error may quote a key, and so does its traceback: it is cleaned first."""
    assert callers("exception") == set()
    keywords = {
        keyword.arg
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
    }
    assert not keywords & {"exc_info", "stack_info"}
    assert {module for module, _called in callers("format_exc")} == {"payments.notifications", "payments.transitions"}


def test_no_setting_is_read_at_import():
    """``override_settings`` must work, and tests of shops use it."""
    for module, tree in TREES.items():
        inside = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for part in (function.body if isinstance(function.body, list) else [function.body])
            for node in ast.walk(part)
        }
        read = [
            ast.unparse(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "settings"
            and id(node) not in inside
        ]
        assert read == [], module


def test_no_test_module_has_changed_the_surroundings_of_processes_that_tests_start():
    assert chosen(os.environ.get("SURROUNDINGS", "")) == settings.SURROUNDINGS
