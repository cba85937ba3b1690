"""Where customers are sent: the payment page must be PayRam's, and as secure as PayRam itself."""

from __future__ import annotations

import socket

import pytest

from django_payram import conf
from django_payram.exceptions import PayramDataError
from django_payram.gateway.client import check_link
from django_payram.gateway.payloads import CreatedPayment
from tests.gateway.helpers import KEY, ORDER, REFERENCE, fails
from tests.servers import http, raw_server


@pytest.fixture
def _named_hosts(monkeypatch):
    """Every host name is this machine."""
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *args, **kwargs: real("127.0.0.1", *args, **kwargs))


def created(url, reference=REFERENCE):
    return http(body={"reference_id": reference, "url": url})


def test_a_page_on_a_foreign_host_is_refused(connect, sandbox):
    """F54: customers are sent there with money."""
    sandbox.inject_fault(None, "foreign_url")
    error = fails(connect(sandbox.url).create, **ORDER)
    assert isinstance(error, PayramDataError)
    assert error.reference == sandbox.payments()[0].reference
    assert str(error) == (
        "PayRam's payment page is on checkout.elsewhere.example, not on 127.0.0.1. If that is right, add the host to "
        "CHECKOUT_HOSTS of project 'default'; if it is localhost, set the Site URL in PayRam."
    )


def test_a_page_on_localhost_is_good_for_a_local_payram(connect, sandbox):
    sandbox.inject_fault(None, "localhost_url")
    assert connect(sandbox.url).create(**ORDER).url.startswith("http://localhost/")


def page(connect, url, **options):
    """Create a payment at ``pay.example.org`` whose page is at ``url``."""
    with raw_server(created(url)) as server:
        return connect(f"http://pay.example.org:{server.port}", **options).create(**ORDER)


@pytest.mark.usefixtures("_named_hosts")
@pytest.mark.parametrize(
    "url",
    [
        "https://pay.example.org/payments",
        "http://pay.example.org/payments",
        "https://pay.example.org:8443/payments",
        "https://PAY.example.org/payments",
        "https://checkout.example.org/sess/1",
        "https://Checkout.Example.org/sess/1",
    ],
)
def test_a_page_on_payrams_host_or_a_listed_one_is_good(connect, url):
    assert page(connect, url, CHECKOUT_HOSTS=["Checkout.example.org"]) == CreatedPayment(REFERENCE, url)


@pytest.mark.usefixtures("_named_hosts")
@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://checkout.example.org/sess/1", "checkout.example.org"),
        ("https://pay.example.org.evil.example/", "pay.example.org.evil.example"),
        ("https://pay.example.org@evil.example/", "evil.example"),
        ("https://sub.pay.example.org/", "sub.pay.example.org"),
        ("javascript://pay.example.org/%0aalert(1)", "pay.example.org"),
        ("ftp://pay.example.org/", "pay.example.org"),
        ("//pay.example.org/", "pay.example.org"),
        ("/payments?reference_id=1", "no host"),
        ("https:pay.example.org", "no host"),
    ],
)
def test_any_other_page_is_refused(connect, url, place):
    error = fails(page, connect, url)
    assert isinstance(error, PayramDataError)
    assert error.reference == REFERENCE
    assert str(error).startswith(f"PayRam's payment page is on {place}, not on pay.example.org. ")


@pytest.mark.usefixtures("_named_hosts")
def test_a_page_without_a_readable_address_is_refused(connect):
    error = fails(page, connect, "https://[pay.example.org/")
    assert isinstance(error, PayramDataError)
    assert error.reference == REFERENCE
    assert str(error) == "PayRam's payment page has no address."


@pytest.mark.usefixtures("_named_hosts")
@pytest.mark.parametrize("url", ["http://localhost/payments", "http://127.0.0.1:8080/p", "http://[::1]/payments"])
def test_a_local_page_of_a_distant_payram_is_good_in_debug_only(connect, settings, url):
    settings.DEBUG = False
    error = fails(page, connect, url)
    assert isinstance(error, PayramDataError)
    assert "set the Site URL in PayRam" in str(error)
    settings.DEBUG = True
    assert page(connect, url).url == url


@pytest.mark.usefixtures("_named_hosts")
def test_debug_takes_no_host_away(connect, settings):
    settings.DEBUG = True
    assert page(connect, "https://pay.example.org/payments").url == "https://pay.example.org/payments"


@pytest.fixture
def secure(settings):
    """The project of a PayRam that speaks https."""
    settings.PAYRAM = {
        "default": {"BASE_URL": "https://pay.example.org", "API_KEY": KEY, "CHECKOUT_HOSTS": ["checkout.example.org"]}
    }
    return conf.project()


@pytest.mark.parametrize("host", ["pay.example.org", "checkout.example.org:8080"])
def test_a_page_is_as_secure_as_payram(secure, host):
    """F80."""
    check_link(f"https://{host}/payments", secure)
    with pytest.raises(PayramDataError) as caught:
        check_link(f"http://{host}/payments", secure, reference=REFERENCE)
    assert caught.value.reference == REFERENCE
    assert str(caught.value) == (
        "PayRam's payment page uses http although BASE_URL of project 'default' uses https. Correct the Site URL in "
        "PayRam."
    )


def test_a_local_page_needs_no_https_in_debug(secure, settings):
    settings.DEBUG = True
    check_link("http://localhost:8080/payments", secure)
