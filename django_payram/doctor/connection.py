"""HTTP both ways: from the shop to PayRam, and from outside to the shop. Nothing is created on either side.

The key is sent to PayRam alone. The shop's public address may be mistyped or not the shop's: it gets a stand-in, which
shows whether the key's header arrives, and a real signature, which shows whether the running site holds the same key.
"""

from __future__ import annotations

import json as jsonlib
import re
import time
from contextlib import closing
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from django_payram.conf import policies
from django_payram.conf.options import Secret
from django_payram.doctor.checks import Finding, Level
from django_payram.gateway.client import CREATE
from django_payram.gateway.responses import NoAnswer, UnacceptableAnswer
from django_payram.gateway.signatures import KEY, PREFIX, SIGNATURE, signature
from django_payram.gateway.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.utils.functional import _StrPromise

    from django_payram.conf import Project
    from django_payram.doctor.checks import Scope
    from django_payram.gateway.responses import Answer

    Result = tuple[Level, _StrPromise]
    Judge = Callable[[Answer], Result]

OK, WARNING, PROBLEM = Level

# Seconds for connecting to the shop, for reading, and for a whole call.
CONNECT, READ, DEADLINE = 5.0, 10.0, 20.0
STAND_IN = "a-stand-in-for-the-key"

NO_ANSWER = _("%(url)s gives no answer. %(reason)s Check the address, and whether the server runs.")
REDIRECT = PROBLEM, _("%(url)s redirects to %(target)s, which is not followed. Correct the address or the redirect.")
FRONT_END = PROBLEM, _("%(url)s answers %(status)d with a web page. Point BASE_URL at PayRam's API.")
BROKEN = PROBLEM, _("%(url)s answers with status %(status)d. Look at PayRam's log, and whether PayRam runs.")
PAYRAM = OK, _("PayRam %(version)s answers.")
UNWELL = WARNING, _("PayRam %(version)s answers and says that parts of it do not run. Look at %(url)s.")
RUNNING = frozenset({"ok", "up", "healthy", "running"})
OLD_PAYRAM = OK, _("A server answers without telling a version, as PayRam's servers before 2026 do.")

# What PayRam answers to an empty payment: an accepted key gets as far as the missing fields.
ACCEPTED = OK, _("PayRam accepts the key.")
REFUSED = PROBLEM, _("PayRam refuses the key with status %(status)d. Copy an active key from PayRam's dashboard.")
WRONG_PATH = PROBLEM, _("PayRam's API is not at %(url)s. Correct BASE_URL.")
NOT_CHECKED = WARNING, _("PayRam answered %(status)d, so the key could not be checked. Try again later.")
KEY_ANSWERS = MappingProxyType({400: ACCEPTED, 422: ACCEPTED, 401: REFUSED, 403: REFUSED, 404: WRONG_PATH})

WRONG_SIGNATURE = PROBLEM, _("The site refuses the signature. Give it this PAYRAM, or find what changes the body.")
# What the shop answers to a webhook, by the name of the finding.
WEBHOOK_ANSWERS = MappingProxyType(
    {
        ("ping", 200): (OK, _("A test webhook to %(url)s arrives.")),
        ("key-header", 401): (OK, _("The header API-Key arrives, and a wrong key is refused.")),
        ("signed", 200): (OK, _("A signed webhook of this project is accepted.")),
        ("signed", 401): WRONG_SIGNATURE,
    }
)
NO_KEY = PROBLEM, _("The header API-Key does not arrive. Let the proxy in front of the shop pass it on.")
NO_SIGNATURE = PROBLEM, _("The header X-Payram-Signature does not arrive. Let the proxy before the shop pass it.")
SOMETHING_ELSE = PROBLEM, _("Something else answers at %(url)s (%(status)d). Check ALLOWED_HOSTS, URLs and firewall.")
PAGE = OK, _("The pages for customers answer at %(url)s, and lead on to PayRam.")
NO_PAGE = PROBLEM, _("The page for customers answers at %(url)s with status %(status)d. Look at the site's log.")
NO_FORMS = (
    PROBLEM,
    _(
        "The Content-Security-Policy of %(url)s lets no form lead to PayRam, so that the pay button does nothing. "
        "Add PayRam's host to form-action."
    ),
)
UNEXPECTED = PROBLEM, _("The webhook answers with status %(status)d (%(message)s). Look at the site's log.")


def check_connection(scope: Scope) -> Iterator[Finding]:
    """Yield whether each project's PayRam server answers, and then whether it accepts the key."""
    for project in scope.projects():
        with closing(Transport(timeout=project.timeout, deadline=project.deadline)) as transport:
            # Without the key, which must not go to a server that turns out to be another one than PayRam.
            server = _ask(_server, transport, "GET", f"{project.base_url}/api/v1/health", headers={})
            yield Finding("server", *server, project.name)
            if server[0] != PROBLEM:
                headers = {KEY: project.api_key}
                key = _ask(_key, transport, "POST", project.base_url + CREATE, headers=headers, json={})
                yield Finding("key", *key, project.name)


def check_webhook(scope: Scope) -> Iterator[Finding]:
    """Send webhooks to the public address and yield what became of them; nothing unless asked to."""
    url = scope.address("webhook")
    if not (scope.round_trip and scope.public_url and url):
        return
    event = {"event_type": "payout.ping", "timestamp": int(time.time())}
    with closing(Transport(timeout=(CONNECT, READ), deadline=DEADLINE)) as transport:

        def send(check: str, headers: dict[str, str], project: str = "") -> Finding:
            judge = partial(_webhook, check)
            return Finding(check, *_ask(judge, transport, "POST", url, headers=headers, json=event), project)

        # PayRam's own test; PayRam switches a webhook off that answers it with 404 or 405.
        ping = send("ping", {"X-Webhook-Test": "true"})
        yield ping
        if ping.level == OK:
            yield send("key-header", {KEY: STAND_IN})
            for project in scope.projects():
                # The signature covers the very bytes that requests makes of the event, and it makes them in this way.
                signed = Secret(PREFIX + signature(project.api_key, jsonlib.dumps(event).encode()))
                yield send("signed", {KEY: STAND_IN, SIGNATURE: signed}, project.name)


def check_pages(scope: Scope) -> Iterator[Finding]:
    """Ask for a page of ours at the public address, and yield whether its headers let a customer go on to PayRam."""
    url = scope.address("return")
    if not (scope.round_trip and scope.public_url and url):
        return
    with closing(Transport(timeout=(CONNECT, READ), deadline=DEADLINE)) as transport:
        for project in scope.projects():
            judge = partial(_page, project)
            yield Finding("page", *_ask(judge, transport, "GET", url, headers={}), project.name)


def _ask(
    judge: Judge, transport: Transport, method: str, url: str, *, headers: dict[str, str], json: object = None
) -> tuple[Level, str]:
    """Send a request, and return the level and the sentence that ``judge`` gives for its answer."""
    try:
        answer = transport.send(method, url, headers=headers, json=json)
    except (NoAnswer, UnacceptableAnswer) as exc:
        return PROBLEM, NO_ANSWER % {"url": url, "reason": exc}
    level, text = REDIRECT if 300 <= answer.status < 400 else judge(answer)
    # The query and the fragment of a redirect may hold a secret.
    target = re.split("[?#]", answer.headers.get("Location", ""), maxsplit=1)[0]
    facts = {name: _told(answer, name) for name in ("version", "message")}
    return level, text % {**facts, "url": url, "status": answer.status, "target": target}


def _json(answer: Answer) -> dict[str, object]:
    try:
        value = jsonlib.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _told(answer: Answer, name: str) -> str:
    """Return a text in a JSON answer, "" when there is none."""
    text = _json(answer).get(name)
    return text if isinstance(text, str) else ""


def _server(answer: Answer) -> Result:
    if not _told(answer, "version"):
        return _not_payram(answer) or OLD_PAYRAM
    health = _json(answer)
    workers = health.get("workers")
    states = [health.get("status"), health.get("db"), *(workers.values() if isinstance(workers, dict) else ())]
    return PAYRAM if all(state.lower() in RUNNING for state in states if isinstance(state, str)) else UNWELL


def _key(answer: Answer) -> Result:
    return _not_payram(answer) or KEY_ANSWERS.get(answer.status, NOT_CHECKED)


def _not_payram(answer: Answer) -> Result | None:
    # The proxy before an old server may answer 404 to an unknown path with a page.
    if answer.status in (200, 401, 403) and answer.body.lstrip()[:1] == b"<":
        return FRONT_END
    return BROKEN if answer.status >= 500 else None


def _page(project: Project, answer: Answer) -> Result:
    if answer.status != 200:
        return NO_PAGE
    headers = {name.lower(): value for name, value in answer.headers.items()}
    sources = policies.sources_of(headers.get("content-security-policy", ""))
    return PAGE if sources is None or not policies.missing_host(project, sources) else NO_FORMS


def _webhook(check: str, answer: Answer) -> Result:
    said = _told(answer, "message")
    if not said:
        return SOMETHING_ELSE
    # The words of gateway.signatures.authenticate tell which headers the shop has seen.
    if answer.status == 401 and check == "key-header" and said.startswith("Neither"):
        return NO_KEY
    if answer.status == 401 and check == "signed" and not said.startswith(f"The header {SIGNATURE} fits"):
        return NO_SIGNATURE
    return WEBHOOK_ANSWERS.get((check, answer.status), UNEXPECTED)
