"""What may answer in place of the shop's webhook view, and how each such hop is recognized."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_payram.doctor import hops

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from django_payram.answers import Answer, NoAnswer, TooLarge

LOGIN = re.compile(r"log-?in|sign-?in|sso|oauth", re.IGNORECASE)
CSRF = re.compile(rb"csrf", re.IGNORECASE)

PASSWORD = gettext_lazy("The site asks for a password before the webhook is reached. Exempt %(path)s from it.")
FIREWALL = gettext_lazy(
    "A firewall or bot protection in front of the shop answers with status %(status)d. Exempt %(path)s from it."
)
UPSTREAM = gettext_lazy(
    "The proxy in front of the shop answers with status %(status)d: it does not reach the shop. Start the shop, or "
    "correct the proxy."
)

# What a page with this status in the webhook's place means.
PAGES = {
    400: gettext_lazy("The shop refuses the host name %(host)s. Add it to ALLOWED_HOSTS."),
    401: PASSWORD,
    403: FIREWALL,
    404: gettext_lazy(
        "There is nothing at %(path)s. Deploy the shop's URLs with django_payram.urls, or let the proxy pass this path "
        "on."
    ),
    405: gettext_lazy("Something else than the webhook is at %(path)s and takes no POST. Correct URLs or proxy."),
    406: FIREWALL,
    407: PASSWORD,
    413: gettext_lazy("The proxy in front of the shop refuses the size of a small webhook. Correct its limit."),
    429: FIREWALL,
    500: gettext_lazy("The shop fails with status 500 before the webhook is reached. Look at its log."),
    502: UPSTREAM,
    503: UPSTREAM,
    504: UPSTREAM,
}
OTHER_PAGE = gettext_lazy(
    "Something else than the webhook answers at %(path)s, with status %(status)d. Correct URLs or proxy."
)
CSRF_PAGE = gettext_lazy(
    "CSRF protection refuses the webhook, which is exempt by itself. Look for middleware or a wrapper of the view."
)
DEAF = gettext_lazy(
    "%(host)s took the webhook and gave no answer in time. If the site has a single worker, which cannot answer "
    "itself, run the command payram_doctor instead; otherwise look at its load."
)


def lost(error: NoAnswer | TooLarge, *, url: str) -> str:
    """Return why the webhook got no answer, and what to do."""
    hop = hops.failed(error, url=url)
    return DEAF % _facts(url) if hop.kind == "silence" else hop.sentence


def found(answer: Answer, *, url: str) -> str:
    """Return what answered in the webhook's place, and what to do; "" when the webhook view itself did."""
    if hops.is_redirect(answer):
        return _redirect(answer, url=url)
    if not hops.is_page(answer) and hops.said(answer):
        return ""
    if answer.status == 403 and CSRF.search(answer.body):
        return str(CSRF_PAGE)
    return PAGES.get(answer.status, OTHER_PAGE) % {**_facts(url), "status": answer.status}


def _facts(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    return {"host": parts.hostname or "", "path": parts.path}


# (whether it is this kind of redirect, what to do); the first that fits.


def _to_login(_here: SplitResult, there: SplitResult) -> bool:
    return bool(LOGIN.search(there.path)) or "next=" in there.query


def _to_https(here: SplitResult, there: SplitResult) -> bool:
    return (here.scheme, here.hostname, here.path) == ("http", there.hostname, there.path) and there.scheme == "https"


def _to_slash(here: SplitResult, there: SplitResult) -> bool:
    return here.path != there.path and here.path.rstrip("/") == there.path.rstrip("/")


def _to_other_host(here: SplitResult, there: SplitResult) -> bool:
    return here.hostname != there.hostname


REDIRECTS = (
    (
        _to_login,
        gettext_lazy(
            "The webhook is redirected to the login page %(target)s. Exempt %(path)s from the login that a middleware "
            "or proxy demands."
        ),
    ),
    (
        _to_https,
        gettext_lazy(
            "The webhook is redirected to %(target)s, by SECURE_SSL_REDIRECT or the proxy, and lost. Paste the https "
            "address into PayRam; if this is one already, set SECURE_PROXY_SSL_HEADER."
        ),
    ),
    (
        _to_other_host,
        gettext_lazy("The webhook is redirected to %(target)s and lost. Paste the address on that host into PayRam."),
    ),
    (
        _to_slash,
        gettext_lazy(
            "The webhook is redirected to %(target)s, by APPEND_SLASH or the proxy, and lost. Both forms are served: "
            "include django_payram.urls unchanged, and stop the proxy from redirecting."
        ),
    ),
)
ELSEWHERE = gettext_lazy("The webhook is redirected to %(target)s and lost. Take %(path)s out of this redirect.")


def _redirect(answer: Answer, *, url: str) -> str:
    facts = {**_facts(url), "target": hops.target(answer, url=url)}
    try:
        there = urlsplit(urljoin(url, answer.headers.get("Location", "")))
    except ValueError:
        return _("The webhook is answered with a redirect to nowhere. Look at the proxy in front of the shop.")
    here = urlsplit(url)
    return next((text for fits, text in REDIRECTS if fits(here, there)), ELSEWHERE) % facts
