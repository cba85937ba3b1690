"""Whom an update is about: the reference and the link are taken over once, and another payment's are refused."""

from __future__ import annotations

import pytest

from django_payram.exceptions import PayramDataError
from django_payram.models import State
from tests.payments.deciding import after, confirming, decide, outcomes, payment, update


def test_the_reference_and_the_page_are_taken_over_once():
    row = payment(State.CREATING, reference=None, url="")
    made = decide(row, update(reference="one", url="https://pay/1", asked_at=None))
    assert (outcomes(made), made.notifications, made.is_news) == (["created"], (), True)
    opened = made.group.payment
    assert (opened.reference, opened.url, opened.notified_state) == ("one", "https://pay/1", State.OPEN)
    assert after(opened, update(reference="one", url="https://pay/2")).url == "https://pay/1"


def test_a_link_that_a_webhook_found_out_is_news_for_receivers():
    found = decide(payment(State.CREATING, reference=None), update(reference="one"))
    assert (outcomes(found), found.notifications) == (["recorded"], ("payment_updated",))


def test_money_that_is_there_when_the_link_is_made_is_news_for_receivers():
    found = decide(payment(State.CREATING, reference=None, url=""), update(url="https://pay/1", **confirming()))
    assert (outcomes(found), found.notifications) == (["created", "recorded"], ("payment_updated",))


def test_an_update_of_another_reference_is_refused():
    with pytest.raises(PayramDataError, match=r"^The payment one has a reference other than two\.$"):
        decide(payment(reference="one"), update(reference="two"))


def test_a_failed_payment_that_payram_reports_on_lives_again():
    row = after(payment(State.FAILED, reference=None), update(reference="late"))
    assert (row.state, row.reference) == (State.OPEN, "late")


@pytest.mark.parametrize("invoice", [None, "two", "token"])
def test_a_reference_is_taken_over_from_an_answer_with_no_invoice_id_but_its_own(invoice):
    row = payment(State.CREATING, reference=None)
    invoice = str(row.token) if invoice == "token" else invoice
    assert after(row, update(reference="two", invoice_id=invoice)).reference == "two"


def test_a_reference_with_the_invoice_id_of_another_payment_is_refused():
    row = payment(State.CREATING, reference=None)
    said = rf"^two has an invoice id that is not that of the payment {row.token}\.$"
    with pytest.raises(PayramDataError, match=said):
        decide(row, update(reference="two", invoice_id=str(payment().token)))


def test_the_invoice_id_of_a_known_reference_says_nothing():
    """An older server may have forgotten the one that it was given."""
    assert after(payment(reference="one"), update(State.FILLED, 50, reference="one", invoice_id="two")).is_paid


def test_an_answer_that_names_no_reference_is_about_the_payment_that_was_asked_about():
    assert after(payment(reference="one"), update(State.FILLED, 50)).reference == "one"
    assert after(payment(State.CREATING, reference=None), update()).reference is None
