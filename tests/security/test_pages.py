"""What browsers and caches are sent with every page of ours: nothing inline, nothing kept, nothing framed."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_payram.models import Payment, PaymentEvent, Status
from django_payram.models.states import Review, State
from django_payram.payments import open_payment
from django_payram.testing.factories import PaymentFactory
from django_payram.views.customer_status import customer_status

pytestmark = pytest.mark.django_db

NOW = timezone.now()
SEEN = {"confirmations": 1, "confirmations_required": 3}
OVER = {"state": State.OVER_FILLED, "filled_usd": Decimal(70), "paid_at": NOW}

SITUATIONS = {
    Status.PREPARING: {"state": State.CREATING, "reference": None, "url": ""},
    Status.WAITING: {},
    Status.CONFIRMING: SEEN,
    Status.PARTLY_PAID: {"partly_paid": True},
    "closed": {"partly_paid": True, "closed_at": NOW, "review": Review.PARTIAL},
    Status.PAID: {
        "paid": True,
        "explorer_url": "https://chain.example/tx/1",
        "deposit_address": "0x1",
        "currency": "ETH",
    },
    Status.OVERPAID: OVER,
    Status.HELD: {"state": State.FILLED, "review": Review.AMOUNT},
    Status.EXPIRED: {"state": State.CANCELED, "closed_at": NOW},
    Status.WITHDRAWN: {"withdrawn_at": NOW},
    Status.REFUNDED: {"paid": True, "refunded_usd": Decimal("49.99"), "price_amount": 45, "price_currency": "EUR"},
    Status.FAILED: {"state": State.FAILED},
}

# A shop without Django's own middleware for these headers.
BARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]


class Inline(HTMLParser):
    """Collects what a strict Content-Security-Policy forbids, and every address that is linked or loaded."""

    ADDRESSES = ("href", "src", "action", "formaction", "data", "poster", "srcset", "background", "ping")

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.addresses = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in ("style", "base", "iframe", "object", "embed") or (tag == "script" and "src" not in given):
            self.found.append(tag)
        self.found += [f"{tag} {name}" for name in given if name.startswith("on") or name in ("style", "srcdoc")]
        self.addresses += [given[name] or "" for name in self.ADDRESSES if name in given]

    handle_startendtag = handle_starttag


def inspect(response):
    page = Inline(response.content.decode())
    assert page.found == []
    for address in page.addresses:
        assert ":" not in address.partition("/")[0] or address.startswith(("https://", "http://127.0.0.1")), address


def old():
    """Nothing is asked about again while a page is shown."""
    Payment.objects.update(checked_at=timezone.now() + timedelta(hours=1))


@pytest.fixture
def payment(payram, order):
    payram.sandbox.webhooks = False
    return open_payment(order, amount=order.total, email=order.email)


# --- nothing inline --------------------------------------------------------------------------------


def test_every_status_is_looked_at():
    assert set(SITUATIONS) == {*Status, "closed"}


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_status_page_has_nothing_inline(client, name):
    payment = PaymentFactory(**SITUATIONS[name])
    old()
    assert customer_status(payment).status == (Status.PARTLY_PAID if name == "closed" else name)
    inspect(client.get(reverse("payram:status", args=[payment.token])))


def test_the_pages_beside_it_have_nothing_inline(client, payram, order):
    inspect(client.get("/payram/return/"))
    payram.sandbox.inject_fault(None, "broken")
    response = client.post(f"/orders/{order.pk}/pay/")
    assert response.status_code == 503
    inspect(response)


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_payments_page_in_the_admin_has_nothing_inline(admin_client, name):
    payment = PaymentFactory(**SITUATIONS[name], metadata={"cart": 1}, announce_error="payment_paid: RuntimeError: no")
    facts = {"payment": payment, "project": "default", "reference": "r", "source": "webhook", "outcome": "recorded"}
    event = PaymentEvent.objects.create(**facts, payload=json.dumps({"a": 1}), error="no", note="late")
    for model, row in (("payment", payment), ("paymentevent", event)):
        inspect(admin_client.get(f"/admin/django_payram/{model}/{row.pk}/change/"))


def test_the_lists_and_the_report_in_the_admin_have_nothing_inline(admin_client, payment):
    for path in ("payment/", "paymentevent/", "payment/doctor/", "payment/?q=nothing"):
        inspect(admin_client.get(f"/admin/django_payram/{path}"))
    inspect(admin_client.post(f"/admin/django_payram/payment/{payment.pk}/ask/", follow=True))
    data = {"action": "announce_again", "_selected_action": [payment.pk]}
    inspect(admin_client.post("/admin/django_payram/payment/", data, follow=True))


@pytest.mark.parametrize(
    "page",
    [
        "<p style='a'>",
        "<p onclick='a'>",
        "<p ONCLICK=a>",
        "<script>a</script>",
        "<style>a</style>",
        "<base href='/x'>",
        "<a href='javascript:a'>",
        "<a href=' javascript:a'>",
        "<form action='data:a'>",
        "<img src=http://elsewhere.example/>",
    ],
)
def test_the_inspection_itself_finds_what_it_looks_for(page):
    response = type("Response", (), {"content": page.encode()})
    with pytest.raises(AssertionError):
        inspect(response)


# --- nothing kept, no referrer, nothing framed -------------------------------------------------


def paid(payram, payment):
    Payment.objects.update(paid_at=NOW, state=State.FILLED)


def down(payram, payment):
    payram.sandbox.inject_fault(None, "broken")
    Payment.objects.update(live_slot=None, state=State.CANCELED)


# name -> (what happened before, method, path, status)
ANSWERS = {
    "status": (None, "GET", "/payram/payments/{p.token}/", 200),
    "status, nothing to post": (None, "POST", "/payram/payments/{p.token}/", 405),
    "state": (None, "GET", "/payram/payments/{p.token}/state/", 200),
    "return": (None, "GET", "/payram/return/?reference_id={p.reference}", 302),
    "return, of nobody known": (None, "GET", "/payram/return", 200),
    "checkout": (None, "POST", "/orders/{p.order_id}/pay/", 303),
    "checkout, paid": (paid, "POST", "/orders/{p.order_id}/pay/", 303),
    "checkout, PayRam is down": (down, "POST", "/orders/{p.order_id}/pay/", 503),
    "checkout, the way back": (None, "GET", "/orders/{p.order_id}/pay/", 302),
    "JSON checkout": (None, "POST", "/api/orders/{p.order_id}/pay/", 201),
    "JSON checkout, paid": (paid, "POST", "/api/orders/{p.order_id}/pay/", 409),
    "JSON checkout, PayRam is down": (down, "POST", "/api/orders/{p.order_id}/pay/", 503),
    "JSON checkout, nothing to get": (None, "GET", "/api/orders/{p.order_id}/pay/", 405),
}


@pytest.fixture
def answer(payram, payment, settings):
    """Get an answer from a shop without Django's own middleware for these headers."""

    def ask(name):
        cache.clear()
        before, method, path, status = ANSWERS[name]
        settings.MIDDLEWARE = BARE
        if before is not None:
            before(payram, payment)
        response = Client().generic(method, path.format(p=payment))
        assert response.status_code == status
        return response

    return ask


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_is_stored_by_a_cache(answer, name):
    """F18: another buyer must never get it."""
    stored = answer(name)["Cache-Control"]
    assert "no-store" in stored and "private" in stored


@pytest.mark.parametrize("name", ANSWERS)
def test_no_other_site_learns_the_address(answer, name):
    """The address of the status page is its credential."""
    assert answer(name)["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("name", ANSWERS)
def test_no_other_site_may_frame_a_page_or_guess_its_type(answer, name, settings):
    response = answer(name)
    assert (response["X-Frame-Options"], response["X-Content-Type-Options"]) == ("DENY", "nosniff")
    settings.X_FRAME_OPTIONS = "SAMEORIGIN"
    assert answer(name)["X-Frame-Options"] == "SAMEORIGIN"


def test_a_shops_own_answer_keeps_its_own_headers(order, rf):
    """A shop that knows better says so in a view of its own."""
    from django.http import HttpResponse

    from tests.shop.views import PayOrder

    class Framed(PayOrder):
        def post(self, request, **kwargs):
            return HttpResponse(headers={"X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "no-referrer"})

    response = Framed.as_view()(rf.post("/"), pk=order.pk)
    assert (response["X-Frame-Options"], response["Referrer-Policy"]) == ("SAMEORIGIN", "no-referrer")


def test_a_cache_of_the_whole_site_answers_each_buyer_for_themselves(payment, settings):
    """F18."""
    around = "django.middleware.cache.{}CacheMiddleware".format
    settings.MIDDLEWARE = [around("Update"), *settings.MIDDLEWARE, around("FetchFrom")]
    settings.CACHE_MIDDLEWARE_SECONDS = 600
    cache.clear()
    buyer, other = Client(), Client()
    buyer.post(f"/orders/{payment.order_id}/pay/")
    assert buyer.get("/payram/return/").status_code == 302
    assert other.get("/payram/return/").status_code == 200
    path = reverse("payram:status", args=[payment.token])
    assert "Waiting" in buyer.get(path).content.decode()
    Payment.objects.update(paid_at=NOW, state=State.FILLED)
    assert "<title>Paid" in buyer.get(path).content.decode()
