"""Where a customer sees what became of the payment."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError, connections
from django.urls import resolve, reverse
from django.utils import timezone

from django_payram.models import Payment, content_type, database
from django_payram.models.states import State
from django_payram.payments import open_payment
from django_payram.testing.factories import PaymentFactory
from django_payram.testing.payram import TEST_KEY
from django_payram.views import ReturnView, status

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(payram, order):
    payram.sandbox.webhooks = False
    return open_payment(order, amount=order.total, email=order.email)


def page(client, payment):
    return client.get(reverse("payram:status", args=[payment.token]))


def state(client, payment):
    return client.get(reverse("payram:status-api", args=[payment.token]))


def test_a_lost_webhook_heals_before_the_customers_eyes(payram, client, payment):
    """F45, D5."""
    payram.pay(payment)
    text = page(client, payment).content.decode()
    assert "<title>Paid</title>" in text
    assert "49.99 USD have been paid." in text
    payment.refresh_from_db()
    assert payment.is_paid


def test_the_page_shows_what_is_to_be_done(payram, client, payment, order):
    """F29, F30."""
    payram.pay(payment, 20)
    text = page(client, payment).content.decode()
    assert "short by 29.99 USD" in text
    assert payment.url.replace("&", "&amp;") in text
    assert order.get_absolute_url() in text
    assert payment.reference in text
    assert "Contact the shop" in text


def test_an_expired_link_leads_to_a_new_one_in_one_click(payram, client, payment, order):
    payram.expire(payment)
    Payment.objects.update(checked_at=None)
    button = f'<form method="post" action="/orders/{order.pk}/pay/">'
    assert button in page(client, payment).content.decode()
    answer = client.post(f"/orders/{order.pk}/pay/")
    fresh = Payment.objects.exclude(pk=payment.pk).get()
    assert (answer.status_code, answer["Location"]) == (303, fresh.url)
    assert button not in page(client, fresh).content.decode()


def test_the_page_refreshes_itself_until_nothing_more_can_happen(payram, client, payment):
    text = page(client, payment).content.decode()
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in text
    assert "django_payram/status.js" in text
    assert "data-payram-live" in text
    payram.pay(payment)
    Payment.objects.update(checked_at=timezone.now() - timedelta(minutes=1))
    text = page(client, payment).content.decode()
    assert "http-equiv" not in text
    assert "status.js" not in text
    assert "data-payram-live" not in text


def test_the_page_has_no_inline_script_or_style(client, payment):
    text = page(client, payment).content.decode()
    assert "<style" not in text
    assert "style=" not in text
    assert "<script>" not in text
    assert "onclick" not in text


def test_the_json_says_the_same_and_not_who_the_customer_is(payram, client, payment):
    """F55."""
    payram.pay(payment, 20)
    response = state(client, payment)
    assert response.json() == {
        "token": str(payment.token),
        "state": "PARTIALLY_FILLED",
        "status": "partly_paid",
        "message": "20.00 USD have arrived, and you are short by 29.99 USD. Please send the rest.",
        "is_paid": False,
        "is_final": False,
        "amount_usd": "49.99",
        "received_usd": "20.00",
        "missing_usd": "29.99",
        "surplus_usd": "0.00",
        "forgiven_usd": "0.00",
        "refunded_usd": "0.00",
        "price_amount": "49.99",
        "price_currency": "USD",
        "expires_at": None,
        "confirmations": 3,
        "confirmations_required": 3,
    }
    assert payment.customer_email not in response.content.decode()


def test_no_page_shows_the_e_mail_or_customer_id(client, payment):
    text = page(client, payment).content.decode()
    assert payment.customer_email not in text
    assert payment.customer_id not in text


@pytest.mark.parametrize("view", ["payram:status", "payram:status-api"])
def test_an_unknown_token_is_not_found(client, view):
    """F55, D5."""
    assert client.get(reverse(view, args=[uuid.uuid4()])).status_code == 404


@pytest.mark.parametrize("view", ["payram:status", "payram:status-api"])
def test_pages_are_not_stored_and_keep_their_address(client, payment, view, settings):
    """F18."""
    settings.SECURE_REFERRER_POLICY = "unsafe-url"
    response = client.get(reverse(view, args=[payment.token]))
    assert "no-store" in response["Cache-Control"]
    assert "private" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("view", ["payram:status", "payram:status-api"])
def test_pages_are_for_looking_only(client, payment, view):
    path = reverse(view, args=[payment.token])
    assert client.head(path).status_code == 200
    # Last: the REST framework rolls back where requests are transactions, and a test is one.
    assert client.post(path).status_code == 405


def test_the_token_is_the_credential_also_under_the_login_middleware(client, payment, settings):
    """F46."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert page(client, payment).status_code == 200
    assert state(client, payment).status_code == 200
    assert client.get("/payram/return/").status_code == 200


@pytest.mark.parametrize("name", ["status", "status-api", "return"])
def test_pages_opt_out_of_a_transaction_per_request(name, payment):
    """F10."""
    args = [] if name == "return" else [payment.token]
    assert set(connections) <= resolve(reverse(f"payram:{name}", args=args)).func._non_atomic_requests


def test_an_order_that_is_gone_has_no_link(client, payment, order):
    type(order).objects.filter(pk=order.pk)._raw_delete(using="default")
    assert "Back to your order" not in page(client, payment).content.decode()


def test_a_payment_without_an_order_has_no_link(client):
    assert "Back to your order" not in page(client, PaymentFactory(paid=True)).content.decode()


def test_an_order_whose_model_is_gone_has_no_link(client):
    from django.contrib.contenttypes.models import ContentType

    stale = ContentType.objects.using(database()).create(app_label="gone", model="order")
    assert page(client, PaymentFactory(paid=True, order_type=stale, order_id="1")).status_code == 200


def test_a_top_up_shows_what_it_tops_up(client):
    parent = PaymentFactory(partly_paid=True, paid_at=timezone.now(), topped_up_usd=30)
    child = PaymentFactory(parent=parent, state=State.FILLED)
    assert parent.reference in page(client, child).content.decode()
    assert state(client, child).json()["is_paid"]


def test_hostile_words_are_escaped(client):
    payment = PaymentFactory(paid=True, currency="<script>alert(1)</script>", deposit_address='"><img src=x>')
    text = page(client, payment).content.decode()
    assert "<script>alert" not in text
    assert "<img" not in text


# Coming back from PayRam


def return_to(client, query="", slash="/"):
    return client.get(f"/payram/return{slash}{query}")


@pytest.mark.parametrize("name", ["reference_id", "referenceId", "reference"])
@pytest.mark.parametrize("slash", ["/", ""])
def test_the_reference_leads_to_the_status_page(client, payment, name, slash):
    """F49."""
    response = return_to(client, f"?{name}={payment.reference}", slash)
    assert (response.status_code, response["Location"]) == (302, f"/payram/payments/{payment.token}/")
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("name", ["invoice_id", "invoiceId", "invoiceID"])
def test_the_invoice_id_leads_to_the_status_page(client, payment, name):
    """F49."""
    assert return_to(client, f"?{name}={payment.token}")["Location"].endswith(f"{payment.token}/")


def test_the_session_leads_to_the_status_page(client, payment, order):
    """F45."""
    client.post(f"/orders/{order.pk}/pay/")
    assert return_to(client)["Location"].endswith(f"{payment.token}/")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?reference_id=unknown",
        "?reference_id=%00",
        "?invoice_id=x",
        "?reference_id=",
        f"?invoice_id={uuid.UUID(int=0)}",
    ],
)
def test_a_return_that_cannot_be_matched_says_what_to_do(client, query, settings):
    """F30."""
    settings.SECURE_REFERRER_POLICY = "unsafe-url"
    response = return_to(client, query)
    assert response.status_code == 200
    assert "no need to pay again" in response.content.decode()
    assert "Contact the shop" in response.content.decode()
    assert response["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "query",
    ["", "?reference_id=", f"?reference_id={'x' * 19}", f"?reference_id={'x' * 30}%00{'x' * 30}", "?invoice_id=x"],
)
def test_nothing_is_looked_up_for_what_names_no_payment(client, query, django_assert_num_queries):
    with django_assert_num_queries(0):
        return_to(client, query)


def test_a_reference_of_twenty_characters_cannot_be_guessed(client):
    payment = PaymentFactory(reference="x" * 20)
    assert return_to(client, f"?reference_id={'x' * 20}")["Location"].endswith(f"{payment.token}/")


def test_a_shop_without_sessions_has_a_return_page(rf):
    assert ReturnView.as_view()(rf.get("/payram/return/")).status_code == 200


def test_the_shops_context_processors_reach_the_pages(client, payment):
    """A shop that overrides a template extends its own base page, which shows who is logged in."""
    assert page(client, payment).context["request"].path == reverse("payram:status", args=[payment.token])
    assert return_to(client).context["request"].path == "/payram/return/"


@pytest.mark.usefixtures("reads_elsewhere")
def test_a_topped_up_payment_is_read_where_it_is_written(client):
    parent = PaymentFactory(paid=True)
    child = PaymentFactory(parent=parent, state=State.FILLED)
    assert state(client, child).json()["token"] == str(parent.token)


@pytest.mark.usefixtures("reads_elsewhere")
def test_pages_are_read_where_payments_are_written(client, payment):
    """A replica may not know yet of the payment that was opened a moment ago."""
    assert page(client, payment).status_code == 200
    assert return_to(client, f"?reference_id={payment.reference}").status_code == 302
    assert return_to(client, f"?invoice_id={payment.token}").status_code == 302


def test_a_return_changes_nothing(payram, client, payment):
    """F44, D5."""
    return_to(client, f"?reference_id={payment.reference}&status=FILLED&payment_state=FILLED")
    payment.refresh_from_db()
    assert payment.state == State.OPEN
    assert payment.checked_at is None


@pytest.mark.parametrize("query", ["?next=https://evil.example", "?url=//evil.example"])
def test_a_return_never_leads_elsewhere(client, query):
    """F54."""
    assert return_to(client, query).status_code == 200


def test_the_page_of_an_order_whose_model_has_another_kind_of_key_since_has_no_link_to_it(client, order):
    payment = PaymentFactory(order_type=content_type(order), order_id="not-a-number")
    shown = page(client, payment)
    assert (shown.status_code, shown.context["order_url"]) == (200, "")


# While the database cannot be used


@pytest.fixture(params=[OperationalError, InterfaceError])
def _busy(request, monkeypatch):
    """Every look at a payment fails, with a text that quotes a key."""

    def away():
        raise request.param(f"server closed the connection, {TEST_KEY}")

    monkeypatch.setattr(status, "database", away)


@pytest.mark.usefixtures("_busy", "payram")
@pytest.mark.parametrize("path", [f"/payram/payments/{uuid.UUID(int=1)}/", f"/payram/return/?reference={'x' * 20}"])
def test_a_page_that_finds_the_database_busy_asks_to_try_again(client, path, caplog):
    response = client.get(path)
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    assert f'href="{path}"' in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert "A page about a payment found the database busy. server closed the connection, [key]" in caplog.messages


@pytest.mark.usefixtures("_busy", "payram")
def test_the_json_says_that_the_shop_is_busy(client):
    response = client.get(reverse("payram:status-api", args=[uuid.uuid4()]))
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    assert response.json() == {"message": "The shop is busy. Please try again."}


@pytest.mark.usefixtures("_busy")
def test_the_page_of_a_busy_database_asks_no_context_processor(rf, settings):
    """Those of many shops ask the database."""
    settings.TEMPLATES = [
        {**settings.TEMPLATES[0], "OPTIONS": {"context_processors": ["tests.views.test_status.not_to_be_asked"]}}
    ]
    view = status.StatusView.as_view()
    assert view(rf.get("/"), token=uuid.uuid4()).status_code == 503


def not_to_be_asked(_request):
    raise AssertionError("a context processor was asked")
