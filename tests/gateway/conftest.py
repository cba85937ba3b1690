"""What the tests of PayRam's HTTP API share: no proxy, certificate or password of this machine has a say in them."""

from __future__ import annotations

import pytest

from django_payram import conf
from django_payram.gateway.client import Client
from django_payram.gateway.transport import Transport
from django_payram.sandbox import Sandbox
from tests.gateway.helpers import KEY, LONG

ENVIRONMENT = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def connect(settings):
    """Clients of a server at a URL, closed at the end."""
    made = []

    def make(url, **options):
        given = {"BASE_URL": url, "API_KEY": KEY, "TIMEOUT": (30, 30), "DEADLINE": LONG, "ALLOW_HTTP": True, **options}
        settings.PAYRAM = {"default": given}
        client = Client(conf.project())
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def sandbox():
    with Sandbox(api_key=KEY).serve() as serving:
        yield serving


@pytest.fixture
def new_transport():
    """Transports whose calls end by themselves, closed at the end."""
    made = []

    def make(**options):
        transport = Transport(**{"timeout": (LONG, LONG), "deadline": LONG, **options})
        made.append(transport)
        return transport

    yield make
    for transport in made:
        transport.close()
