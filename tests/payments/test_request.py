"""The arguments of open_payment: wrong ones are refused before anything is written."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from django_payram.exceptions import InvalidPaymentRequest, PayramUnavailable
from django_payram.models import Payment, State, orders
from django_payram.payments import open_payment
from django_payram.payments.request import check_request
from django_payram.testing.factories import PaymentFactory
from tests.payments.helpers import creates, pay_for
from tests.shop.models import Order, SlugOrder, UuidOrder

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "amount",
    [
        "0",
        "-1",
        "0.001",
        "1.999",
        "NaN",
        "Infinity",
        "-Infinity",
        "",
        "twelve",
        "1,50",
        "10000000000000",
        Decimal("NaN"),
    ],
)
def test_a_wrong_amount_raises_before_anything_is_written(payram, order, amount):
    """F33."""
    with pytest.raises(ValueError, match="amount"):
        open_payment(order, amount=amount, email="buyer@example.org")
    assert not Payment.objects.exists()
    assert creates(payram) == []


@pytest.mark.parametrize("amount", [1.5, True, None, [1], b"1"])
def test_an_amount_of_another_type_raises(order, amount):
    """F33."""
    with pytest.raises(ValueError) as caught:
        open_payment(order, amount=amount, email="buyer@example.org")
    assert str(caught.value) == f"amount must be a Decimal, an int or a str, not {type(amount).__name__}."
    assert not Payment.objects.exists()


def test_a_large_amount_arrives_exactly(payram):
    payment = open_payment(amount="87654321.09", email="buyer@example.org")
    assert payram.sandbox.payment(payment.reference).amount_usd == Decimal("87654321.09")


def test_an_amount_with_trailing_zeros_is_fine(payram):
    assert open_payment(amount=Decimal("12.500"), email="buyer@example.org").amount_usd == Decimal("12.50")


def test_the_largest_amount_has_thirteen_digits_before_the_point():
    asked_for = {"email": "buyer@example.org", "customer_id": None, "project": "default", "metadata": None}
    assert check_request(None, amount="9999999999999.99", **asked_for).amount_usd() == Decimal("9999999999999.99")
    with pytest.raises(ValueError, match="at most 13 digits before the point"):
        check_request(None, amount="10000000000000", **asked_for)


def email_of(length):
    return f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.".ljust(length - 4, "e") + ".org"


@pytest.mark.parametrize(
    ("email", "said"),
    [
        ("", "email must be the customer's e-mail address: PayRam requires one."),
        (None, "email must be the customer's e-mail address: PayRam requires one."),
        (["@"], "email must be the customer's e-mail address: PayRam requires one."),
        (b"buyer@example.org", "email must be the customer's e-mail address: PayRam requires one."),
        ("nobody", "email must be the customer's e-mail address: PayRam requires one."),
        ("a@b", "email must be the customer's e-mail address: PayRam requires one."),
        (email_of(255), "email must have at most 254 characters."),
    ],
)
def test_a_wrong_email_raises_before_anything_is_written(order, email, said):
    with pytest.raises(ValueError) as caught:
        open_payment(order, amount=1, email=email)
    assert str(caught.value) == said
    assert not Payment.objects.exists()


@pytest.mark.parametrize(
    ("customer_id", "said"),
    [
        ("", "customer_id must be a string of printable characters."),
        ("  ", "customer_id must be a string of printable characters."),
        ("a\nb", "customer_id must be a string of printable characters."),
        (" kim", "customer_id must not begin or end with white space."),
        ("kim ", "customer_id must not begin or end with white space."),
        ("x" * 256, "customer_id must have at most 255 characters."),
        (5, "customer_id must be a string of printable characters."),
        (b"kim", "customer_id must be a string of printable characters."),
    ],
)
def test_a_wrong_customer_id_raises(order, customer_id, said):
    with pytest.raises(ValueError) as caught:
        open_payment(order, amount=1, email="buyer@example.org", customer_id=customer_id)
    assert str(caught.value) == said


def test_the_longest_email_and_customer_id_are_fine(payram):
    payment = open_payment(amount=1, email=email_of(254), customer_id="x" * 255)
    assert (len(payment.customer_email), len(payment.customer_id)) == (254, 255)


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": -(10**5000)},
        {"amount": 10**5000},
        {"amount": "x" * 10**6},
        {"amount": "1." + "1" * 10**5},
        {"email": "a@ex\ud800.com"},
        {"email": "a\x00@example.org"},
        {"project": []},
        {"project": None},
        {"project": 5},
        {"metadata": nested(100_000)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_argument_is_named_in_a_short_sentence(payram, order, wrong):
    (argument,) = wrong
    with pytest.raises(InvalidPaymentRequest) as caught:
        open_payment(order, **{"amount": 1, "email": "buyer@example.org", **wrong})
    assert caught.value.argument == argument
    assert str(caught.value).startswith(f"{argument} ")
    assert len(str(caught.value)) < 200
    assert not Payment.objects.exists()


@pytest.mark.parametrize("metadata", [{"when": timezone.now()}, {"x": float("nan")}, "text", 7])
def test_metadata_that_json_cannot_hold_raises(order, metadata):
    with pytest.raises(ValueError, match="metadata"):
        open_payment(order, amount=1, email="buyer@example.org", metadata=metadata)


@pytest.mark.parametrize(
    "metadata",
    [{"note": "a\x00b"}, {"a\x00": 1}, {"lines": [{"note": "\\\x00"}]}, {"note": "\ud800"}, {"\udfff": 1}],
)
def test_metadata_that_a_database_cannot_hold_raises_before_anything_is_written(payram, order, metadata):
    """PostgreSQL keeps neither a NUL nor half of a surrogate pair."""
    with pytest.raises(ValueError, match="metadata"):
        open_payment(order, amount=1, email="buyer@example.org", metadata=metadata)
    assert not Payment.objects.exists()
    assert creates(payram) == []


def test_the_refusal_of_a_nul_character_says_why(order):
    with pytest.raises(ValueError) as caught:
        open_payment(order, amount=1, email="buyer@example.org", metadata={"note": "a\x00b"})
    assert str(caught.value) == "metadata must not hold a NUL character: PostgreSQL keeps none."


def test_metadata_may_hold_any_text(payram, order):
    metadata = {"path": "C:\\u0000", "note": '\\"\n\t\x01\x7f\\', "smile": "\U0001f600", "é": ["\\\\u0000"]}
    payment = pay_for(order, metadata=metadata)
    payment.refresh_from_db()
    assert payment.metadata == metadata


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (5, "order must be a saved model instance, not int."),
        ("1042", "order must be a saved model instance, not str."),
        (Order, "order must be a saved model instance, not ModelBase."),
    ],
)
def test_an_order_that_is_no_model_instance_raises(wrong, said):
    with pytest.raises(ValueError) as caught:
        pay_for(wrong)
    assert str(caught.value) == said


def saved_with(key):
    order = SlugOrder(pk=key)
    order._state.adding = False
    return order


ASKED_FOR = {"amount": 1, "email": "buyer@example.org"}


def test_an_order_whose_key_is_too_long_raises():
    assert check_request(saved_with("x" * 200), **ASKED_FOR).order.id == "x" * 200
    with pytest.raises(ValueError) as caught:
        pay_for(saved_with("x" * 201), customer_id="kim")
    assert str(caught.value) == "order must have a key of at most 200 characters."


def test_an_order_whose_own_customer_id_is_too_long_needs_another(monkeypatch, settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "CUSTOMER_ID_PREFIX": "staging-"}}
    monkeypatch.setattr(orders, "content_type", lambda _model: ContentType(app_label="shop", model="m" * 100))
    longest = 255 - len("staging-shop.--0123456789ab") - 100
    assert len(check_request(saved_with("x" * longest), **ASKED_FOR).own_customer_id(uuid.uuid4())) == 255
    with pytest.raises(ValueError) as caught:
        pay_for(saved_with("x" * (longest + 1)))
    assert str(caught.value) == "customer_id must be given: the order's own would have more than 255 characters."
    assert check_request(saved_with("x" * (longest + 1)), **{**ASKED_FOR, "customer_id": "kim"}).customer_id == "kim"


@pytest.mark.parametrize("make", [Order, lambda: UuidOrder(id=uuid.uuid4())])
def test_an_unsaved_order_raises(make):
    with pytest.raises(ValueError) as caught:
        pay_for(make())
    assert str(caught.value) == "order must be saved first: no payment can remember it yet."


def test_an_unknown_project_is_named(order):
    with pytest.raises(ImproperlyConfigured, match="'other'"):
        pay_for(order, project="other")


def test_a_token_is_one_payment_without_an_order(payram):
    token = uuid.uuid4()
    payment = open_payment(amount=1, email="buyer@example.org", token=token)
    assert payment.token == token
    assert open_payment(amount=2, email="other@example.org", token=token) == payment
    assert Payment.objects.count() == len(creates(payram)) == 1


def test_a_token_whose_payment_got_no_link_gets_none(payram):
    token = uuid.uuid4()
    PaymentFactory(token=token, state=State.FAILED, url="")
    with pytest.raises(PayramUnavailable):
        open_payment(amount=1, email="buyer@example.org", token=token)


def test_a_token_that_is_none_is_refused(order):
    with pytest.raises(InvalidPaymentRequest, match="token must be a UUID, not str"):
        open_payment(amount=1, email="buyer@example.org", token="one")
    with pytest.raises(InvalidPaymentRequest, match="token is for payments without an order"):
        open_payment(order, amount=1, email="buyer@example.org", token=uuid.uuid4())
