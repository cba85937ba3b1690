"""What stands between two machines, and how each of them looks when it fails.

Used for both ways: from the shop to PayRam, and from outside to the shop.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
from django.utils.translation import gettext_lazy as _
from urllib3.exceptions import NameResolutionError, ReadTimeoutError

from django_payram import wire
from django_payram.answers import TooLarge
from django_payram.conf import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.utils.functional import _StrPromise

    from django_payram.answers import Answer, NoAnswer

PORTS = {"https": 443, "http": 80}
LONGEST_QUOTE = 200


class Cause(NamedTuple):
    """One kind of failure: how it is recognized, what it is called, and what to do."""

    error: type[BaseException]
    kind: str
    sentence: _StrPromise


BROKEN_OFF = _("The connection to %(host)s broke off before the whole answer had come.")

# The first that is found among an error and its causes names the hop.
CAUSES: tuple[Cause, ...] = (
    Cause(
        ssl.SSLCertVerificationError,
        "tls",
        _("The certificate of %(host)s is not trusted (%(detail)s). Renew it, or install the whole chain."),
    ),
    Cause(
        requests.exceptions.SSLError,
        "tls",
        _("The TLS handshake with %(host)s failed. Make sure that port %(port)s speaks https."),
    ),
    Cause(
        requests.exceptions.ProxyError,
        "proxy",
        _("The outgoing proxy could not be reached. Correct HTTPS_PROXY, or name %(host)s in NO_PROXY."),
    ),
    Cause(
        NameResolutionError,
        "dns",
        _("The name %(host)s cannot be resolved from here. Correct the name, or its DNS record."),
    ),
    Cause(
        ConnectionRefusedError,
        "connection",
        _("%(host)s refuses connections on port %(port)s. Start the server there, or correct the address."),
    ),
    Cause(
        requests.ConnectTimeout,
        "connection",
        _("%(host)s does not react on port %(port)s. Open the port in the firewall, or correct the address."),
    ),
    Cause(
        ReadTimeoutError,
        "silence",
        _("%(host)s took the request and gave no answer in time. Look at the load and the log of that server."),
    ),
    Cause(
        TooLarge,
        "answer",
        _("The answer of %(host)s is larger than any that belongs here. Correct the address."),
    ),
)


class Hop(NamedTuple):
    """A hop that failed: its kind, and a sentence that tells what to do."""

    kind: str
    sentence: str


def failed(error: NoAnswer | TooLarge, *, url: str) -> Hop:
    """Return which hop made the call to ``url`` fail."""
    chain = list(_chain(error))
    for cause in CAUSES:
        found = next((link for link in chain if isinstance(link, cause.error)), None)
        if found is not None:
            return Hop(cause.kind, cause.sentence % {**_place(url), "detail": _detail(found)})
    return Hop("connection", BROKEN_OFF % _place(url))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it was made from: requests and urllib3 keep causes in several places."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]


def _place(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    return {"host": parts.hostname or "", "port": parts.port or PORTS.get(parts.scheme, 0)}


def _detail(error: BaseException) -> str:
    """Return what OpenSSL says of a certificate; nothing of other errors, which may quote a request."""
    return quote(getattr(error, "verify_message", ""))


def is_page(answer: Answer) -> bool:
    """Return whether the answer is a web page."""
    return answer.body.lstrip()[:1] == b"<"


def is_redirect(answer: Answer) -> bool:
    """Return whether the answer sends the caller elsewhere."""
    return 300 <= answer.status < 400


def target(answer: Answer, *, url: str) -> str:
    """Return where a redirect leads, without query: that may hold a secret. "" when it cannot be told."""
    try:
        parts = urlsplit(urljoin(url, answer.headers.get("Location", "")))
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return quote(urlunsplit((parts.scheme, f"{host}{port}", parts.path, "", "")))


def said(answer: Answer) -> str:
    """Return the message of a JSON answer, fit to be shown; "" when there is none."""
    return quote(wire.read_failure(answer.body).message)


def quote(text: str) -> str:
    """Return a stranger's text without keys and control characters, and not too much of it."""
    return quoted(text, LONGEST_QUOTE)
