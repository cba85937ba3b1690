"""What a diagnosis is made of, and what it is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_payram import conf

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_payram.conf import Project


class Level(models.TextChoices):
    """How grave a finding is. Only a problem makes a diagnosis a bad one."""

    OK = "ok", gettext_lazy("ok")
    WARNING = "warning", gettext_lazy("warning")
    PROBLEM = "problem", gettext_lazy("problem")


@dataclass(frozen=True)
class Finding:
    """One thing found: the stable name of the check, the project ("" for the whole shop), and what to do about it."""

    check: str
    level: Level
    message: str
    project: str = ""


@dataclass(frozen=True)
class Scope:
    """What to look at. Projects with a broken setting are left out: the setting's own findings tell of them."""

    projects: tuple[Project, ...]
    only: str = ""
    """The one project asked for; "" for all."""
    public_url: str = ""
    """Where the shop answers from outside, without a slash at the end; "" when not known."""
    round_trip: bool = False
    """Whether to send webhooks to ``public_url``."""


def usable() -> tuple[Project, ...]:
    """Return the projects whose setting is sound."""
    found = []
    for name in conf.names():
        try:
            found.append(conf.project(name))
        except ImproperlyConfigured:
            continue
    return tuple(found)


def scope(*, only: str = "", public_url: str = "", round_trip: bool = False) -> Scope:
    """Return the scope of a diagnosis. Raises ValueError, in words for a person, when it makes no sense."""
    if only and only not in conf.names():
        known = ", ".join(conf.names()) or "none"
        raise ValueError(f"{conf.SETTING} has no project {only!r}. It has: {known}.")
    projects = tuple(project for project in usable() if only in ("", project.name))
    return Scope(projects, only=only, public_url=site(public_url) if public_url else "", round_trip=round_trip)


def site(text: str) -> str:
    """Return ``text`` as the address of a site, without a slash at the end. Raises ValueError with what is allowed."""
    try:
        parts = urlsplit(text)
        _port = parts.port
    except ValueError as exc:
        raise ValueError("must be a web address") from exc
    if parts.scheme not in ("https", "http") or not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError("must be a web address such as https://shop.example.com")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must not hold a user name, a query or a fragment")
    return text.rstrip("/")


def is_well(findings: Iterable[Finding]) -> bool:
    """Return whether there is no problem among ``findings``."""
    return all(finding.level != Level.PROBLEM for finding in findings)


def gravest(findings: Iterable[Finding]) -> Level:
    """Return the gravest level among ``findings``."""
    return max((finding.level for finding in findings), key=list(Level).index, default=Level.OK)


def summary(findings: Iterable[Finding]) -> str:
    """Return what ``findings`` come to, in one sentence."""
    levels = [finding.level for finding in findings]
    problems, warnings = levels.count(Level.PROBLEM), levels.count(Level.WARNING)
    if problems:
        text = ngettext("There is %(count)d problem to solve.", "There are %(count)d problems to solve.", problems)
        return text % {"count": problems}
    if warnings:
        text = ngettext(
            "Nothing is broken, and %(count)d warning deserves a look.",
            "Nothing is broken, and %(count)d warnings deserve a look.",
            warnings,
        )
        return text % {"count": warnings}
    return _("All is well.")
