"""What a diagnosis is made of, and its checks that ask nobody: settings, receivers, addresses to paste into PayRam."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.urls import NoReverseMatch, get_script_prefix
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_payram import conf
from django_payram.conf import checks
from django_payram.conf.addresses import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_payram.conf import Project

# A host name or an IPv6 address, a port and a path; no user name, query, fragment, space or control character.
SITE = re.compile(r"https?://([^\x00- \x7f/@?#:\[\]]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(/[^\x00- \x7f@?#]*)?")


class Level(models.TextChoices):
    """How grave a finding is, in rising order. Only a problem makes ``payram_doctor`` leave with 1."""

    OK = "ok", gettext_lazy("ok")
    WARNING = "warning", gettext_lazy("warning")
    PROBLEM = "problem", gettext_lazy("problem")


@dataclass(frozen=True)
class Finding:
    """What a check found: its stable name and a sentence for a person. ``project`` is "" for the whole shop.

    ``count`` is how many rows wait, and ``seconds`` the age of the oldest, 0 when there is none; None where a check
    counts nothing.
    """

    check: str
    level: Level
    message: str
    project: str = ""
    count: int | None = None
    seconds: int | None = None


@dataclass(frozen=True)
class Scope:
    """What to look at: one project or all, and where the shop answers from outside ("" when not known).

    ``round_trip`` says whether to send webhooks there. Raises ValueError for an unknown project or a bad address.
    """

    project: str = ""
    public_url: str = ""
    round_trip: bool = False

    def __post_init__(self) -> None:
        if self.project and self.project not in conf.names():
            raise ValueError(f"PAYRAM has no project {self.project!r}. It has: {', '.join(conf.names()) or 'none'}.")
        if self.public_url and not SITE.fullmatch(self.public_url):
            raise ValueError("The public URL must be like https://shop.example.com, without user name or query.")

    def projects(self) -> Iterator[Project]:
        """Yield the projects whose settings are sound; ``check_settings`` tells of the others."""
        for name in [self.project] if self.project else conf.names():
            with suppress(ImproperlyConfigured):
                yield conf.project(name)

    def address(self, view: str) -> str:
        """Return the address of a view: its path when the site is not known, "" when the shop has no such view."""
        site, prefix = self.public_url.rstrip("/"), get_script_prefix().rstrip("/")
        # The prefix under which a shop is mounted stands in every path, and perhaps in the site's address as well.
        site = site.removesuffix(prefix) if urlsplit(site).path == prefix else site
        try:
            return site + path_of(view)
        except NoReverseMatch:
            return ""


# What ``manage.py check`` only warns about. Without a receiver of payment_paid no order is ever marked as paid.
SYSTEM_CHECKS = (
    ("receivers", Level.PROBLEM, checks.check_receivers),
    ("ssl-redirect", Level.WARNING, checks.check_ssl_redirect),
    ("short-key", Level.WARNING, partial(checks.warnings_of, "W004")),
)
ADDRESSES = (("webhook-url", "webhook"), ("success-url", "return"), ("cancel-url", "return"))


def check_settings(scope: Scope) -> Iterator[Finding]:
    """Yield what is wrong with the setting ``PAYRAM`` and around it. One broken project stops the webhooks of all."""
    problems = [Finding("settings", Level.PROBLEM, f"{found.message} {found.hint}") for found in conf.problems()]
    yield from problems or [Finding("settings", Level.OK, _("The setting PAYRAM is sound."))]
    for name, level, check in SYSTEM_CHECKS:
        yield from (Finding(name, level, f"{found.msg} {found.hint}") for found in check())
    for project in scope.projects():
        if project.base_url.startswith("http://") and not conf.is_local(project.base_url):
            text = _("BASE_URL uses http, so everyone on the way can read the key, which can also pay out. Use https.")
            yield Finding("http", Level.WARNING, text, project.name)
        if not project.enabled:
            text = _("This project takes no new payments. Set ENABLED to True when it should; old ones still settle.")
            yield Finding("enabled", Level.WARNING, text, project.name)


def check_addresses(scope: Scope) -> Iterator[Finding]:
    """Yield the addresses to paste into PayRam, and whether PayRam sends webhooks there."""
    if not scope.address("webhook"):
        text = _('The shop has no address for PayRam. Add path("payram/", include("django_payram.urls")) to its URLs.')
        yield Finding("urls", Level.PROBLEM, text)
        return
    for check, view in ADDRESSES:
        facts = {"name": check.capitalize().replace("-url", " URL"), "url": scope.address(view)}
        yield Finding(check, Level.OK, _("%(name)s to paste into PayRam: %(url)s") % facts)
    if not scope.public_url:
        yield Finding("public-url", Level.OK, _("Give --public-url to see whole addresses and to test the webhook."))
    elif conf.is_local(scope.public_url) or not scope.public_url.startswith("https://"):
        text = _("PayRam sends webhooks to public https sites only. If %(url)s is one, set SECURE_PROXY_SSL_HEADER.")
        yield Finding("public-url", Level.WARNING, text % {"url": scope.public_url})
