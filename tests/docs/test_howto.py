"""The how-to guides are run: each of their blocks does what its page says."""

from __future__ import annotations

import os
import unittest
import uuid
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import transaction
from django.db.models import ProtectedError
from django.http import Http404
from django.template import engines
from django.utils import timezone
from rest_framework.test import force_authenticate

from django_payram import conf, signals
from django_payram.conf import policies
from django_payram.exceptions import PayramAlreadyPaid, PayramDisabled, PayramUnavailable
from django_payram.models import Payment, Review
from django_payram.payments import mail_status_link, open_payment
from django_payram.testing.payram import serving
from django_payram.views import CheckoutView
from tests.docs.pages import blocks, named
from tests.mails import MANAGERS
from tests.shop.models import Order, SlugOrder
from tests.shop.payram_receivers import mark_paid

KEYS = {"PAYRAM_API_KEY": "a-key-of-the-first-shop", "PAYRAM_GARDEN_KEY": "a-key-of-the-garden-shop"}


def block(page, name):
    folder = "" if page in {"pay_in_the_shop", "personal_data", "scheduling"} else "howto/"
    return named(f"docs/{folder}{page}.rst")[name]


def run(page, name, **names):
    """Run a block with what its page takes for granted, and return all names."""
    return run_source(block(page, name), **names)


def run_source(source, **names):
    exec(source.replace("from shop.", "from tests.shop."), names)
    return names


@pytest.fixture
def alone():
    """The test shop's own receiver is not connected."""
    signals.payment_paid.disconnect(mark_paid)
    yield
    signals.payment_paid.connect(mark_paid)


@pytest.fixture
def connected(alone):
    """Run a block whose receivers are connected until the end of the test."""
    wired = []

    def connect(page, name, signal, receiver, **names):
        found = run(page, name, **names)
        wired.append((signal, found[receiver]))
        return found

    yield connect
    for signal, receiver in wired:
        signal.disconnect(receiver)


def post(rf, view, session=None, **kwargs):
    request = rf.post("/")
    request.session = {} if session is None else session
    return view.as_view()(request, **kwargs)


def bill(order, **arguments):
    return open_payment(order, amount=order.total, email=order.email, **arguments)


# Taking payments


@pytest.mark.django_db
def test_a_guest_pays_the_order_of_the_session_and_no_other(payram, order, rf):
    view = run("guests", "guests")["PayOrder"]
    response = post(rf, view, session={"orders": [order.pk]}, pk=order.pk)
    assert response["Location"] == Payment.objects.get().url
    with pytest.raises(Http404):
        post(rf, view, session={}, pk=order.pk)


@pytest.mark.django_db
def test_several_bills_are_paid_apart(payram, order):
    subscription, wallet = SlugOrder.objects.create(pk="subscription"), SlugOrder.objects.create(pk="wallet")
    subscription.fee, subscription.email = Decimal(9), order.email
    wallet.email, wallet.top_ups = order.email, SimpleNamespace(count=lambda: 2)
    parcel = SimpleNamespace(pk=5, price=Decimal(3))
    names = {"parcel": parcel, "subscription": subscription, "wallet": wallet}
    run("several_bills", "several bills", open_payment=open_payment, order=order, **names)
    assert list(Payment.objects.order_by("pk").values_list("purpose", "amount_usd")) == [
        ("extra parcel 5", 3),
        ("2026-11", 9),
        ("top-up 3", 50),
    ]


@pytest.mark.django_db
def test_a_deposit_and_a_balance_are_two_bills(payram, order, connected):
    bills = set()
    type(order).deposit, type(order).bills_paid = Decimal(10), bills
    try:
        names = {"open_payment": open_payment, "order": order, "Order": Order, "payment_paid": signals.payment_paid}
        connected("several_bills", "a deposit and a balance", signals.payment_paid, "mark_paid", **names)
        deposit, balance = Payment.objects.order_by("pk")
        assert deposit.customer_id != balance.customer_id
        payram.pay(deposit)
        assert bills == {"deposit"}
        payram.pay(balance)
        assert bills == {"deposit", "balance"}
        with pytest.raises(PayramAlreadyPaid):
            open_payment(order, amount=order.deposit, email=order.email, purpose="deposit")
    finally:
        del type(order).deposit, type(order).bills_paid


@pytest.mark.django_db
def test_a_price_in_euro(payram, order, settings, monkeypatch):
    monkeypatch.setattr("django_payram.rates.djmoney", run("other_currencies", "rates of your own")["rates"])
    declared = {name: dict(options) for name, options in settings.PAYRAM.items()}
    source, opening = block("other_currencies", "a price in euro").split("\n\n")
    exec(source, {"PAYRAM": declared})
    settings.PAYRAM = declared
    exec(opening, {"open_payment": open_payment, "order": order})
    payment = Payment.objects.get()
    assert payment.price == (order.total, "EUR")
    assert payment.amount_usd == (order.total * Decimal("1.16")).quantize(Decimal("0.01"))
    assert payram.pay(payment).covers(order.total, "EUR")


@pytest.fixture
def environment(monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.django_db
def test_each_tenant_pays_at_its_own_project(order, rf, settings, environment):
    declared = run("several_shops", "two projects", os=os)["PAYRAM"]
    settings.PAYRAM = declared
    assert [project.name for project in conf.projects()] == ["default", "garden"]
    assert list(conf.problems()) == []
    with serving(api_key=KEYS["PAYRAM_API_KEY"]) as first, serving(api_key=KEYS["PAYRAM_GARDEN_KEY"]) as second:
        settings.PAYRAM = {
            name: {**declared[name], "BASE_URL": one.sandbox.url}
            for name, one in (("default", first), ("garden", second))
        }
        view = run("several_shops", "the project of an order", CheckoutView=CheckoutView)["PayOrder"]
        order.tenant = "garden"
        checkout = {"get_order": lambda _self: order, "get_amount": lambda _self, order: order.total}
        checkout["get_email"] = lambda _self, order: order.email
        post(rf, type("PayOrder", (view,), checkout))
        payment = Payment.objects.get()
        assert (payment.project, payment.url.startswith(second.sandbox.url)) == ("garden", True)
        assert second.pay(payment).is_paid


def test_django_environ_reads_the_setting(settings, monkeypatch):
    for line in block("django_environ", "the environment").splitlines():
        monkeypatch.setenv(*line.removeprefix("export ").split("="))
    settings.PAYRAM = run("django_environ", "settings with django-environ")["PAYRAM"]
    project = conf.project()
    assert project.base_url == "https://pay.example.com"
    assert project.api_keys == ("the-new-key-of-the-project", "the-old-key-of-the-project")
    assert (project.api_key, project.shop_url) == (project.api_keys[0], "")


def test_without_the_environment_django_does_not_start(monkeypatch):
    monkeypatch.delenv("PAYRAM_BASE_URL", raising=False)
    with pytest.raises(ImproperlyConfigured, match="PAYRAM_BASE_URL"):
        run("django_environ", "settings with django-environ")


@pytest.mark.django_db
def test_the_example_of_a_test_passes(payram, order):
    names = run("testing", "a test", pytest=pytest, open_payment=open_payment, Order=Order)
    names["test_the_order_is_paid"](payram, order)


@pytest.mark.django_db
@pytest.mark.parametrize("example", ["test_a_wrong_amount_waits_for_a_person", "test_the_checkout_without_payram"])
def test_the_examples_of_situations_pass(payram, order, example):
    taken = {"pytest": pytest, "open_payment": open_payment, "Order": Order, "PayramUnavailable": PayramUnavailable}
    run("testing", "situations", **taken)[example](payram, order)


@pytest.mark.django_db(transaction=True)
def test_the_example_with_unittest_passes():
    case = run("testing", "a test with unittest", open_payment=open_payment, Order=Order)["PaymentTest"]
    result = unittest.TestResult()
    case("test_the_order_is_paid").run(result)
    assert (result.testsRun, result.wasSuccessful()) == (1, True), result.errors


@pytest.mark.django_db
def test_the_example_of_a_part_of_a_test_passes(order):
    run("testing", "a part of a test", open_payment=open_payment, order=order)
    assert Payment.objects.get().is_paid


@pytest.mark.django_db
def test_rows_without_payram(order):
    run("testing", "rows", order=order)
    rows = Payment.objects.order_by("pk")
    assert [payment.status for payment in rows] == ["waiting", "paid", "partly_paid"]
    assert [payment.order for payment in rows] == [None, order, None]


@pytest.mark.django_db
def test_a_checkout_in_json(payram, order, rf):
    view = run("json_front_end", "a json checkout")["PayOrder"]
    assert post(rf, view, pk=order.pk).status_code == 403
    assert not Payment.objects.exists()
    request = rf.post("/")
    force_authenticate(request, SimpleNamespace(is_authenticated=True, pk=1, order_set=Order.objects))
    response = view.as_view()(request, pk=order.pk)
    assert (response.status_code, set(response.data)) == (201, {"token", "url", "reference_id", "state", "status"})


@pytest.mark.django_db
def test_a_checkout_that_stays_in_the_shop(payram, order, rf):
    view = run("pay_in_the_shop", "embedded", CheckoutView=CheckoutView)["PayOrder"]
    checkout = {"get_order": lambda _self: order, "get_amount": lambda _self, order: order.total}
    checkout["get_email"] = lambda _self, order: order.email
    response = post(rf, type("PayOrder", (view,), checkout))
    assert response["Location"] == f"/payram/payments/{Payment.objects.get().token}/pay/"


@pytest.mark.django_db
def test_the_tag_and_the_block_are_templates_of_a_shop(payram, order, rf):
    payment = bill(order)
    tag, page = [one.text for one in blocks("docs/pay_in_the_shop.rst") if one.language == "html+django"]
    request = rf.get("/")
    assert 'name="method"' in engines["django"].from_string(tag).render({"payment": payment}, request)
    assert "{% block purchase %}" in page


@pytest.mark.django_db
def test_a_receipt_by_mail(payram, order, connected, settings, django_capture_on_commit_callbacks):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "SHOP_URL": "https://shop.example.com"}}
    names = {"payment_paid": signals.payment_paid, "Order": Order, "mail_status_link": mail_status_link}
    connected(
        "pay_in_the_shop", "a receipt by mail", signals.payment_paid, "send_receipt", transaction=transaction, **names
    )
    payment = bill(order)
    with django_capture_on_commit_callbacks(execute=True):
        payram.pay(payment)
    assert f"https://shop.example.com/payram/payments/{payment.token}/" in mail.outbox[0].body


# Looking after payments


@pytest.mark.django_db
def test_the_desk_knows_the_orders(monkeypatch):
    site = admin.AdminSite()
    monkeypatch.setattr(admin, "register", lambda model: admin.decorators.register(model, site=site))
    run("desk", "the desk")
    assert [inline.__name__ for inline in site.get_model_admin(Order).inlines] == ["PaymentInline"]


@pytest.fixture
def review(payram, order, settings, django_capture_on_commit_callbacks):
    """Let a payment come under review, and return the mails that are sent."""
    settings.MANAGERS = MANAGERS

    def come():
        payment = bill(order)
        payram.expire(payment)
        with django_capture_on_commit_callbacks(execute=True):
            assert payram.pay(payment).review == Review.LATE
        return [one.body for one in mail.outbox]

    return come


@pytest.mark.django_db
def test_the_managers_are_mailed(review):
    names = run("staff_mails", "mail the managers")
    try:
        assert len(review()) == 1
    finally:
        signals.payment_needs_review.disconnect(names["mail_managers"])


@pytest.mark.django_db
def test_a_mail_of_ones_own_names_the_order(review, order):
    names = run("staff_mails", "mail about one payment")
    try:
        assert review() == [f"Order {order.pk}: Money after cancellation"]
    finally:
        assert signals.payment_needs_review.disconnect(names["tell_the_managers"])


@pytest.mark.django_db
def test_an_order_that_was_paid_by_card_is_not_paid_by_a_late_coin(payram, order, alone):
    payment = bill(order)
    run("paid_by_card", "paid by card", order=order)
    payment.refresh_from_db()
    assert payment.status == "withdrawn"
    type(order).objects.update(status="paid by card")
    receiver = run_source(named("README.rst")["payram_receivers.py"])["mark_paid"]
    assert payram.pay(payment).review == Review.LATE
    assert type(order).objects.get().status == "paid by card"
    assert signals.payment_paid.disconnect(receiver)


@pytest.mark.django_db
def test_a_refund_is_written_down_and_the_order_knows(payram, order, connected):
    payment = payram.pay(bill(order))
    names = {"payment_refunded": signals.payment_refunded, "Order": Order, "Payment": Payment}
    connected("refunds", "after a refund", signals.payment_refunded, "mark_refunded", **names)
    for _again in range(2):
        run("refunds", "a refund", payment=payment)
        assert payment.status == "refunded"
    assert type(order).objects.get().status == "refunded"
    assert payment.refunds.count() == 1


@pytest.mark.django_db
def test_the_refund_of_a_second_payment_leaves_the_order_paid(payram, order, connected):
    first = payram.expire(bill(order))
    second = bill(order)
    payram.pay(first)
    payram.pay(second)
    names = {"payment_refunded": signals.payment_refunded, "Order": Order, "Payment": Payment}
    connected("refunds", "after a refund", signals.payment_refunded, "mark_refunded", **names)
    payram.refund(second)
    assert type(order).objects.get().status != "refunded"
    payram.refund(first)
    assert type(order).objects.get().status == "refunded"


@pytest.mark.django_db
def test_an_order_that_is_made_later_is_paid(payram, order):
    token = uuid.uuid4()
    payment = payram.pay(open_payment(amount="49.99", email="buyer@example.org", token=token))
    found = run("later_orders", "an order that is made later", order=order, cart_token=token)
    assert found["payment"] == payment
    assert type(order).objects.get().status == "paid"


# Running the shop


@pytest.mark.parametrize(("name", "option"), [("a pool", "OPTIONS"), ("a bouncer", "DISABLE_SERVER_SIDE_CURSORS")])
def test_databases_are_set_so(name, option):
    declared = {"default": {}}
    run("databases", name, DATABASES=declared)
    assert list(declared["default"]) == [option]


def test_the_policy_lets_customers_pay(settings):
    (text,) = [one.text for one in blocks("docs/howto/csp.rst") if one.language == "text"]
    settings.PAYRAM = {"default": {"BASE_URL": "https://pay.example.com", "API_KEY": "a-key"}}
    assert policies.missing_host(conf.project(), policies.sources_of(" ".join(text.split()))) == ""


def test_the_headers_that_hold_keys_are_dropped():
    before_send = run("error_trackers", "drop the headers")["before_send"]
    headers = {"API-Key": "secret", "X-Payram-Signature": "secret", "x-payram-signature": "secret", "Host": "shop"}
    event = before_send({"request": {"headers": headers}}, None)
    assert "secret" not in str(event)
    assert event["request"]["headers"]["Host"] == "shop"
    assert before_send({"message": "no request"}, None) == {"message": "no request"}


@pytest.mark.django_db
def test_after_a_restored_backup_every_payment_is_asked_about(payram, order):
    """The backup knows an open payment; meanwhile it was paid, and so was an order that is lost."""
    payment = bill(order)
    before = Payment.objects.filter(pk=payment.pk).values().get()
    payram.pay(payment)
    lost = SlugOrder.objects.create(pk="lost")
    forgotten = open_payment(lost, amount=5, email=order.email)
    reference = forgotten.reference
    payment.events.all().delete()
    Payment.objects.filter(pk=payment.pk).update(**before)
    Payment.objects.filter(pk=forgotten.pk).delete()
    type(order).objects.update(status="new")
    Payment.objects.update(next_check_at=timezone.now() + timedelta(days=1))
    call_command("payram_resync", all=True, verbosity=0)
    assert type(order).objects.get().status == "paid"
    call_command("payram_adopt", reference, order="shop.slugorder:lost")
    assert Payment.objects.for_order(lost).get().amount_usd == 5


@pytest.mark.django_db
def test_an_order_of_a_backup_is_paid_once_more_on_request(payram, order):
    payram.pay(bill(order))
    type(order).objects.update(status="new")
    call_command("payram_resync", "--announce-again", "--since", "2026-01-01", verbosity=0)
    assert type(order).objects.get().status == "paid"


@pytest.mark.django_db
def test_a_shop_moves_to_another_payram(order, rf, settings, monkeypatch):
    monkeypatch.setenv("OLD_KEY", "a-key-of-the-old-server")
    monkeypatch.setenv("NEW_KEY", "a-key-of-the-new-server")
    declared = run("moving", "two servers", os=os)["PAYRAM"]
    settings.PAYRAM = declared
    assert list(conf.problems()) == []
    old_key, new_key = (declared[name]["API_KEY"] for name in ("default", "new"))
    with serving(api_key=old_key) as old, serving(api_key=new_key) as new:
        settings.PAYRAM = {"default": {"BASE_URL": old.sandbox.url, "API_KEY": old_key}}
        first = bill(order)
        settings.PAYRAM = {
            "default": {**declared["default"], "BASE_URL": old.sandbox.url},
            "new": {**declared["new"], "BASE_URL": new.sandbox.url},
        }
        with pytest.raises(PayramDisabled):
            open_payment(amount=1, email=order.email)
        view = run("moving", "new payments there", CheckoutView=CheckoutView)["PayOrder"]
        checkout = {"get_order": lambda _self: order, "get_amount": lambda _self, order: order.total}
        checkout["get_email"] = lambda _self, order: order.email
        response = post(rf, type("PayOrder", (view,), checkout))
        assert response["Location"].startswith(new.sandbox.url)
        assert old.pay(first).is_paid
    assert type(order).objects.get().status == "paid"


@pytest.mark.django_db
def test_a_renamed_app_finds_its_payments_again(payram, order):
    rename = run("renaming", "rename the content type")["rename_content_type"]
    payment = bill(order)
    kind = ContentType.objects.filter(app_label="shop", model="order")
    # As after a renaming of the label "sales" that the code of this shop never had.
    kind.update(app_label="sold")
    ContentType.objects.clear_cache()
    try:
        with pytest.raises(AttributeError):
            _ = Payment.objects.get().order
        with pytest.raises(ProtectedError):
            ContentType.objects.get(app_label="sold", model="order").delete()
        ContentType.objects.create(app_label="sales", model="order")
        kind.model.objects.filter(app_label="sold").update(app_label="shop")
        rename(SimpleNamespace(get_model=lambda _app, _model: ContentType), None)
        assert ContentType.objects.get(pk=payment.order_type_id).app_label == "sales"
    finally:
        ContentType.objects.filter(pk=payment.order_type_id).update(app_label="shop")
        ContentType.objects.clear_cache()
    assert Payment.objects.get().order == order
    assert payram.pay(payment).is_paid
