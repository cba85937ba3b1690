"""The view for load balancers."""

from __future__ import annotations

import pytest
import yaml
from django.db import InterfaceError, OperationalError, connections
from django.test import Client

from django_payram.models import database
from tests.conftest import statements
from tests.docs.pages import blocks

PATH = "/payram/health/"


@pytest.fixture
def broken(monkeypatch):
    """The database answers with this error."""

    def breaks(error):
        def fail(*_args, **_kwargs):
            raise error

        monkeypatch.setattr(connections[database()], "cursor", fail)

    return breaks


@pytest.mark.django_db
def test_it_is_well_when_the_database_answers(client):
    with statements() as said:
        response = client.get(PATH)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert len(said) == 1
    assert said[0].startswith("SELECT 1")
    assert "no-store" in response["Cache-Control"]
    assert not response.cookies


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError("secret: db.internal"), InterfaceError("connection is closed")])
def test_it_is_503_without_a_database_and_says_no_more(client, broken, error):
    broken(error)
    response = client.get(PATH)
    assert (response.status_code, response.json()) == (503, {"status": "unavailable"})
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
def test_nobody_has_to_log_in(client, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert client.get(PATH).status_code == 200


@pytest.mark.django_db
def test_payram_is_not_asked_and_its_state_says_nothing(client, settings):
    """There is no server at this address: whoever asked it would fail."""
    settings.PAYRAM = {"default": {"BASE_URL": "http://127.0.0.1:9", "API_KEY": "a-key-of-sixteen-letters"}}
    assert client.get(PATH).status_code == 200


@pytest.mark.django_db
def test_it_needs_no_transaction(client, settings, monkeypatch):
    """A database that is down must not fail before the view is there."""
    monkeypatch.setitem(connections[database()].settings_dict, "ATOMIC_REQUESTS", True)
    with statements() as said:
        assert client.get(PATH).status_code == 200
    assert len(said) == 1


@pytest.mark.django_db
def test_it_is_read_and_nothing_else(client):
    assert client.head(PATH).status_code == 200
    assert client.post(PATH).status_code == 405


@pytest.mark.django_db
def test_the_probe_of_the_guide_finds_it(settings):
    """With the headers that it names: a kubelet calls by the address of the pod, without TLS."""
    settings.ALLOWED_HOSTS = ["shop.example.com"]
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    documents = [yaml.safe_load(one.text) for one in blocks("docs/howto/kubernetes.rst") if "httpGet" in one.text]
    (container,) = documents[0]["spec"]["template"]["spec"]["containers"]
    probe = container["readinessProbe"]["httpGet"]
    headers = {one["name"]: one["value"] for one in probe["httpHeaders"]}
    assert Client(headers=headers).get(probe["path"]).status_code == 200
    assert Client().get(probe["path"]).status_code == 400
