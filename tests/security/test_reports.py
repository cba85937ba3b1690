"""No report of an error shows a key or a signature, wherever the error strikes: no debug page, no mail to the admins.

With DEBUG on, Django prints what every frame holds and hides nothing of it by itself, so that mere names help nobody:
what a frame holds must not show itself.
"""

from __future__ import annotations

import functools
import gc
import hmac
import html
import http.client
import json
import logging
import re
import sys
from contextlib import ExitStack
from pathlib import Path

import django
import django.test
import pytest
from django.core import mail
from django.db import connections, transaction
from django.test import Client
from django.utils.log import AdminEmailHandler
from django.views.debug import ExceptionReporter

from django_payram import conf, doctor
from django_payram.doctor import connection as doctor_connection
from django_payram.exceptions import PayramError
from django_payram.gateway import signatures
from django_payram.gateway.client import client_for
from django_payram.gateway.redaction import redact
from django_payram.gateway.signatures import signature
from django_payram.management.commands.payram_sandbox import Command, build
from django_payram.models import Payment, PaymentEvent
from django_payram.models.states import State
from django_payram.payments import open_payment, refresh
from django_payram.testing.payram import TEST_KEY
from tests.faults import Fault, lines, raising_at
from tests.servers import header, raw_server
from tests.servers import http as answer

pytestmark = pytest.mark.django_db

OLD_KEY = "01d-key-01d-key-01d-key-01d-key"
WEBHOOK_KEY = "h00k-key-h00k-key-h00k-key-h00k"
KEYS = (TEST_KEY, OLD_KEY, WEBHOOK_KEY)

# They hold the setting, and the command line, as it was written; all they do is look at types.
HOLD_WHAT_WAS_WRITTEN = {
    ("conf/options.py", "sealed"),
    ("conf/options.py", "<dictcomp>"),
    ("conf/options.py", "_secret"),
    ("management/commands/payram_sandbox.py", "_key"),
}

BROKEN = re.compile(r"'\s*b'")

# Frames that no error of a real shop has.
OURS_TO_TEST = (str(Path(__file__).parents[1]), str(Path(django.test.__file__).parent))


@pytest.fixture(autouse=True)
def _keys(payram, settings):
    """A project in the middle of a rotation, whose webhooks are not received unless a test sends them."""
    payram.sandbox.webhooks = False
    default = {**settings.PAYRAM["default"], "API_KEY": [TEST_KEY, OLD_KEY], "WEBHOOK_KEYS": (WEBHOOK_KEY,)}
    settings.PAYRAM = {"default": default}


@pytest.fixture
def payment(order):
    return open_payment(order, amount=order.total, email=order.email)


@pytest.fixture
def undone():
    """Run work and undo what it wrote, so that it does the same the next time."""

    def run(work):
        try:
            with ExitStack() as stack:
                for alias in connections:
                    stack.enter_context(transaction.atomic(using=alias))
                done = work()
                for alias in connections:
                    transaction.set_rollback(True, using=alias)
        finally:
            client_for.cache_clear()
        return done

    return run


def post_webhook(payment, *, note="", client=None, **headers):
    """Send a signed webhook."""
    body = json.dumps({"reference_id": payment.reference, "status": "FILLED", "note": note}).encode()
    proof = hmac.new(TEST_KEY.encode(), body, "sha256").hexdigest()
    headers = {"API-Key": TEST_KEY, "X-Payram-Signature": f"sha256={proof}", **headers}
    client = client or Client()
    return client.generic("POST", "/payram/webhook/", body, content_type="application/json", headers=headers)


def get_webhook(payment):
    data = {"reference_id": payment.reference, "status": "FILLED"}
    return Client().get("/payram/webhook/", data, headers={"API-Key": WEBHOOK_KEY})


def diagnose(payment):
    """Diagnose a shop that answers every webhook as ours would, and PayRam."""

    def talk(connection):
        is_taken = b"X-Payram-Signature" in connection.request or b"X-Webhook-Test" in connection.request
        said = {"message": "It arrived." if is_taken else "The header API-Key fits no project."}
        connection.send(answer(200 if is_taken else 401, said, Connection="close"))

    with raw_server(talk) as server:
        return list(doctor.examine(doctor.Scope(public_url=server.url, round_trip=True)))


def build_sandbox(payment):
    parser = Command().create_parser("manage.py", "payram_sandbox")
    given = build(vars(parser.parse_args(["--key", OLD_KEY])))
    return given, build(vars(parser.parse_args([])))


EVERYWHERE = ("",)

# name -> (the work, the modules of ours in which errors strike)
WORKS = {
    "a signed webhook": (post_webhook, EVERYWHERE),
    "a webhook by GET": (get_webhook, ("gateway/signatures.py", "views/webhook.py", "gateway/payloads.py")),
    "a webhook that quotes keys": (
        lambda payment: post_webhook(payment, note=KEYS),
        ("gateway/payloads.py",),
    ),
    "a checkout": (lambda payment: Client().post(f"/orders/{payment.order_id}/pay/"), EVERYWHERE),
    "the setting": (lambda payment: [conf.projects(), *conf.problems(), redact("")], EVERYWHERE),
    "a diagnosis": (diagnose, EVERYWHERE),
    "the sandbox": (build_sandbox, EVERYWHERE),
}

# Here every line is tried, elsewhere the last one of each function.
NEAR_SECRETS = (
    "gateway/signatures.py",
    "gateway/client.py",
    "conf/projects.py",
    "gateway/transport.py",
    "views/",
    "doctor/",
    "management/",
)


def to_strike(places, modules):
    chosen = [place for place in places if place[0].startswith(modules)]
    last = {place[:2]: place for place in chosen}
    return [place for place in chosen if place[0].startswith(NEAR_SECRETS) or last[place[:2]] == place]


def report(work):
    """Return what a debug page would show of the error that ``work`` ends with, "" if there is none."""
    try:
        work()
    except Exception:
        frames = ExceptionReporter(None, *sys.exc_info()).get_traceback_data()["frames"]
        shown = [frame["vars"] for frame in frames if not frame["filename"].startswith(OURS_TO_TEST)]
        return "\n".join(value for variables in shown for _name, value in variables)
    return ""


@pytest.fixture
def signed(monkeypatch):
    """Return every signature that is computed."""
    made = []

    def sign(*args):
        made.append(signature(*args))
        return made[-1]

    for module in (signatures, doctor_connection):
        monkeypatch.setattr(module, "signature", sign)
    return made


# An error in the middle of a call leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.every_line
@pytest.mark.parametrize("name", WORKS)
def test_no_error_at_any_line_of_ours_shows_a_secret(name, payment, undone, signed, settings, caplog):
    """F42."""
    settings.DEBUG = settings.DEBUG_PROPAGATE_EXCEPTIONS = True
    do, modules = WORKS[name]
    work = functools.partial(undone, functools.partial(do, payment))
    if name == "a checkout":
        Payment.objects.update(live_slot=None, state=State.CANCELED)
    shown = {}
    with caplog.at_level(logging.DEBUG):
        for place in to_strike(lines(work), modules):
            with raising_at(place):
                shown[place] = report(work)
    gc.collect()
    # Under ASGI, many lines of a request run in another thread, where no error strikes.
    assert sum(map(bool, shown.values())) > len(shown) / (8 if "asgi" in settings.SURROUNDINGS else 2)
    secrets = {*KEYS, *signed}
    assert {place[:2] for place, text in shown.items() if holds(text, secrets)} <= HOLD_WHAT_WAS_WRITTEN
    assert not holds(caplog.text, secrets)


def holds(text, secrets):
    """Return whether a secret stands in text, HTML, or bytes that pprint has broken into lines."""
    whole = BROKEN.sub("", html.unescape(text))
    return any(secret in whole for secret in secrets)


# --- whole pages and mails -----------------------------------------------------------------------


def struck(payment, module, **headers):
    """Send a webhook that fails in ``module``; return the answer."""
    client = Client(raise_request_exception=False)
    place = next(place for place in lines(functools.partial(post_webhook, payment)) if place[0] == module)
    with raising_at(place):
        return post_webhook(payment, client=client, **headers)


MODULES = [
    "gateway/signatures.py",
    "conf/projects.py",
    "views/webhook.py",
    "payments/webhooks.py",
    "gateway/client.py",
    "gateway/transport.py",
]


# An error in the middle of a call leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("accepted", ["text/html", "text/plain"])
def test_no_debug_page_shows_a_secret(module, accepted, payment, signed, settings):
    """F42."""
    settings.DEBUG = True
    response = struck(payment, module, Accept=accepted)
    gc.collect()
    page = response.content.decode()
    assert (response.status_code, response["Content-Type"].split(";")[0]) == (500, accepted)
    assert "Nobody expected this." in page
    assert "HTTP_X_PAYRAM_SIGNATURE" in page and "WEBHOOK_KEYS" in page
    assert not holds(page, {*KEYS, *signed})


ADMIN = "admin@example.org"


def mailed():
    """Return all that was mailed: as it travels, and as it was before it was encoded."""
    pages = [page[0] for letter in mail.outbox for page in letter.alternatives]
    assert pages
    return "".join([letter.subject + letter.body + str(letter.message()) for letter in mail.outbox] + pages)


@pytest.fixture
def _mailed(settings):
    """Mail errors to the admins, with the whole debug page."""
    settings.ADMINS = [ADMIN] if django.VERSION >= (6, 0) else [("Admin", ADMIN)]
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    handler = AdminEmailHandler(include_html=True)
    handler.setLevel(logging.ERROR)
    logger = logging.getLogger("django")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("_mailed")
@pytest.mark.parametrize("module", MODULES)
def test_no_mail_to_the_admins_shows_a_secret(module, payment, signed):
    """F42."""
    struck(payment, module)
    gc.collect()
    assert "Nobody expected this." in mailed() and "HTTP_API_KEY" in mailed()
    assert not holds(mailed(), {*KEYS, *signed})


@pytest.mark.usefixtures("_mailed")
def test_no_mail_about_a_failed_receiver_shows_a_secret(payment, payram, listener, signed):
    """F9, F42: the webhook is answered 500, and Django mails that as well."""
    payram.pay(payment)
    listener.fail_on = {"payment_paid"}
    assert post_webhook(payment).status_code == 500
    assert "Internal Server Error" in mailed() and "HTTP_API_KEY" in mailed()
    assert not holds(mailed(), {*KEYS, *signed})


@pytest.mark.parametrize(
    "setting",
    [
        {"default": {"API_KEY": TEST_KEY, "NONSENSE": 1}},
        {"default": {"API_KEY": [TEST_KEY, OLD_KEY], "WEBHOOK_KEYS": {"a": WEBHOOK_KEY}}},
        {"default": {"API_KEY": (TEST_KEY, " "), "WEBHOOK_KEYS": (WEBHOOK_KEY, 7)}},
        {"default": {"API_KEY": TEST_KEY.encode()}},
        {"API_KEY": TEST_KEY, "WEBHOOK_KEYS": [WEBHOOK_KEY]},
        {7: {"API_KEY": TEST_KEY}},
    ],
)
def test_the_debug_page_of_a_broken_setting_shows_no_key(setting, payment, settings):
    """F42: keys in strings, lists and tuples, and where they do not belong."""
    settings.DEBUG, settings.PAYRAM = True, setting
    response = post_webhook(payment, client=Client(raise_request_exception=False))
    page = response.content.decode()
    assert response.status_code == 500
    assert "ImproperlyConfigured" in page and "PAYRAM" in page
    assert not holds(page, KEYS)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("error", [Fault, SystemExit])
def test_frames_below_the_call_are_dropped_whatever_stops_it(error, payment, settings, monkeypatch):
    """F42: where the request is written, its headers stand in frames of http.client, as plain bytes."""
    settings.DEBUG = True

    def stop(self, data):
        raise error("in the middle of the headers")

    monkeypatch.setattr(http.client.HTTPConnection, "send", stop)
    with pytest.raises(error, match="in the middle") as caught:
        refresh(payment)
    gc.collect()
    page = ExceptionReporter(None, *caught._excinfo).get_traceback_html()
    assert "in the middle of the headers" in page and "transport.py" in page
    assert not holds(page, KEYS)


def echo(connection):
    """Answer with the request, as debugging proxies do."""
    connection.send(answer(500, {"message": connection.request.decode()}, Connection="close"))


def echo_as_text(connection):
    connection.send(answer(200, connection.request, Connection="close"))


def echo_as_a_page(connection):
    connection.send(answer(403, b"<pre>" + connection.request, Connection="close"))


def echo_in_headers(connection):
    key = header(connection.request, "API-Key")
    connection.send(answer(307, b"", Location=f"https://{key}.example/{key}", X_Echo=key, Connection="close"))


def echo_as_names(connection):
    key = header(connection.request, "API-Key")
    connection.send(answer(200, b'{"%b": 1, "%b": 2}' % ((key.encode(),) * 2), Connection="close"))


def echo_broken_off(connection):
    connection.send(answer(200, connection.request, Content_Length="9999", Connection="close"))


ECHOES = [echo, echo_as_text, echo_as_a_page, echo_in_headers, echo_as_names, echo_broken_off]


@pytest.mark.parametrize("talk", ECHOES)
def test_a_key_that_comes_back_is_shown_by_nothing(talk, order, settings, caplog):
    """F42: a shop that lets our errors pass has them on its debug page, in its log, and in the payment's timeline."""
    settings.DEBUG = True
    with raw_server(talk) as server:
        settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "BASE_URL": server.url}}
        with caplog.at_level(logging.DEBUG), pytest.raises(PayramError) as caught:
            open_payment(order, amount=order.total, email=order.email)
    page = ExceptionReporter(None, *caught._excinfo).get_traceback_html()
    rows = [*PaymentEvent.objects.values_list(), *Payment.objects.values_list()]
    assert "open_payment" in page
    assert not holds(page + caplog.text + repr(rows) + repr(caught.value), KEYS)
