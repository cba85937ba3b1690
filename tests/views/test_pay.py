"""Paying in the shop: choose a coin, get the address, send."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.db import connections
from django.shortcuts import render
from django.template import Context, Template
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import include, path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from django_payram.gateway.client import Client as Gateway
from django_payram.models import Payment, PaymentQuote, database
from django_payram.payments import open_payment, refresh
from django_payram.testing.payram import TEST_KEY, running_payram
from django_payram.views import CheckoutView
from tests.shop.views import OrderCheckout

pytestmark = pytest.mark.django_db


class Embedded(OrderCheckout, CheckoutView):
    embedded = True


@pytest.fixture
def payment(payram, order):
    payram.sandbox.webhooks = False
    return open_payment(order, amount=order.total, email=order.email)


@pytest.fixture
def embedded(payment, client):
    client.get(address(payment))
    return payment


def address(payment, name="pay"):
    return reverse(f"payram:{name}", args=[payment.token])


def page(client, payment):
    return client.get(address(payment, "status")).content.decode()


def choose(client, payment, method):
    return client.post(address(payment), {"method": method}, follow=True)


def stale(payment, by=timedelta(minutes=1)):
    """Let the times pass after which PayRam is asked again."""
    then = timezone.now() - by
    quote = PaymentQuote.objects.using(database()).get(pk=payment.pk)
    quote.asked_at = then
    for call in quote.address_calls.values():
        call["at"] = then.timestamp()
    quote.save()
    Payment.objects.using(database()).filter(pk=payment.pk).update(checked_at=then)


def test_the_way_leads_from_the_checkout_by_choosing_to_an_address_and_to_paid(payram, client, embedded):
    assert "on Ethereum" in page(client, embedded)
    answer = choose(client, embedded, "USDC-BASE")
    text = answer.content.decode()
    given = payram.sandbox.payment(embedded.reference).deposit_address
    assert "Send USDC on Base" in text
    assert address_in(text) == given
    assert amount_in(text) == "49.99"
    assert "Send only USDC, and only on the network Base." in text
    payram.send_coins(embedded, "20", currency="USDC", network="BASE")
    payram.confirm(embedded, 3)
    stale(embedded)
    text = page(client, embedded)
    assert "short by 29.99 USD" in text
    assert amount_in(text) == "29.99"
    payram.send_coins(embedded, "29.99", currency="USDC", network="BASE")
    stale(embedded)
    text = page(client, embedded)
    assert "20.00 USD have arrived, and more is on its way: 0 of 3 confirmations." in text
    assert "payram-address" not in text
    payram.confirm(embedded, 3)
    stale(embedded)
    text = page(client, embedded)
    assert "49.99 USD have been paid." in text
    assert "USDC on Base" in text


def test_the_address_is_hidden_once_nothing_is_to_be_sent(payram, client, embedded):
    choose(client, embedded, "ETH-ETH")
    given = PaymentQuote.objects.using(database()).get(pk=embedded.pk).addresses["ETH"]
    assert given in page(client, embedded)
    payram.expire(embedded)
    stale(embedded)
    text = page(client, embedded)
    assert given not in text
    assert "Please do not send any money to the address that you were given before." in text


def test_the_amount_is_rounded_up_to_what_a_wallet_sends(client, embedded):
    text = choose(client, embedded, "BTC-BTC").content.decode()
    shown = Decimal(amount_in(text))
    exact = Decimal("49.99") / Decimal(96000)
    assert exact <= shown < exact + Decimal("0.00000001")
    assert f"bitcoin:{address_in(text)}?amount={shown}" in text


def address_in(text):
    return re.search(r'id="payram-address-[0-9a-f-]{36}">([^<]+)<', text)[1]


def amount_in(text):
    return re.search(r'id="payram-amount-[0-9a-f-]{36}">([^<]+)<', text)[1]


@pytest.mark.parametrize("method", ["DOGE-DOGE", "USDC", "usdc-base", "<script>", "USDC-BASE\x00", "x" * 5000])
def test_a_coin_that_payram_does_not_offer_is_refused_with_a_sentence(client, embedded, method):
    answer = choose(client, embedded, method)
    text = answer.content.decode()
    assert answer.status_code == 400
    assert "This coin is not offered for your payment." in text
    assert embedded.url.replace("&", "&amp;") in text
    assert "payram-address" not in text
    assert "<script>" not in text


def test_the_choice_can_be_taken_back(client, embedded):
    choose(client, embedded, "BTC-BTC")
    text = choose(client, embedded, "").content.decode()
    assert "Choose what you pay with" in text
    assert "payram-address" not in text


def test_an_address_is_asked_for_once_for_each_network(client, embedded, monkeypatch):
    calls, real = [], Gateway.assign_address
    monkeypatch.setattr(Gateway, "assign_address", lambda *args: calls.append(args[2].code) or real(*args))
    for method in ("USDC-BASE", "ETH-BASE", "USDC-BASE", "BTC-BTC", "BTC-BTC"):
        choose(client, embedded, method)
    assert calls == ["USDC-BASE", "BTC-BTC"]


@pytest.fixture
def address_calls(payram):
    """The calls for a deposit address that PayRam got."""
    return lambda: [call for call in payram.sandbox.calls if "deposit-address" in call.path]


AWAY = "The payment server does not answer just now"
NO_ADDRESS = "The payment server gave no address for this coin. Please choose another one."


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [("broken", AWAY), ("throttled", AWAY), ("cut_body", AWAY), ("not_json", NO_ADDRESS), ("unauthorized", NO_ADDRESS)],
)
def test_an_address_that_did_not_come_is_asked_for_once_in_some_seconds(
    payram, client, embedded, address_calls, fault, sentence
):
    with payram.sandbox.faulty(fault):
        answers = [client.post(address(embedded), {"method": "USDC-BASE"}) for _click in range(5)]
    for answer in answers:
        text = answer.content.decode()
        assert answer.status_code == 503
        assert f'role="alert">{sentence}' in text
        assert embedded.url.replace("&", "&amp;") in text
    assert len(address_calls()) == 1
    # PayRam is well again, but nobody asks so soon.
    assert client.post(address(embedded), {"method": "USDC-BASE"}).status_code == 503
    assert len(address_calls()) == 1
    stale(embedded)
    assert "payram-address" in choose(client, embedded, "USDC-BASE").content.decode()
    assert len(address_calls()) == 2


def test_after_an_address_that_did_not_come_another_network_can_be_chosen(payram, client, embedded, address_calls):
    with payram.sandbox.faulty("broken"):
        choose(client, embedded, "USDC-BASE")
    assert "payram-address" in choose(client, embedded, "BTC-BTC").content.decode()
    assert len(address_calls()) == 2


def test_a_clock_that_was_wrong_keeps_nobody_from_an_address(payram, client, embedded):
    with payram.sandbox.faulty("broken"):
        choose(client, embedded, "USDC-BASE")
    stale(embedded, by=timedelta(days=-1))
    assert "payram-address" in choose(client, embedded, "USDC-BASE").content.decode()


@pytest.mark.parametrize("version", ["2024", "faq"])
def test_a_server_that_does_not_know_the_calls_leads_to_its_own_page(client, order, version):
    with running_payram(api_version=version):
        payment = open_payment(order, amount=order.total, email=order.email)
        answer = client.get(address(payment))
        assert (answer.status_code, answer.url) == (302, payment.url)
        text = page(client, payment)
        assert "payram-pay" not in text
        assert payment.url.replace("&", "&amp;") in text


@pytest.mark.parametrize("version", ["2024", "faq"])
def test_a_choice_at_a_server_without_coins_is_refused_with_a_sentence(client, order, version):
    with running_payram(api_version=version):
        payment = open_payment(order, amount=order.total, email=order.email)
        answer = client.post(address(payment), {"method": "USDC-BASE"})
    text = answer.content.decode()
    assert answer.status_code == 400
    assert 'role="alert">This coin is not offered for your payment.' in text
    assert payment.url.replace("&", "&amp;") in text


def test_a_server_that_is_down_leaves_its_own_page_as_the_way_out(client, payment, settings):
    down = {**settings.PAYRAM["default"], "API_KEY": TEST_KEY[::-1]}
    settings.PAYRAM = {"default": down}
    answer = client.get(address(payment), follow=True)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "The payment server does not answer just now" in text
    assert payment.url.replace("&", "&amp;") in text


def test_a_price_that_is_too_old_is_not_shown(client, embedded):
    choose(client, embedded, "BTC-BTC")
    rows = PaymentQuote.objects.using(database()).filter(pk=embedded.pk)
    for then in (timezone.now() - timedelta(minutes=11), timezone.now() + timedelta(days=1), None):
        rows.update(priced_at=then)
        text = page(client, embedded)
        assert "payram-amount" not in text
        assert "The payment server does not answer just now" in text
        assert embedded.url.replace("&", "&amp;") in text


def test_a_coin_that_has_no_price_any_more_leaves_the_others(client, embedded):
    choose(client, embedded, "BTC-BTC")
    quote = PaymentQuote.objects.using(database()).get(pk=embedded.pk)
    for kept in quote.methods:
        kept["price_usd"] = None if kept["currency"] == "BTC" else kept["price_usd"]
    quote.save()
    text = page(client, embedded)
    assert "gives no price for this coin just now" in text
    assert "on Ethereum" in text
    assert "payram-amount" not in text


def test_prices_are_asked_for_again_while_somebody_looks(client, embedded):
    choose(client, embedded, "BTC-BTC")
    then = timezone.now() - timedelta(minutes=11)
    PaymentQuote.objects.using(database()).filter(pk=embedded.pk).update(priced_at=then, asked_at=then)
    assert "payram-amount" in page(client, embedded)


def test_payram_is_asked_once_however_many_pages_are_open(payram, client, embedded, monkeypatch):
    calls, real = [], Gateway.payment_methods
    monkeypatch.setattr(Gateway, "payment_methods", lambda *args: calls.append(1) or real(*args))
    stale(embedded)
    for _tab in range(10):
        page(client, embedded)
    assert len(calls) == 1


def test_no_key_reaches_the_browser(payram, client, embedded):
    text = choose(client, embedded, "USDC-ETH").content.decode()
    assert TEST_KEY not in text
    kept = PaymentQuote.objects.using(database()).get(pk=embedded.pk)
    assert TEST_KEY not in f"{kept.methods} {kept.addresses}"


def test_a_checkout_that_is_embedded_leads_to_a_page_of_the_shop(payram, order, rf):
    request = rf.post("/")
    request.session = {}
    request.resolver_match = None
    answer = Embedded.as_view()(request, pk=order.pk)
    payment = Payment.objects.using(database()).get()
    assert (answer.status_code, answer.url) == (303, address(payment))


def shown_by_the_tag(rf, *payments):
    """Return a page of the shop on which these can be paid."""
    request = rf.get("/orders/1/")
    request.user, request.resolver_match = AnonymousUser(), None
    template = Template("{% load payram %}{% for payment in payments %}{% payram_pay payment %}{% endfor %}")
    context = {"request": request, "payments": payments, "csrf_token": "csrf-token-of-the-page"}
    return template.render(Context(context))


def test_the_tag_shows_the_same_on_a_page_of_the_shop(payram, payment, rf):
    text = shown_by_the_tag(rf, payment)
    assert "Choose what you pay with" in text
    assert f'action="{address(payment)}"' in text
    assert "csrf-token-of-the-page" in text


def test_an_unknown_token_is_not_found(client):
    token = "00000000-0000-4000-8000-000000000000"
    for method in (client.get, client.post):
        assert method(reverse("payram:pay", args=[token])).status_code == 404


def test_a_forged_post_from_another_site_is_refused(payment):
    assert Client(enforce_csrf_checks=True).post(address(payment), {"method": "BTC-BTC"}).status_code == 403


@pytest.mark.parametrize("fate", ["pay", "expire"])
def test_nothing_can_be_chosen_for_a_payment_that_takes_no_money(payram, client, embedded, fate):
    getattr(payram, fate)(embedded)
    stale(embedded)
    answer = choose(client, embedded, "BTC-BTC")
    assert answer.status_code == 200
    assert PaymentQuote.objects.using(database()).get(pk=embedded.pk).chosen == ""
    assert client.get(address(embedded)).url == address(embedded, "status")


@pytest.mark.parametrize("priced_at", [None, timedelta(minutes=11)])
def test_no_choice_is_offered_without_a_coin(client, embedded, priced_at):
    then = priced_at and timezone.now() - priced_at
    PaymentQuote.objects.using(database()).filter(pk=embedded.pk).update(priced_at=then)
    text = page(client, embedded)
    assert "The payment server does not answer just now" in text
    assert "Choose what you pay with" not in text


def test_nothing_is_asked_for_when_nothing_is_missing(client, embedded):
    choose(client, embedded, "USDC-BASE")
    rows = Payment.objects.using(database()).filter(pk=embedded.pk)
    rows.update(state="PARTIALLY_FILLED", filled_usd=embedded.amount_usd, checked_at=timezone.now())
    assert "payram-amount" not in page(client, embedded)


@login_not_required
@never_cache
def rendered_at_once(request, token):
    return render(request, "tag.html", {"payment": Payment.objects.using(database()).get(token=token)})


@login_not_required
@never_cache
def rendered_later(request, token):
    """Django renders this one after the view, and after the transaction of ATOMIC_REQUESTS."""
    payment = Payment.objects.using(database()).get(token=token)
    return TemplateResponse(request, "tag.html", {"payment": payment})


urlpatterns = [
    path("payram/", include("django_payram.urls")),
    path("at-once/<uuid:token>/", rendered_at_once),
    path("later/<uuid:token>/", rendered_later),
]


@pytest.fixture
def atomic_shop(settings, monkeypatch):
    """A shop with ATOMIC_REQUESTS, and a page with the tag."""
    template = {"tag.html": "{% load payram %}{% payram_pay payment %}"}
    locmem = ("django.template.loaders.locmem.Loader", template)
    loaders = [locmem, "django.template.loaders.app_directories.Loader"]
    (engine,) = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "APP_DIRS": False, "OPTIONS": {**engine["OPTIONS"], "loaders": loaders}}]
    settings.ROOT_URLCONF = __name__
    for each in connections.all():
        monkeypatch.setitem(each.settings_dict, "ATOMIC_REQUESTS", True)


def test_payram_is_not_asked_in_a_transaction_of_the_shop(atomic_shop, payram, client, payment):
    """What is known is shown, and the payment's own page asks."""
    path = f"/at-once/{payment.token}/"
    payram.sandbox.calls.clear()
    text = client.get(path).content.decode()
    assert payram.sandbox.calls == []
    assert not PaymentQuote.objects.using(database()).exists()
    assert f'href="{address(payment)}"' in text
    assert "Go to the payment page" in text
    assert "Choose what you pay with" in client.get(address(payment), follow=True).content.decode()
    stale(payment)
    payram.sandbox.calls.clear()
    assert "Choose what you pay with" in client.get(path).content.decode()
    then = timezone.now() - timedelta(minutes=11)
    PaymentQuote.objects.using(database()).update(priced_at=then)
    text = client.get(path).content.decode()
    assert f'href="{address(payment)}"' in text
    assert "does not answer" not in text
    assert payram.sandbox.calls == []


def test_a_page_that_is_rendered_after_the_transaction_asks(atomic_shop, payram, client, payment):
    assert "Choose what you pay with" in client.get(f"/later/{payment.token}/").content.decode()


@pytest.mark.parametrize("fate", ["pay", "expire"])
def test_in_a_transaction_nothing_leads_to_a_payment_that_takes_no_money(atomic_shop, payram, client, payment, fate):
    getattr(payram, fate)(payment)
    refresh(payment)
    assert "href" not in client.get(f"/at-once/{payment.token}/").content.decode()


def test_two_payments_on_one_page_share_no_id(payram, client, payment, rf):
    other = open_payment(amount=20, email="kim@example.org")
    for coins_are_chosen in (False, True):
        text = shown_by_the_tag(rf, payment, other)
        ids = re.findall(r' id="([^"]+)"', text)
        assert len(ids) == len(set(ids)) == (6 if coins_are_chosen else 2)
        assert set(re.findall(r' (?:aria-labelledby|data-copy)="([^"]+)"', text)) == set(ids)
        for each in (payment, other):
            choose(client, each, "USDC-BASE")


def test_what_only_a_page_that_renews_itself_does_is_not_said_of_a_page_of_the_shop(payram, payment, client, rf):
    choose(client, payment, "USDC-BASE")
    said = shown_by_the_tag(rf, payment)
    assert "payram-address" in said
    assert "renewed while this page is open" in page(client, payment)
    assert "renewed while this page is open" not in said
    PaymentQuote.objects.using(database()).update(methods=None)
    said = shown_by_the_tag(rf, payment)
    assert "does not answer just now" in said
    assert "tries again by itself" not in said
