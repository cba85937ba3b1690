"""The checkout of a shop that runs under ASGI."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db import connections
from django.test import AsyncClient, AsyncRequestFactory
from django.urls import include, path

from django_payram.exceptions import PayramUnavailable
from django_payram.gateway.client import Client
from django_payram.models import Payment, State, Status
from django_payram.payments import aopen_payment, arefresh, checkout
from django_payram.views import AsyncCheckoutView
from tests.payments.helpers import creates
from tests.shop.models import Order

pytestmark = pytest.mark.django_db(transaction=True)


def click(order):
    return async_to_sync(AsyncClient().post)(f"/async/orders/{order.pk}/pay/", secure=True)


def test_a_click_leads_to_payrams_page(payram, order):
    response = click(order)
    payment = Payment.objects.get()
    assert (response.status_code, response["Location"]) == (303, payment.url)
    assert "no-store" in response["Cache-Control"]


def test_a_paid_order_leads_to_its_status_page(payram, order):
    click(order)
    payment = payram.pay(Payment.objects.get())
    response = click(order)
    assert response["Location"].endswith(f"/payments/{payment.token}/")


def test_a_payram_that_cannot_be_asked_is_answered_503(settings, order):
    setting = settings.PAYRAM["default"]
    settings.PAYRAM = {"default": {**setting, "BASE_URL": "http://127.0.0.1:9"}}
    response = click(order)
    assert response.status_code == 503


def test_the_shops_methods_may_be_coroutines(payram, order):
    class Awaiting(AsyncCheckoutView):
        async def get_order(self):
            return await Order.objects.aget(pk=self.kwargs["pk"])

        async def get_amount(self, order):
            return order.total

        async def get_email(self, order):
            return order.email

        def get_purpose(self, order):
            return "deposit"

    response = async_to_sync(Awaiting.as_view())(AsyncRequestFactory().post("/"), pk=order.pk)
    assert response.status_code == 303
    assert Payment.objects.get().purpose == "deposit"


class PayOwnOrder(LoginRequiredMixin, AsyncCheckoutView):
    def get_order(self):
        return Order.objects.get(pk=self.kwargs["pk"])

    def get_amount(self, order):
        return order.total

    def get_email(self, order):
        return order.email


urlpatterns = [
    path("payram/", include("django_payram.urls")),
    path("own/<str:pk>/", PayOwnOrder.as_view()),
]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(("logs_in", "status"), [(True, 303), (False, 302)])
def test_djangos_mixins_may_stand_before_the_view(payram, order, django_user_model, logs_in, status):
    client = AsyncClient()
    if logs_in:
        client.force_login(django_user_model.objects.create_user("kim"))
    response = async_to_sync(client.post)(f"/own/{order.pk}/", secure=True)
    assert response.status_code == status
    assert Payment.objects.exists() == logs_in


def test_the_verbs_can_be_awaited(payram, order):
    async def buy():
        payment = await aopen_payment(order, amount=order.total, email=order.email)
        await sync_to_async(payram.sandbox.pay)(payment.reference)
        return await arefresh(payment)

    assert async_to_sync(buy)().status == Status.PAID


def click_in_a_thread(order):
    try:
        return checkout.open_payment(order, amount=order.total, email=order.email)
    finally:
        connections.close_all()


@pytest.mark.concurrency
def test_two_clicks_at_once_make_one_link_and_the_second_holds_no_thread(payram, order, monkeypatch):
    """While the first asks PayRam, the other one sleeps in the event loop."""
    asking, answer = threading.Event(), threading.Event()
    create = Client.create

    def slow(self, **fields):
        asking.set()
        assert answer.wait(30)
        return create(self, **fields)

    monkeypatch.setattr(Client, "create", slow)
    sleeps = []

    async def clicks():
        # Each request has a thread of its own under ASGI.
        first = asyncio.ensure_future(asyncio.to_thread(click_in_a_thread, order))
        await asyncio.to_thread(asking.wait, 30)
        sleep = asyncio.sleep

        async def noted(seconds):
            sleeps.append(seconds)
            answer.set()
            await sleep(seconds)

        monkeypatch.setattr(asyncio, "sleep", noted)
        second = await aopen_payment(order, amount=order.total, email=order.email)
        return await first, second

    first, second = async_to_sync(clicks)()
    assert first == second
    assert sleeps
    assert len(creates(payram)) == 1


def test_a_link_that_does_not_come_is_not_waited_for_for_ever(payram, order, monkeypatch):
    async_to_sync(aopen_payment)(order, amount=order.total, email=order.email)
    Payment.objects.update(state=State.CREATING, url="")
    monkeypatch.setattr(checkout, "WAIT_SECONDS", 0.2)
    with pytest.raises(PayramUnavailable, match="did not come"):
        async_to_sync(aopen_payment)(order, amount=order.total, email=order.email)


def test_wrong_arguments_raise_before_anything_is_written(payram, order):
    with pytest.raises(ValueError, match=r"^amount must be more than zero"):
        async_to_sync(aopen_payment)(order, amount=Decimal(0), email=order.email)
    with pytest.raises(TypeError, match="colour"):
        async_to_sync(aopen_payment)(order, amount=1, email=order.email, colour="red")
    assert not Payment.objects.exists()


def test_the_answer_is_recorded_though_the_customer_has_left(payram, order, monkeypatch):
    asking, answer = threading.Event(), threading.Event()
    create = Client.create

    def slow(self, **fields):
        asking.set()
        assert answer.wait(30)
        return create(self, **fields)

    monkeypatch.setattr(Client, "create", slow)

    async def click_and_leave():
        task = asyncio.ensure_future(aopen_payment(order, amount=order.total, email=order.email))
        await asyncio.to_thread(asking.wait, 30)
        task.cancel()
        answer.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    async_to_sync(click_and_leave)()
    payment = Payment.objects.get()
    assert (payment.state, bool(payment.url)) == (State.OPEN, True)
