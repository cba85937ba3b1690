"""What ``manage.py check`` says about the setting, the receivers and the surroundings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse

from django_payram import conf
from django_payram.models import Payment
from django_payram.signals import payment_paid

if TYPE_CHECKING:
    from collections.abc import Iterable

Messages = list[checks.CheckMessage]


def check_project_names(**_kwargs: Any) -> Messages:
    """E001: the setting is missing, or not a dict of projects."""
    return _errors("E001", id="django_payram.E001")


def check_option_names(**_kwargs: Any) -> Messages:
    """E002: an option that does not exist."""
    return _errors("E002", id="django_payram.E002")


def check_base_url(**_kwargs: Any) -> Messages:
    """E003: BASE_URL is missing, malformed, or http beyond localhost."""
    return _errors("E003", id="django_payram.E003")


def check_keys(**_kwargs: Any) -> Messages:
    """E004: a key is missing, blank or malformed."""
    return _errors("E004", id="django_payram.E004")


def check_option_values(**_kwargs: Any) -> Messages:
    """E005: any other option has a value that is not allowed."""
    return _errors("E005", id="django_payram.E005")


def check_shared_keys(**_kwargs: Any) -> Messages:
    """E006: two projects share a key, so that a webhook's project cannot be told."""
    return _errors("E006", id="django_payram.E006")


def check_receivers(**_kwargs: Any) -> Messages:
    """W001: nothing listens to payment_paid, so that no order would ever be marked as paid."""
    if payment_paid.has_listeners(Payment):
        return []
    return [
        checks.Warning(
            "No receiver is connected to payment_paid.",
            hint="Connect one in a module payram_receivers.py of an installed app, as the README shows.",
            id="django_payram.W001",
        )
    ]


def check_ssl_redirect(**_kwargs: Any) -> Messages:
    """W002: SECURE_SSL_REDIRECT without a proxy header would answer PayRam's webhook with a redirect."""
    if not settings.SECURE_SSL_REDIRECT or settings.SECURE_PROXY_SSL_HEADER or _is_exempt_from_redirects():
        return []
    return [
        checks.Warning(
            "SECURE_SSL_REDIRECT is on and SECURE_PROXY_SSL_HEADER is not set.",
            hint=(
                "Behind a proxy that ends TLS, PayRam's webhook would get a redirect and be lost: set the header, or "
                "list the webhook in SECURE_REDIRECT_EXEMPT."
            ),
            id="django_payram.W002",
        )
    ]


def check_plain_http(**_kwargs: Any) -> Messages:
    """W003 (deploy): the key travels in the clear."""
    return [
        checks.Warning(
            f"PAYRAM[{project.name!r}]['BASE_URL'] uses http: everyone on the way can read the key.",
            hint="Use https. The same key can create payouts.",
            id="django_payram.W003",
        )
        for project in _usable_projects()
        if project.base_url.startswith("http://")
    ]


def check_short_keys(**_kwargs: Any) -> Messages:
    """W004 (deploy): a key that can be guessed."""
    return [
        checks.Warning(
            f"PAYRAM[{project.name!r}] has a key of fewer than {conf.SHORTEST_KEY} characters.",
            hint="Make a new key in PayRam's dashboard.",
            id="django_payram.W004",
        )
        for project in _usable_projects()
        if any(len(key) < conf.SHORTEST_KEY for key in project.accepted_keys)
    ]


def check_sandbox(**_kwargs: Any) -> Messages:
    """W005 (deploy): PayRam on this machine may be the pretended one, where pressing a button pays."""
    return [
        checks.Warning(
            f"PAYRAM[{project.name!r}]['BASE_URL'] points at this machine, where payram_sandbox listens.",
            hint="Its money is pretended. Use the address of your PayRam server, or silence this if it runs here.",
            id="django_payram.W005",
        )
        for project in _usable_projects()
        if conf.is_local(project.base_url)
    ]


def check_unconfirmed_webhooks(**_kwargs: Any) -> Messages:
    """W006 (deploy): webhooks are believed without asking PayRam."""
    return [
        checks.Warning(
            f"PAYRAM[{project.name!r}]['CONFIRM_WEBHOOKS'] is False: who has read one webhook can forge the next.",
            hint="Each webhook carries the key. Leave the option True, so that PayRam is asked before money counts.",
            id="django_payram.W006",
        )
        for project in _usable_projects()
        if not project.confirm_webhooks
    ]


def register() -> None:
    """Register every check with Django."""
    for check in ALWAYS:
        checks.register(check, "django_payram")
    for check in ON_DEPLOY:
        checks.register(check, "django_payram", deploy=True)


ALWAYS = (
    check_project_names,
    check_option_names,
    check_base_url,
    check_keys,
    check_option_values,
    check_shared_keys,
    check_receivers,
    check_ssl_redirect,
)
ON_DEPLOY = (check_plain_http, check_short_keys, check_sandbox, check_unconfirmed_webhooks)


def _errors(check: str, *, id: str) -> Messages:  # noqa: A002 - Django's own name for it
    return [
        checks.Error(problem.message, hint=problem.hint, id=id) for problem in conf.problems() if problem.check == check
    ]


def _is_exempt_from_redirects() -> bool:
    """Return whether both forms of the webhook's address are, as SecurityMiddleware tells it."""
    try:
        path = reverse("payram:webhook").lstrip("/")
    except (NoReverseMatch, ImproperlyConfigured):
        return False
    forms = (path, path.rstrip("/"))
    return all(any(re.search(pattern, form) for pattern in settings.SECURE_REDIRECT_EXEMPT) for form in forms)


def _usable_projects() -> Iterable[conf.Project]:
    try:
        return conf.projects()
    except ImproperlyConfigured:
        return []
