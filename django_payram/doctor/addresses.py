"""The addresses to paste into PayRam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_payram import conf
from django_payram.doctor.findings import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_payram.doctor.findings import Scope

# (check, view, its name in PayRam's dashboard)
PLACES = (
    ("webhook-url", "payram:webhook", gettext_lazy("Webhook URL")),
    ("success-url", "payram:return", gettext_lazy("Success URL")),
    ("cancel-url", "payram:return", gettext_lazy("Cancel URL")),
)


@dataclass(frozen=True)
class Address:
    """One address of the shop: its name in PayRam's dashboard, and the URL, a path when the site is not known."""

    check: str
    label: str
    url: str


def places(scope: Scope) -> list[Address]:
    """Return the addresses that PayRam's dashboard asks for; none when the shop has no URLs of ours."""
    try:
        return [Address(check, str(label), _whole(scope, reverse(view))) for check, view, label in PLACES]
    except NoReverseMatch:
        return []


def to_paste(scope: Scope) -> Iterator[Finding]:
    """Yield the addresses to paste, or why there are none."""
    found = places(scope)
    if not found:
        text = _('The shop has no address for PayRam. Add path("payram/", include("django_payram.urls")) to its URLs.')
        yield Finding("urls", Level.PROBLEM, text)
        return
    for address in found:
        text = _("%(name)s to paste into PayRam: %(url)s") % {"name": address.label, "url": address.url}
        yield Finding(address.check, Level.OK, text)
    yield from _reachable(scope)


def _reachable(scope: Scope) -> Iterator[Finding]:
    if not scope.public_url:
        text = _("Give --public-url to see whole addresses, and to let the shop send webhooks to itself.")
        yield Finding("public-url", Level.OK, text)
    elif not scope.public_url.startswith("https://") or conf.is_local(scope.public_url):
        text = _(
            "PayRam sends webhooks to public https addresses only, and %(url)s is none. "
            "If the site does use https, set SECURE_PROXY_SSL_HEADER."
        )
        yield Finding("public-url", Level.WARNING, text % {"url": scope.public_url})


def _whole(scope: Scope, path: str) -> str:
    """Return ``path`` on the site. A prefix under which the shop is mounted may stand in both: it is kept once."""
    prefix = get_script_prefix().rstrip("/")
    base = scope.public_url
    if prefix and urlsplit(base).path.rstrip("/") == prefix:
        base = base.removesuffix(prefix)
    return base + path
