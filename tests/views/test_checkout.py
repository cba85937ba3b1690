"""Where a customer starts to pay, as a page and as JSON."""

from __future__ import annotations

import pytest
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.db import InterfaceError, OperationalError, connections
from django.test import Client
from django.urls import resolve
from django.utils import timezone

from django_payram.models import Payment, State
from django_payram.payments import request
from django_payram.views import CheckoutView
from django_payram.views.api import CheckoutAPIView
from tests.shop.models import Order, UuidOrder

pytestmark = pytest.mark.django_db

# With ATOMIC_REQUESTS REST framework rolls back whatever transaction it finds around a refused call.
in_its_own_transactions = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh_cache():
    cache.clear()


def pay(client, order):
    return client.post(f"/orders/{order.pk}/pay/")


def pay_by_api(client, order):
    return client.post(f"/api/orders/{order.pk}/pay/")


def test_a_click_leads_to_payrams_page(payram, client, order):
    response = pay(client, order)
    payment = Payment.objects.get()
    assert (response.status_code, response["Location"]) == (303, payment.url)
    assert client.session["payram_payment"] == [str(payment.token)]
    assert "no-store" in response["Cache-Control"]


@in_its_own_transactions
def test_only_a_post_makes_a_link(payram, client, order):
    """F18."""
    for method in (client.get, client.head):
        back = method(f"/orders/{order.pk}/pay/")
        assert (back.status_code, back["Location"]) == (302, order.get_absolute_url())
    assert client.get(f"/api/orders/{order.pk}/pay/").status_code == 405
    assert not Payment.objects.exists()


def test_the_amount_in_the_request_is_ignored(payram, client, order):
    """F25."""
    client.post(
        f"/orders/{order.pk}/pay/", {"amount": "0.01", "email": "x@example.org", "next": "https://evil.example"}
    )
    payment = Payment.objects.get()
    assert (payment.amount_usd, payment.customer_email) == (order.total, order.email)


def test_the_form_is_protected_against_forgery(payram, order):
    assert Client(enforce_csrf_checks=True).post(f"/orders/{order.pk}/pay/").status_code == 403


def test_late_money_that_is_confirming_leads_to_its_status_page(payram, client, order):
    pay(client, order)
    Payment.objects.update(state=State.CANCELED, closed_at=timezone.now(), live_slot=None, confirmations=1)
    response = pay(client, order)
    assert (response.status_code, response["Location"]) == (303, f"/payram/payments/{Payment.objects.get().token}/")


def test_a_paid_order_leads_to_its_status_page(payram, client, order):
    pay(client, order)
    payment = Payment.objects.get()
    payram.pay(payment)
    response = pay(client, order)
    assert (response.status_code, response["Location"]) == (303, f"/payram/payments/{payment.token}/")


@pytest.mark.parametrize("kind", ["broken", "html", "unauthorized", "code5", "throttled", "foreign_url", "not_json"])
def test_a_payram_in_trouble_gives_a_page_with_a_way_to_try_again(payram, client, order, kind, settings):
    settings.SECURE_REFERRER_POLICY = "unsafe-url"
    payram.sandbox.inject_fault(None, kind)
    response = pay(client, order)
    assert response.status_code == 503
    text = response.content.decode()
    assert "Try again" in text
    assert f'action="/orders/{order.pk}/pay/"' in text
    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "same-origin"


def test_a_disabled_project_gives_the_same_page(payram, client, order, settings, caplog):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "ENABLED": False}}
    assert pay(client, order).status_code == 503
    said = "No payment link could be made. PayRam project 'default' takes no new payments at the moment."
    assert said in caplog.messages


def test_an_unknown_order_is_not_found(payram, client, order):
    Order.objects.all().delete()
    assert pay(client, order).status_code == 404


def test_a_shop_without_sessions_can_take_payments(payram, order, rf):
    view = resolve(f"/orders/{order.pk}/pay/").func
    assert view(rf.post("/"), pk=order.pk).status_code == 303


@pytest.mark.parametrize("path", ["/orders/1/pay/", "/api/orders/1/pay/"])
def test_a_shops_transaction_per_request_does_not_hold_the_checkout(path):
    """F10: the row must be committed before PayRam is called."""
    assert set(connections) <= resolve(path).func._non_atomic_requests


@pytest.mark.parametrize("base", [CheckoutView, CheckoutAPIView])
def test_a_mixin_in_front_does_not_bring_the_transaction_back(base):
    """F10: LoginRequiredMixin has a dispatch of its own, without our decorators."""
    view = type("Pay", (LoginRequiredMixin, base), {}).as_view()
    assert set(connections) <= view._non_atomic_requests


def test_a_view_without_its_methods_says_which_is_missing(rf):
    class Bare(CheckoutView):
        pass

    class WithOrder(CheckoutView):
        def get_order(self):
            return None

    class WithAmount(WithOrder):
        def get_amount(self, order):
            return 1

    for view, method in [(Bare, "get_order"), (WithOrder, "get_amount"), (WithAmount, "get_email")]:
        with pytest.raises(NotImplementedError, match=f"{view.__name__} must implement {method}"):
            view.as_view()(rf.post("/"))


def test_project_and_customer_id_are_the_shops_to_say(payram, order, rf, settings):
    """F27."""
    settings.PAYRAM = {"second": settings.PAYRAM["default"]}

    class Pay(CheckoutView):
        def get_order(self):
            return order

        def get_amount(self, order):
            return "7.00"

        def get_email(self, order):
            return order.email

        def get_customer_id(self, order):
            return f"kim of {order.email}"

        def get_project(self, order):
            return "second" if order.total else "first"

    assert Pay.as_view()(rf.post("/")).status_code == 303
    payment = Payment.objects.get()
    assert (payment.project, payment.customer_id) == ("second", f"kim of {order.email}")


# JSON


def test_the_api_answers_201_with_the_link(payram, client, order):
    response = pay_by_api(client, order)
    payment = Payment.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "token": str(payment.token),
        "url": payment.url,
        "reference_id": payment.reference,
        "state": "OPEN",
        "status": "waiting",
    }
    assert "no-store" in response["Cache-Control"]


def test_the_api_is_protected_against_forgery_in_a_users_name(payram, order, django_user_model):
    """As REST framework does it: a guest, whom no session names, has nothing to lose."""
    client = Client(enforce_csrf_checks=True)
    assert pay_by_api(client, order).status_code == 201
    client.force_login(django_user_model.objects.create_user("kim"))
    assert pay_by_api(client, order).status_code == 403


def test_the_api_answers_409_for_a_paid_order(payram, client, order):
    pay_by_api(client, order)
    payment = Payment.objects.get()
    payram.pay(payment)
    response = pay_by_api(client, order)
    assert response.status_code == 409
    assert response.json() == {"detail": "The order has been paid already.", "token": str(payment.token)}


@pytest.mark.parametrize("path", ["/orders/{}/pay/", "/api/orders/{}/pay/"])
@pytest.mark.parametrize(
    "trouble", [OperationalError("deadlock detected"), InterfaceError("connection already closed")]
)
def test_a_busy_database_is_503_and_the_next_click_gets_the_link(payram, client, order, monkeypatch, path, trouble):
    real, failures = request.PaymentRequest.new_payment, [trouble]

    def busy_once(self, *args, **kwargs):
        if failures:
            raise failures.pop()
        return real(self, *args, **kwargs)

    monkeypatch.setattr(request.PaymentRequest, "new_payment", busy_once)
    assert client.post(path.format(order.pk)).status_code == 503
    assert not Payment.objects.exists()
    assert client.post(path.format(order.pk)).status_code in (201, 303)


def test_the_api_answers_503_when_payram_cannot_be_asked(payram, client, order, caplog):
    payram.sandbox.inject_fault(None, "broken")
    response = pay_by_api(client, order)
    assert response.status_code == 503
    said = "No payment link could be made just now. Please try again in a minute."
    assert response.json() == {"detail": said}
    (logged,) = [record.getMessage() for record in caplog.records if record.name == "django_payram"]
    assert logged.startswith("No payment link could be made. PayRam at 127.0.0.1 refused the call with status 500: ")


@in_its_own_transactions
def test_the_api_is_throttled_per_client(payram, client, order, settings):
    """F43."""
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"payram-checkout": "2/minute"}}
    assert [pay_by_api(client, order).status_code for _ in range(3)] == [201, 201, 429]
    assert client.post(f"/api/orders/{order.pk}/pay/", REMOTE_ADDR="10.0.0.9").status_code == 201


@in_its_own_transactions
def test_the_api_is_throttled_per_user(payram, order, django_user_model):
    """F43."""
    users = [django_user_model.objects.create_user(name) for name in ("kim", "lee")]
    for user in users:
        client = Client()
        client.force_login(user)
        for _ in range(30):
            assert pay_by_api(client, order).status_code == 201
        assert pay_by_api(client, order).status_code == 429


class AfterLogin(LoginRequiredMixin, CheckoutView):
    def get_order(self):
        return Order.objects.get(pk=self.kwargs["pk"])


class Nowhere(CheckoutView):
    def get_order(self):
        return UuidOrder.objects.create()


def test_a_login_between_the_click_and_the_payment_leads_back_to_the_order(rf, order, django_user_model):
    path = f"/orders/{order.pk}/pay/"
    request = rf.post(path)
    request.user = AnonymousUser()
    assert AfterLogin.as_view()(request, pk=order.pk)["Location"].endswith(f"?next={path}")
    back = rf.get(path)
    back.user = django_user_model(pk=1)
    assert AfterLogin.as_view()(back, pk=order.pk)["Location"] == order.get_absolute_url()


def test_an_order_without_a_page_is_asked_about(rf, db):
    answer = Nowhere.as_view()(rf.get("/carts/7/pay/"))
    text = answer.content.decode()
    assert answer.status_code == 200
    assert '<form method="post" action="/carts/7/pay/"' in text
    assert "is ready to be paid" in text
