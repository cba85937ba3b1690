"""The two routes by which PayRam answers about a payment."""

from __future__ import annotations

import pytest

from django_payram import conf
from django_payram.exceptions import PayramDataError, PayramRefused, PayramUnavailable
from django_payram.gateway.client import client_for
from django_payram.models.states import State
from django_payram.payments import open_payment, refresh
from django_payram.testing import running_payram


def client_at(payram):
    return client_for(conf.project())


def open_at(payram):
    created = client_at(payram).create(
        customer_email="buyer@example.org", customer_id="kim", amount_usd=10, invoice_id="x"
    )
    return created.reference


@pytest.mark.parametrize("reference", ["../admin", "a/b", "", "x" * 129, "a b"])
def test_a_reference_that_is_none_of_payrams_is_not_asked_about(payram, reference):
    with pytest.raises(PayramDataError) as caught:
        client_at(payram).fetch(reference)
    said = "The reference is not one of PayRam's: up to 128 letters, digits, hyphens, underscores."
    assert str(caught.value) == said
    assert payram.sandbox.calls == []


def test_a_server_without_the_first_route_is_asked_by_the_second(payram):
    payment = open_at(payram)
    payram.sandbox.inject_fault(None, "old_route")
    payram.sandbox.pay(payment)
    update = client_at(payram).fetch(payment)
    assert update.state == State.FILLED
    assert [call.path.split("/")[-2] for call in payram.sandbox.calls[-2:]] == ["reference", "ref"]


def test_a_reference_unknown_by_both_routes_is_refused_as_by_the_first(payram):
    with running_payram(api_version="faq") as old:
        with pytest.raises(PayramRefused) as caught:
            client_at(old).fetch("nobody")
        assert caught.value.status == 404
        assert len(old.sandbox.calls) == 2


@pytest.mark.parametrize("kind", ["unauthorized", "broken"])
def test_the_second_route_is_for_404_only(payram, kind):
    payment = open_at(payram)
    payram.sandbox.inject_fault(None, kind)
    before = len(payram.sandbox.calls)
    with pytest.raises((PayramRefused, PayramUnavailable)):
        client_at(payram).fetch(payment)
    assert len(payram.sandbox.calls) == before + 1


def test_an_unavailable_second_route_is_unavailable(payram):
    payment = open_at(payram)
    payram.sandbox.inject_fault(None, "broken")
    payram.sandbox.inject_fault(None, "old_route", times=1)
    with pytest.raises(PayramUnavailable):
        client_at(payram).fetch(payment)


@pytest.mark.django_db
def test_a_key_that_is_an_everyday_word_spoils_no_answer(order):
    with running_payram(api_key="shop"):
        payment = open_payment(order, amount=order.total, email=order.email)
        assert payment.customer_id.startswith("shop")
        assert refresh(payment).state == "OPEN"
