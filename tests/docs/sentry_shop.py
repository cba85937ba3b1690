"""A shop with Sentry, set up by the named blocks of the guide. Prints as JSON what Sentry keeps of webhooks that fail.

A process of its own: Sentry changes Django and http.client for as long as a process lives.
"""

from __future__ import annotations

import functools
import hmac
import io
import json
import os
import sys

import django
import sentry_sdk
from sentry_sdk.transport import Transport

from tests.docs.pages import named

EVENTS = []


class Kept(Transport):
    """Keeps the events; nothing is sent."""

    def capture_envelope(self, envelope):
        EVENTS.extend(item.payload.json for item in envelope.items if item.payload.json)


def set_up(blocks):
    """Start Django with Sentry, as the blocks of the guide say; without any, as Sentry is by itself."""
    # Nothing is sent, and every request is traced; the rest is the guide's.
    sentry_sdk.init = functools.partial(sentry_sdk.init, transport=Kept, traces_sample_rate=1.0)
    os.environ["SENTRY_DSN"] = "http://public@127.0.0.1:9/1"
    names = {}
    for block in blocks:
        exec(named("docs/howto/error_trackers.rst")[block], names)
    if not blocks:
        sentry_sdk.init(dsn=os.environ["SENTRY_DSN"])
    django.setup()


def receive(body, key, *, is_signed):
    """Answer a webhook as a WSGI server would."""
    from django.core.wsgi import get_wsgi_application

    headers = {"HTTP_API_KEY": key}
    if is_signed:
        headers["HTTP_X_PAYRAM_SIGNATURE"] = "sha256=" + hmac.new(key.encode(), body, "sha256").hexdigest()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/payram/webhook/",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        **headers,
    }
    statuses = []
    answer = get_wsgi_application()(environ, lambda status, _headers: statuses.append(status))
    b"".join(answer)
    answer.close()
    return statuses[0]


def main():
    set_up(sys.argv[1:])
    from django.core.management import call_command

    from django_payram import signals
    from django_payram.payments import open_payment, webhooks
    from django_payram.testing.payram import TEST_KEY, running_payram
    from django_payram.views import webhook
    from tests.shop.models import Order

    call_command("migrate", run_syncdb=True, verbosity=0)

    def fails(*, payment, **_kwargs):
        email = payment.customer_email
        raise RuntimeError(f"No mail could be sent to {email}.")

    def stops(event, *, project):
        email = "ada@example.com"
        raise RuntimeError(f"{email} is no member, and {TEST_KEY} is no name.")

    statuses = []
    with running_payram() as payram:
        payram.sandbox.webhooks = False
        signals.payment_updated.connect(fails)
        payment = open_payment(Order.objects.create(), amount=5, email="ada@example.com")
        payram.sandbox.pay(payment.reference, 2)
        facts = {"reference_id": payment.reference, "customer_email": "ada@example.com", "status": "PARTIALLY_FILLED"}
        body = json.dumps(facts).encode()
        statuses.append(receive(body, TEST_KEY, is_signed=True))
        webhooks.handle_webhook = stops
        assert webhook.webhooks is webhooks
        statuses.extend(receive(body, TEST_KEY, is_signed=is_signed) for is_signed in (True, False))
    signature = hmac.new(TEST_KEY.encode(), body, "sha256").hexdigest()
    print(json.dumps({"statuses": statuses, "events": EVENTS, "secrets": [TEST_KEY, signature, "ada@example.com"]}))


if __name__ == "__main__":
    main()
