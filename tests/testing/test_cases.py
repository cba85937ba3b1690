"""The test kit for unittest."""

from __future__ import annotations

import unittest

import pytest
from django.test import SimpleTestCase, TestCase, TransactionTestCase, override_settings

from django_payram import conf
from django_payram.gateway import reach
from django_payram.payments import open_payment
from django_payram.testing import PayramMixin, PayramTestCase, PretendPayram

pytestmark = pytest.mark.not_in("databases", reason="a test case of unittest says itself which databases it uses")


class PaymentTest(PayramTestCase):
    def test_a_payment_is_paid(self):
        assert isinstance(self.payram, PretendPayram)
        assert self.payram.pay(open_payment(amount=20, email="a@example.org")).is_paid


class OfOneKind(PayramMixin, TransactionTestCase):
    payram_options = {"api_version": "faq"}

    def test_options_are_those_of_the_sandbox(self):
        assert self.payram.sandbox.api_version.webhook_method == "GET"
        assert self.payram.pay(open_payment(amount=20, email="a@example.org")).is_paid


class WithSetUp(PayramTestCase):
    def setUp(self):
        super().setUp()
        self.payment = open_payment(amount=20, email="a@example.org")

    def test_it_is_there_in_set_up(self):
        assert self.payment.is_open


def run(case, name):
    result = unittest.TestResult()
    case(name).run(result)
    assert result.wasSuccessful(), result
    assert result.testsRun == 1


@pytest.mark.django_db(transaction=True)
def test_the_setting_is_as_before_when_the_test_is_over():
    before = conf.project().base_url
    run(PaymentTest, "test_a_payment_is_paid")
    assert conf.project().base_url == before


@pytest.mark.django_db(transaction=True)
def test_a_payram_elsewhere_is_not_called_before_the_first_test(monkeypatch):
    @override_settings(PAYRAM={"default": {"BASE_URL": "https://pay.example.invalid", "API_KEY": "a-key-of-a-server"}})
    class OpensEarly(PayramTestCase):
        @classmethod
        def setUpTestData(cls):
            open_payment(amount=20, email="a@example.org")

        def test_it(self):
            raise AssertionError

    with monkeypatch.context() as patch:
        # As in a run without pytest.
        patch.setattr(reach, "allowed", None)
        result = unittest.defaultTestLoader.loadTestsFromTestCase(OpensEarly).run(unittest.TestResult())
        assert reach.allowed is None
    ((_case, trace),) = result.errors
    assert "pay.example.invalid, which is not on this machine" in trace


def test_it_needs_no_database_of_its_own():
    class Looks(PayramMixin, SimpleTestCase):
        def test_it(self):
            assert conf.project().base_url == self.payram.sandbox.url

    run(Looks, "test_it")


def test_the_class_is_one_of_djangos():
    assert issubclass(PayramTestCase, TestCase)
