"""The README says the truth."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from pathlib import Path

import docutils.core
import docutils.nodes
import pytest
from django.core.management import get_commands

from django_payram import exceptions, signals
from django_payram.conf.options import OPTIONS
from django_payram.models import Payment
from django_payram.models.states import Review, State
from django_payram.payments import open_payment
from django_payram.payments.transitions import notify_again
from django_payram.testing import PretendPayram
from tests.shop.models import SlugOrder
from tests.shop.payram_receivers import mark_paid

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.rst").read_text()

DEMO = (
    'python -m venv .venv && .venv/bin/pip install -e ".[example]" && .venv/bin/python example_project/manage.py demo'
)
TESTS = 'python -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/pytest'

TREE = docutils.core.publish_doctree(TEXT, settings_overrides={"report_level": 2, "halt_level": 2})
BLOCKS = {block["names"][0]: block.astext() for block in TREE.findall(docutils.nodes.literal_block) if block["names"]}


def section(title):
    for part in TREE.findall(docutils.nodes.section):
        if part.next_node(docutils.nodes.title).astext() == title:
            return part
    raise LookupError(title)


def first_cells(part):
    return [row.children[0].astext() for row in part.findall(docutils.nodes.row)]


def test_it_starts_with_two_commands_of_one_line_each():
    commands = [block.astext() for block in TREE.findall(docutils.nodes.literal_block)][:2]
    assert commands == [DEMO, TESTS]


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_its_python_can_be_read(name):
    source = BLOCKS[name]
    ast.parse(f"def f():\n{re.sub('^', ' ', source, flags=re.MULTILINE)}" if "return" in source else source)


def test_the_integration_takes_thirteen_lines_beside_imports():
    steps = ("settings.py", "urls.py", "views.py", "payram_receivers.py")
    lines = [line for name in steps for line in BLOCKS[name].splitlines() if line]
    assert len([line for line in lines if "import " not in line]) == 13


@pytest.fixture
def receiver():
    """The README's receiver, connected as it stands."""
    wired = {}
    exec(BLOCKS["payram_receivers.py"].replace("from shop.", "from tests.shop."), wired)
    # The test shop's own marks orders as paid in another way.
    signals.payment_paid.disconnect(mark_paid)
    yield
    signals.payment_paid.disconnect(wired["mark_paid"])
    signals.payment_paid.connect(mark_paid)


def status_of(order):
    return type(order).objects.get(pk=order.pk).status


@pytest.mark.django_db
def test_the_integration_takes_a_payment(payram, order, rf, receiver):
    """The README's own lines, run as they stand against the pretend PayRam."""
    names = {}
    exec(BLOCKS["views.py"], names)
    request = rf.post("/")
    request.user = type("User", (), {"order_set": type(order).objects, "is_authenticated": True})()
    response = names["PayOrder"].as_view()(request, pk=order.pk)
    payment = Payment.objects.get()
    assert (response.status_code, response["Location"]) == (303, payment.url)
    payram.pay(payment)
    assert status_of(order) == "paid"


@pytest.mark.django_db
def test_the_receiver_marks_no_order_of_another_model(payram, order, receiver):
    """F90: the same key."""
    other = SlugOrder.objects.create(pk=str(order.pk))
    payram.pay(open_payment(other, amount=1, email="buyer@example.org"))
    assert status_of(order) == "new"


@pytest.mark.django_db
def test_the_receiver_is_content_with_a_payment_without_an_order(payram, receiver):
    """F90."""
    payment = payram.pay(open_payment(amount=1, email="buyer@example.org"))
    assert (payment.is_paid, payment.undelivered) == (True, [])


@pytest.mark.django_db
def test_the_receiver_takes_no_old_link_for_a_cart_that_has_grown(payram, order, receiver):
    """F90: 49.99 for 4,999."""
    payment = open_payment(order, amount=order.total, email=order.email)
    type(order).objects.update(total=4999)
    assert payram.pay(payment).is_paid
    assert status_of(order) == "new"


@pytest.mark.django_db
def test_the_receiver_sends_no_order_back_when_it_is_told_again(payram, order, receiver):
    """F90."""
    payment = payram.pay(open_payment(order, amount=order.total, email=order.email))
    assert status_of(order) == "paid"
    type(order).objects.update(status="shipped")
    notify_again(payment)
    assert status_of(order) == "shipped"


@pytest.mark.django_db
def test_the_example_of_a_test_passes(payram, order):
    from django_payram.payments import open_payment
    from tests.shop.models import Order

    names = {"pytest": pytest, "open_payment": open_payment, "Order": Order}
    exec(BLOCKS["a test"], names)
    names["test_the_order_is_paid"](payram, order)


@pytest.mark.django_db
def test_the_nouns_are_there(order):
    exec(BLOCKS["payments of an order"], {"order": order})


def test_it_lists_every_option_with_its_default():
    rows = [
        [cell.astext() for cell in row.children[:2]]
        for row in section("Settings").next_node(docutils.nodes.table).findall(docutils.nodes.row)
    ]
    assert [name for name, _default in rows] == list(OPTIONS)
    for name, default in rows:
        expected = OPTIONS[name].default
        if expected is dataclasses.MISSING:
            assert default == "required"
        else:
            written = ast.literal_eval(default)
            assert (tuple(written) if isinstance(written, list) else written) == expected


def test_it_lists_every_check():
    listed = {name for name in first_cells(section("Settings")) if name.startswith("django_payram.")}
    source = (ROOT / "django_payram" / "conf" / "checks.py").read_text()
    assert listed == {f"django_payram.{id_}" for id_ in re.findall(r"\b[EW]\d{3}\b", source)}


def test_it_lists_every_signal_state_review_and_error():
    assert first_cells(section("Signals")) == list(signals.SIGNALS)
    payments = section("Payments").astext()
    assert all(state in payments for state in State)
    assert first_cells(section("Payments")) == list(Review)
    errors = {name for name, kind in vars(exceptions).items() if isinstance(kind, type)} - {"PayramError"}
    listed = set(first_cells(section("Opening a payment yourself")))
    assert {name for name in listed if not name.islower()} == errors
    assert {name for name in listed if name.islower()} <= set(inspect.signature(open_payment).parameters)


def test_it_names_every_command():
    ours = {name for name, app in get_commands().items() if app == "django_payram"}
    assert ours == set(re.findall(r"payram_[a-z]+", TEXT)) & ours
    for command in ours:
        assert f"manage.py {command}" in TEXT


def test_the_verbs_of_testing_are_there():
    for verb in ("pay", "see", "confirm", "expire", "deliver"):
        assert f"``{verb}``" in TEXT or f"payram.{verb}(" in TEXT
        assert callable(getattr(PretendPayram, verb))


@pytest.mark.parametrize("name", ["README.rst", "CHANGELOG.rst"])
def test_its_markup_is_clean(name):
    docutils.core.publish_doctree((ROOT / name).read_text(), settings_overrides={"report_level": 1, "halt_level": 1})
