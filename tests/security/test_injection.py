"""Hostile words, of webhooks and of a PayRam that was taken over: no page runs them or links to them, no header and no
line of a log is made of them, no spreadsheet computes them, and no address among them is ever called."""

from __future__ import annotations

import json
import logging
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from django_payram.exceptions import PayramError
from django_payram.gateway import fields, payloads
from django_payram.models import Payment, PaymentEvent, content_type
from django_payram.models.states import Review, State
from django_payram.payments import adopt, open_payment, refresh, transitions
from django_payram.signals import payment_updated
from django_payram.testing.factories import PaymentFactory
from django_payram.testing.payram import TEST_KEY
from tests.security.test_pages import Inline
from tests.servers import http, raw_server
from tests.shop.models import SlugOrder

pytestmark = pytest.mark.django_db

REFERENCE = "6d1f6a0e-3c1b-4b7e-9f52-0d8a2f4c7b11"

SCRIPTS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)' x='",
    "</title></pre></textarea><svg/onload=alert(1)>",
    "--><b>alert(1)</b>{% debug %}{{ settings }}",
]
LINKS = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "\tjavascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:alert(1)",
    "//evil.example/",
    "https:javascript:alert(1)",
    'https://chain.example/"onclick="alert(1)',
    "https://chain.example/' onclick='alert(1)",
]
WORDS = ("currencySymbol", "blockchainSymbol", "depositAddress", "customerEmail", "merchantName", "successURL")


class TakenOver:
    """A PayRam server that answers as it is set to: ``additions`` are added to its answers, ``error`` replaces them."""

    def __init__(self):
        self.additions, self.error, self.url = {}, b"", ""

    def __call__(self, connection):
        connection.send(self.error or self.answer(connection.request))

    def answer(self, request):
        made = {"reference_id": REFERENCE, "url": f"{self.url}/payments"}
        body = made if request.startswith(b"POST") else {"paymentState": "OPEN"}
        return http(200, {**body, **self.additions}, Connection="close")


@pytest.fixture
def taken_over(settings):
    payram = TakenOver()
    with raw_server(payram) as server:
        payram.url = server.url
        settings.PAYRAM = {"default": {"BASE_URL": server.url, "API_KEY": TEST_KEY}}
        yield payram


@pytest.fixture
def payment(taken_over, order):
    return open_payment(order, amount=order.total, email=order.email)


def post_webhook(body, *, query=""):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    client = Client(raise_request_exception=False)
    headers = {"API-Key": TEST_KEY}
    return client.post(f"/payram/webhook/{query}", data, content_type="application/json", headers=headers)


def believe_webhooks(settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "CONFIRM_WEBHOOKS": False}}


def fails(call, *args, **kwargs):
    with pytest.raises(PayramError):
        call(*args, **kwargs)


def assert_harmless(response):
    text = response.content.decode()
    page = Inline(text)
    assert page.found == []
    assert "<b>alert" not in text
    for address in page.addresses:
        assert urlsplit(address.strip()).scheme in ("", "http", "https"), address
        assert not address.strip().startswith("//"), address


def assert_no_page_is_harmed(client):
    """Look at every page that shows something of payments, with the eyes of somebody who may see everything."""
    admin = "/admin/django_payram/"
    shown = [client.get(f"{admin}{name}/") for name in ("payment", "paymentevent")]
    for payment in Payment.objects.all():
        shown.append(client.get(reverse("payram:status", args=[payment.token])))
        shown.append(client.get(f"{admin}payment/{payment.pk}/change/"))
    shown += [client.get(f"{admin}paymentevent/{event.pk}/change/") for event in PaymentEvent.objects.all()]
    for response in shown:
        assert response.status_code == 200
        assert_harmless(response)
    return "".join(response.content.decode() for response in shown)


# --- scripts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", SCRIPTS)
def test_words_of_payrams_answers_run_nowhere(script, taken_over, payment, admin_client, order):
    taken_over.additions = {**dict.fromkeys(WORDS, script), "explorerTransaction": f"https://chain.example/{script}"}
    refresh(payment)
    taken_over.additions = {"paymentState": script}
    refresh(payment)
    taken_over.error = http(400, {"message": script, "code": script}, Connection="close")
    fails(refresh, payment)
    fails(open_payment, order, amount=7, email=order.email)
    asked = admin_client.post(f"/admin/django_payram/payment/{payment.pk}/ask/", follow=True)
    assert "alert(1)" in asked.content.decode()
    assert_harmless(asked)
    assert_harmless(admin_client.get("/admin/django_payram/payment/doctor/"))
    assert_harmless(admin_client.post(f"/orders/{order.pk}/pay/"))
    assert "alert(1)" in assert_no_page_is_harmed(admin_client)


@pytest.mark.parametrize("script", SCRIPTS)
def test_words_of_webhooks_run_nowhere(script, payment, admin_client, settings):
    believe_webhooks(settings)
    body = {**dict.fromkeys(WORDS, script), "reference_id": payment.reference, "filled_amount_in_usd": 20}
    assert post_webhook({**body, "status": "PARTIALLY_FILLED", "explorerTransaction": script}).status_code == 200
    assert post_webhook({**body, "status": script}).status_code == 200
    assert post_webhook({**body, "reference_id": "nobody"}).status_code == 200
    assert post_webhook({**body, "reference_id": script}).status_code == 400
    assert post_webhook({**body, script: 1, "amount": script}).status_code in (200, 400)
    assert post_webhook(b'{"%b": 1, "%b": 2}' % ((script.replace('"', "").encode(),) * 2)).status_code == 400
    assert post_webhook(b"", query=f"?reference_id=nobody&status={script}").status_code == 400
    payment.refresh_from_db()
    assert payment.state == State.PARTIALLY_FILLED
    assert "alert(1)" in assert_no_page_is_harmed(admin_client)


@pytest.mark.parametrize("script", SCRIPTS)
def test_words_of_the_shop_and_its_customers_run_nowhere(script, payment, client):
    """Also e-mail addresses: ``"<script>"@example.org`` is a sound one."""

    def receiver(**_kwargs):
        raise RuntimeError(script)

    clerk = get_user_model().objects.create_superuser(script[:150])
    client.force_login(clerk)
    payment_updated.connect(receiver)
    try:
        assert not transitions.notify_again(payment, actor=script).delivered
    finally:
        payment_updated.disconnect(receiver)
    Payment.objects.update(review=Review.LATE)
    path = f"/admin/django_payram/payment/{payment.pk}/resolve/"
    assert_harmless(client.post(path, {"reason": script}, follow=True))
    Payment.objects.update(reference="r")
    open_payment(amount=1, email='"<b>alert(1)</b>"@example.org', customer_id=script, metadata={script: [script]})
    assert "alert(1)" in assert_no_page_is_harmed(client)


@pytest.mark.parametrize("script", [*SCRIPTS, *LINKS])
def test_words_in_rows_run_nowhere_however_they_came_there(script, admin_client):
    texts = ("reference", "customer_id", "customer_email", "currency", "blockchain", "deposit_address", "explorer_url")
    facts = dict.fromkeys((*texts, "url", "project", "announce_error"), script[:32])
    whole = {"explorer_url": script, "url": script, "customer_email": script, "deposit_address": script}
    payment = PaymentFactory(
        **{**facts, **whole},
        metadata={script: [script, {"a": script}]},
        order_type=content_type(SlugOrder.objects.create(id=script[:40])),
        order_id=script[:40],
    )
    event = dict.fromkeys(("payload", "error", "note", "actor", "reference", "project"), script)
    PaymentEvent.objects.create(**event, payment=payment, source="webhook", outcome="recorded")
    assert_no_page_is_harmed(admin_client)


@pytest.mark.parametrize("script", SCRIPTS)
def test_words_in_the_report_on_the_connection_run_nowhere(script, taken_over, admin_client):
    page = "/admin/django_payram/payment/doctor/"
    taken_over.additions = {"version": script, "status": script, "workers": {script: script}, "message": script}
    shown = admin_client.get(page)
    assert script[:20] in unescape(shown.content.decode())
    assert_harmless(shown)
    for status in (302, 401, 500):
        taken_over.error = http(status, {"message": script}, Connection="close")
        assert_harmless(admin_client.get(page))


# --- links -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", LINKS)
def test_only_a_web_address_becomes_a_link(link, taken_over, payment, admin_client):
    taken_over.additions = {"paymentState": "FILLED", "explorerTransaction": link}
    refresh(payment)
    assert payment.state == State.FILLED
    assert not payment.explorer_url or payment.explorer_url.startswith("https://")
    assert_no_page_is_harmed(admin_client)


# --- spreadsheets ------------------------------------------------------------------------------------

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(1)",
    "\t=1",
    "\r\n=1",
    " =1",
    "\uff1d1",
    "\uff0b1",
    "\u200b=1",
    "|calc",
    "'=1",
    '"=1',
]
REAL = {
    "currency": ["USDC", "USDT", "USDC.e", "USD Coin", "BTC", "1INCH", "stETH"],
    "blockchain": ["ETH", "BASE", "Polygon PoS", "TRX", "BNB-BSC"],
    "deposit_address": [
        "0x2222222222222222222222222222222222222222",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
        "EQDtFpEwcFAEcRe5mLVh2N6C0x-_hJEM7W61_JLnSF74p4q2",
        "rEb8TK3gBgk5auZkwc6sHnwrGVJH8DuaLh?dt=12345",
        "addr_test1vz/1+2=&(3)",
    ],
}


def read(**fields):
    return payloads.read_status(json.dumps({"paymentState": "OPEN", **fields}).encode())


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_word_of_payram_begins_a_formula(formula):
    update = read(
        **dict.fromkeys(("currencySymbol", "blockchainSymbol", "depositAddress", "explorerTransaction"), formula)
    )
    assert (update.currency, update.blockchain, update.deposit_address, update.explorer_url) == ("", "", "", "")
    assert update.state == State.OPEN


@pytest.mark.parametrize(("name", "written"), [(name, one) for name, listed in REAL.items() for one in listed])
def test_real_tickers_chains_and_addresses_are_kept(name, written):
    assert getattr(read(**{fields.SPELLINGS[name][-1]: written}), name) == written


# --- headers and logs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end", ["\r\nX-Evil: 1", "\nSet-Cookie: evil=1", "\r\n\r\n<script>", "%0d%0aX-Evil:1", "\x85X-Evil:1"]
)
def test_no_header_is_made_of_a_payment_page(end, taken_over, order):
    taken_over.additions = {"url": f"{taken_over.url}/payments{end}"}
    response = Client().post(f"/orders/{order.pk}/pay/")
    assert response.status_code in (303, 503)
    head = response.serialize_headers().decode("latin-1") + response.cookies.output()
    assert "\nX-Evil" not in head and "evil=1" not in head.replace("/payments", "")
    assert len(response.get("Location", "").splitlines()) <= 1


def test_payrams_wait_is_not_handed_on(taken_over, payment, order):
    taken_over.error = http(429, {"message": "busy"}, Connection="close")
    response = Client().post(f"/orders/{order.pk}/pay/")
    assert "Retry-After" not in response
    answer = post_webhook({"reference_id": payment.reference, "status": "FILLED"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")


ENDS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1b[2K\x1b[1A", "\x85", "\x9b2K", "\u2028", "\u2029", "\u202e"]


@pytest.mark.parametrize("end", ENDS)
def test_no_word_breaks_a_line_of_the_log(end, taken_over, payment, order, caplog):
    forged = f"a{end}ERROR The payment {payment.reference} was paid."
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    assert post_webhook({"event_type": forged}).status_code == 200
    assert post_webhook({"reference_id": forged, "status": forged}).status_code == 400
    taken_over.error = http(400, {"message": forged, "code": forged}, Connection="close")
    assert post_webhook({"reference_id": payment.reference, "status": "FILLED"}).status_code == 503
    assert Client().get(reverse("payram:status", args=[payment.token])).status_code == 200
    Payment.objects.update(live_slot=None, state=State.CANCELED)
    assert Client().post(f"/orders/{order.pk}/pay/").status_code == 503
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("django_payram")]
    assert len(ours) >= 4
    assert all(message.isprintable() for message in ours)


# --- addresses ---------------------------------------------------------------------------------------


def test_no_address_among_the_words_is_ever_called(taken_over, payment, order, settings):
    """PayRam is asked at BASE_URL, and nobody else at all."""
    believe_webhooks(settings)
    with raw_server(http(200, {"paymentState": "FILLED"})) as elsewhere:
        url = elsewhere.url.replace("127.0.0.1", "localhost")
        links = ("url", "host", "status_url", "explorerTransaction", "callbackURL", "webhook_url", *WORDS)
        taken_over.additions = dict.fromkeys(links, url)
        refresh(payment)
        post_webhook({**dict.fromkeys(links, url), "reference_id": payment.reference, "status": "FILLED"})
        post_webhook({"reference_id": url, "status": "FILLED"}, query=f"?url={url}&host={url}")
        Client().get("/payram/return/", {"reference_id": url, "next": url, "url": url})
        Client().get(reverse("payram:status", args=[payment.token]), headers={"Referer": url, "X-Forwarded-Host": url})
        for status in (301, 302, 303, 307, 308):
            taken_over.error = http(status, b"", Location=url, Connection="close")
            fails(refresh, payment)
        assert elsewhere.connections == 0


@pytest.mark.parametrize(
    "reference", ["../../admin", "a/b", "a?b=c", "a#b", "a b", "a\r\nX-Evil: 1", "%2e%2e", "", "x" * 129]
)
def test_no_reference_leads_to_another_path(reference, payram, order):
    """What a row or a person gives as reference is checked before it becomes part of an address."""
    payment = PaymentFactory()
    payment.reference = reference
    fails(refresh, payment)
    fails(adopt, reference)
    assert payram.sandbox.calls == []
