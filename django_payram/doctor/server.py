"""From the shop to PayRam: name, TLS, server and key. Nothing is created on the way."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from requests.utils import get_environ_proxies, select_proxy

from django_payram import conf, wire
from django_payram.answers import Answer, NoAnswer, TooLarge
from django_payram.client import CREATE
from django_payram.doctor import hops
from django_payram.doctor.findings import Finding, Level
from django_payram.doctor.health import Health, read_health
from django_payram.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.utils.functional import _StrPromise

    from django_payram.conf import Project
    from django_payram.doctor.findings import Scope

HEALTH, VERSION, ROOT = "/api/v1/health", "/api/v1/version", "/"
WELCOME = b"Welcome to Payram Core"

ACCEPTED = gettext_lazy("PayRam accepts the key.")
REFUSED = gettext_lazy(
    "PayRam refuses the key with status %(status)d. Copy an active key of this project from PayRam's dashboard."
)
BARRED = gettext_lazy(
    "Something in front of PayRam at %(host)s bars the call with status %(status)d. Let this machine through."
)
MISPLACED = gettext_lazy("PayRam's API is not at %(host)s. Correct BASE_URL: /api/v1/payment is added to it.")
NOT_CHECKED = gettext_lazy(
    "PayRam answered %(status)d, so the key could not be checked. Try again, and look at PayRam's log if it stays so."
)

# What PayRam answers to a payment of nothing: an accepted key gets as far as the missing fields.
KEY_ANSWERS = {
    400: (Level.OK, ACCEPTED),
    422: (Level.OK, ACCEPTED),
    401: (Level.PROBLEM, REFUSED),
    403: (Level.PROBLEM, REFUSED),
    404: (Level.PROBLEM, MISPLACED),
}
# Some servers put the error into a 200: 3 is a bad request, 5 a payment that could not be made.
ERRORS_INSIDE_200 = frozenset({"3", "5"})


def servers(scope: Scope) -> Iterator[Finding]:
    """Yield what is found on the way to each project's PayRam server; the first broken hop ends the way."""
    for project in scope.projects:
        yield from _encrypted(project)
        name = _resolved(project)
        yield name
        if name.level == Level.OK:
            yield from _visit(project)


def _encrypted(project: Project) -> Iterator[Finding]:
    if project.base_url.startswith("http://") and not conf.is_local(project.base_url):
        text = _("BASE_URL uses http, so everyone on the way can read the key, which can also pay out. Use https.")
        yield Finding("http", Level.WARNING, text, project.name)


def _resolved(project: Project) -> Finding:
    if select_proxy(project.base_url, get_environ_proxies(project.base_url)):
        text = _("Calls to %(host)s go through the proxy of the environment, which resolves the name.")
        return Finding("dns", Level.OK, text % {"host": project.host}, project.name)
    try:
        socket.getaddrinfo(project.host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        text = _("The name %(host)s cannot be resolved from here. Correct BASE_URL, or the DNS record.")
        return Finding("dns", Level.PROBLEM, text % {"host": project.host}, project.name)
    return Finding("dns", Level.OK, _("The name %(host)s resolves.") % {"host": project.host}, project.name)


def _visit(project: Project) -> Iterator[Finding]:
    transport = Transport(timeout=project.timeout, deadline=project.deadline)
    try:
        yield from _steps(project, transport)
    except (NoAnswer, TooLarge) as exc:
        hop = hops.failed(exc, url=project.base_url)
        yield Finding("tls" if hop.kind == "tls" else "server", Level.PROBLEM, hop.sentence, project.name)
    finally:
        transport.close()


def _steps(project: Project, transport: Transport) -> Iterator[Finding]:
    first = _get(project, transport, HEALTH)
    if project.base_url.startswith("https://"):
        yield Finding("tls", Level.OK, _("TLS works, and the certificate is trusted."), project.name)
    if wrong := _misdirected(project, first):
        yield Finding("server", Level.PROBLEM, wrong, project.name)
        return
    yield from _identity(project, transport, first)
    yield _key(project, transport)


def _get(project: Project, transport: Transport, path: str) -> Answer:
    """Ask without the key: these calls need none."""
    return transport.send("GET", project.base_url + path, headers={})


# Who answers?


def _misdirected(project: Project, answer: Answer) -> str:
    """Return what is wrong when another machine than PayRam's API answers; "" when it may be PayRam."""
    facts = {"host": project.host, "status": answer.status}
    if hops.is_redirect(answer):
        text = _("%(host)s redirects to %(target)s, and redirects are not followed. Correct BASE_URL.")
        return text % {**facts, "target": hops.target(answer, url=project.base_url)}
    if answer.status == 200 and hops.is_page(answer):
        text = _("%(host)s answers with a web page: BASE_URL points at PayRam's front end. Point it at the API.")
        return text % facts
    if answer.status >= 500 and read_health(answer.body) is None:
        text = _("%(host)s answers with status %(status)d. Look at PayRam's log, and whether PayRam runs at all.")
        return text % facts
    return ""


def _identity(project: Project, transport: Transport, first: Answer) -> Iterator[Finding]:
    health = read_health(first.body) or read_health(_get(project, transport, VERSION).body)
    if health is not None:
        yield from _introduced(project, health)
        return
    yield _older(project, _get(project, transport, ROOT))


def _introduced(project: Project, health: Health) -> Iterator[Finding]:
    text = _("PayRam %(version)s answers at %(host)s.") % {"version": health.version, "host": project.host}
    yield Finding("server", Level.OK, text, project.name)
    if health.ailing:
        text = _("PayRam says that these parts do not run: %(parts)s. See to them on the server.")
        yield Finding("workers", Level.WARNING, text % {"parts": ", ".join(health.ailing)}, project.name)


def _older(project: Project, answer: Answer) -> Finding:
    if answer.body.startswith(WELCOME):
        text = _("An older PayRam, which does not tell its version, answers at %(host)s.")
        return Finding("server", Level.OK, text % {"host": project.host}, project.name)
    text = _("%(host)s answers and does not say that it is PayRam. If payments fail, correct BASE_URL.")
    return Finding("server", Level.WARNING, text % {"host": project.host}, project.name)


# Is the key the right one?


def _key(project: Project, transport: Transport) -> Finding:
    headers = {"API-Key": project.api_key}
    answer = transport.send("POST", project.base_url + CREATE, headers=headers, json={})
    if wrong := _misdirected(project, answer):
        return Finding("key", Level.PROBLEM, wrong, project.name)
    level, sentence = _judged(answer)
    return Finding("key", level, sentence % {"status": answer.status, "host": project.host}, project.name)


def _judged(answer: Answer) -> tuple[Level, _StrPromise]:
    if hops.is_page(answer) and answer.status in (401, 403):
        return Level.PROBLEM, BARRED
    if answer.status == 200 and wire.read_failure(answer.body).code in ERRORS_INSIDE_200:
        return Level.OK, ACCEPTED
    return KEY_ANSWERS.get(answer.status, (Level.WARNING, NOT_CHECKED))
