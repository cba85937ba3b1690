"""What each error carries to the one who catches it."""

from __future__ import annotations

import pytest

from django_payram import exceptions
from django_payram.exceptions import (
    InvalidPaymentRequest,
    PayramAlreadyPaid,
    PayramDataError,
    PayramDisabled,
    PayramError,
    PayramRefused,
    PayramUnavailable,
)

BUILT = [
    PayramDisabled("said"),
    PayramAlreadyPaid("said", payment=None),
    PayramUnavailable("said"),
    PayramRefused("said"),
    PayramDataError("said"),
]


def facts(error):
    return vars(error)


@pytest.mark.parametrize("error", BUILT, ids=lambda error: type(error).__name__)
def test_every_error_is_a_payram_error_and_says_its_message(error):
    assert isinstance(error, PayramError)
    assert str(error) == "said"
    assert error.args == ("said",)


def test_there_is_no_error_besides_these():
    declared = {value for value in vars(exceptions).values() if isinstance(value, type)}
    assert declared == {PayramError, InvalidPaymentRequest, *map(type, BUILT)}


def test_a_wrong_argument_is_a_value_error_that_names_it():
    error = InvalidPaymentRequest("amount", "must be more than zero, not 0.")
    assert isinstance(error, ValueError)
    assert (error.argument, str(error)) == ("amount", "amount must be more than zero, not 0.")


def test_no_error_catches_another():
    kinds = [type(error) for error in BUILT]
    assert all(one is other or not issubclass(one, other) for one in kinds for other in kinds)


def test_already_paid_carries_the_payment():
    payment = object()
    assert facts(PayramAlreadyPaid("said", payment=payment)) == {"payment": payment}


def test_unavailable_carries_what_is_known_of_the_answer():
    error = PayramUnavailable("said", status=429, code="RATE", retry_after=7, definite=True)
    assert facts(error) == {"status": 429, "code": "RATE", "retry_after": 7, "definite": True}


def test_unavailable_knows_nothing_and_is_not_definite_unless_given():
    assert facts(PayramUnavailable("said")) == {"status": None, "code": "", "retry_after": None, "definite": False}


def test_refused_carries_status_and_code():
    assert facts(PayramRefused("said", status=401, code="UNAUTHORIZED")) == {"status": 401, "code": "UNAUTHORIZED"}
    assert facts(PayramRefused("said")) == {"status": None, "code": ""}


def test_a_data_error_carries_the_reference_if_there_was_one():
    assert facts(PayramDataError("said", reference="px_7f3a9c")) == {"reference": "px_7f3a9c"}
    assert facts(PayramDataError("said")) == {"reference": None}


def test_the_message_may_be_given_by_name():
    built = [kind(message="said") for kind in (PayramUnavailable, PayramRefused, PayramDataError)]
    built.append(PayramAlreadyPaid(message="said", payment=None))
    assert [str(error) for error in built] == ["said"] * 4


@pytest.mark.parametrize("kind", [PayramAlreadyPaid, PayramUnavailable, PayramRefused, PayramDataError])
def test_facts_are_given_by_name(kind):
    with pytest.raises(TypeError, match="positional"):
        kind("said", "fact")
