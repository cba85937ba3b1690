"""From outside to the shop: harmless webhooks that the shop sends to its own public address.

The key itself is never sent, because the address may be mistyped or not the shop's: a stand-in shows whether the key's
header arrives, and a signature whether the running site holds the same key.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import requests
from django.utils.translation import gettext as _

from django_payram.answers import NoAnswer, TooLarge
from django_payram.authentication import KEY, PREFIX, SIGNATURE, NotAuthenticated, authenticate, signature
from django_payram.doctor import hops, obstacles
from django_payram.doctor.addresses import places
from django_payram.doctor.findings import Finding, Level, usable
from django_payram.options import Secret
from django_payram.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django_payram.answers import Answer
    from django_payram.conf import Project
    from django_payram.doctor.findings import Scope

TIMEOUT = (5.0, 10.0)
DEADLINE = 20.0
"""Seconds for connecting, reading, and a whole call."""

PING, EVENT = "payout.ping", "payout.doctor"
STAND_IN = "a-stand-in-for-the-key"
TEST_HEADER = "X-Webhook-Test"


class Obstructed(Exception):
    """The webhook did not get through. The message is a sentence that tells which hop failed and what to do."""


def knock(scope: Scope) -> Iterator[Finding]:
    """Send webhooks to the shop's public address and yield what became of them; nothing when not asked to."""
    addresses = places(scope)
    if not (scope.round_trip and scope.public_url and addresses):
        return
    with closing(Transport(timeout=TIMEOUT, deadline=DEADLINE)) as transport:
        letterbox = Letterbox(transport, addresses[0].url)
        ping = _ping(letterbox, scope)
        yield ping
        if ping.level == Level.OK:
            yield _unsigned(letterbox)
            yield _key_header(letterbox)
            yield from (_signed(letterbox, project) for project in scope.projects)


class Letterbox:
    """Webhooks to one address."""

    def __init__(self, transport: Transport, url: str) -> None:
        self.url = url
        self._transport = transport

    def send(self, event_type: str, *, headers: Mapping[str, str], key: str = "") -> Answer:
        """Send an event, signed with ``key`` if given. Raises Obstructed when the webhook view did not answer."""
        event = {"event_type": event_type, "timestamp": int(time.time())}
        signed = {SIGNATURE: Secret(PREFIX + signature(key, _bytes(self.url, event)))} if key else {}
        try:
            answer = self._transport.send("POST", self.url, headers={**headers, **signed}, json=event)
        except (NoAnswer, TooLarge) as exc:
            raise Obstructed(obstacles.lost(exc, url=self.url)) from exc
        if sentence := obstacles.found(answer, url=self.url):
            raise Obstructed(sentence)
        return answer


def _bytes(url: str, event: object) -> bytes:
    """Return the very bytes that requests makes of ``event``: the signature covers them."""
    body = requests.Request("POST", url, json=event).prepare().body
    return body.encode() if isinstance(body, str) else body or b""


def _ping(letterbox: Letterbox, scope: Scope) -> Finding:
    """As PayRam's Test button sends it; a 404 or 405 would make PayRam switch the webhook off."""
    key = scope.projects[0].api_key if scope.projects else ""
    try:
        answer = letterbox.send(PING, headers={TEST_HEADER: "true"}, key=key)
    except Obstructed as exc:
        return Finding("ping", Level.PROBLEM, str(exc))
    if answer.status != 200:
        return _unexpected("ping", answer)
    return Finding("ping", Level.OK, _("A test webhook to %(url)s arrives.") % {"url": letterbox.url})


def _unsigned(letterbox: Letterbox) -> Finding:
    try:
        answer = letterbox.send(EVENT, headers={})
    except Obstructed as exc:
        return Finding("unsigned", Level.PROBLEM, str(exc))
    if answer.status == 200:
        text = _("A webhook without key and signature was accepted. Find out what answers in the shop's place.")
        return Finding("unsigned", Level.PROBLEM, text)
    if answer.status != 401:
        return _unexpected("unsigned", answer)
    return Finding("unsigned", Level.OK, _("A webhook without key and signature is refused, as it should be."))


def _key_header(letterbox: Letterbox) -> Finding:
    try:
        answer = letterbox.send(EVENT, headers={KEY: STAND_IN})
    except Obstructed as exc:
        return Finding("key-header", Level.PROBLEM, str(exc))
    if answer.status != 401:
        return _unexpected("key-header", answer)
    if hops.said(answer) == _refusal({}):
        text = _("The header %(name)s does not arrive: a proxy in front of the shop drops it. Let it pass.")
        return Finding("key-header", Level.PROBLEM, text % {"name": KEY})
    return Finding("key-header", Level.OK, _("The header %(name)s arrives.") % {"name": KEY})


def _signed(letterbox: Letterbox, project: Project) -> Finding:
    try:
        answer = letterbox.send(EVENT, headers={KEY: STAND_IN}, key=project.api_key)
    except Obstructed as exc:
        return Finding("signed", Level.PROBLEM, str(exc), project.name)
    if answer.status == 200:
        return Finding("signed", Level.OK, _("A signed webhook of this project is accepted."), project.name)
    if answer.status != 401:
        return _unexpected("signed", answer, project.name)
    return Finding("signed", Level.PROBLEM, _why_refused(hops.said(answer)), project.name)


def _why_refused(said: str) -> str:
    dropped = _("The header %(name)s does not arrive: a proxy in front of the shop drops it. Let it pass.")
    if said in (_refusal({}), _refusal({KEY: STAND_IN})):
        return dropped % {"name": SIGNATURE}
    return _(
        "The running site refuses this project's signature. Give it the same setting PAYRAM as this process and "
        "restart it, or find the proxy that changes the body of requests."
    )


def _refusal(headers: Mapping[str, str]) -> str:
    """Return in which words a request with these headers is refused."""
    try:
        authenticate(usable(), headers, b"")
    except NotAuthenticated as exc:
        return str(exc)
    return ""


def _unexpected(check: str, answer: Answer, project: str = "") -> Finding:
    text = _("The webhook address answers with status %(status)d (%(said)s). Look at the log of the running site.")
    return Finding(check, Level.PROBLEM, text % {"status": answer.status, "said": hops.said(answer)}, project)
