"""What ``manage.py check`` says about the setting, the receivers and the surroundings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.fields import GenericRelation
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.urls import LocalePrefixPattern, NoReverseMatch, URLResolver, get_resolver

from django_payram import conf
from django_payram.conf import policies
from django_payram.conf.addresses import path_of
from django_payram.models import Payment, PaymentsRelation
from django_payram.signals import payment_paid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Messages = list[checks.CheckMessage]


def check_setting(**_kwargs: Any) -> Messages:
    """What is wrong with the setting.

    E001: it is missing, or not a dict of projects. E002: an option that does not exist. E003: BASE_URL is missing,
    malformed, or http beyond localhost. E004: a key is missing, blank or malformed. E005: another option has a value
    that is not allowed. E006: two projects share a key, so that a webhook's project cannot be told.
    """
    return [
        checks.Error(problem.message, hint=problem.hint, id=f"django_payram.{problem.check}")
        for problem in conf.problems()
    ]


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


def check_relations(**_kwargs: Any) -> Messages:
    """E007: a GenericRelation to Payment that is no PaymentsRelation deletes payments together with an order."""
    return [
        checks.Error(
            f"{model._meta.label}.{field.name} would delete the payments of an order together with it.",  # noqa: SLF001
            hint="Use django_payram.models.PaymentsRelation() instead.",
            obj=field,
            id="django_payram.E007",
        )
        for model in apps.get_models()
        for field in model._meta.private_fields  # noqa: SLF001 - Django's documented name
        if isinstance(field, GenericRelation) and field.related_model is Payment
        if not isinstance(field, PaymentsRelation)
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


def check_policy(**_kwargs: Any) -> Messages:
    """W007: a Content-Security-Policy keeps browsers from following the pay button to PayRam's page."""
    return [
        checks.Warning(
            f"{setting} lets no form lead to PayRam's page of PAYRAM[{project.name!r}]: the pay button does nothing.",
            hint=f"Add {missing} to its form-action.",
            id="django_payram.W007",
        )
        for setting, sources in policies.policies()
        for project in _usable_projects()
        if (missing := policies.missing_host(project, sources))
    ]


def check_webhook_address(**_kwargs: Any) -> Messages:
    """W008: PayRam's webhook finds no view, or an address that depends on the visitor's language."""
    found = list(_webhook_patterns(get_resolver().url_patterns)) if settings.ROOT_URLCONF else [False]
    if found and not all(found):
        return []
    said = "is below i18n_patterns: it answers 404 or a redirect" if found else "is not in the URLs: it answers 404"
    return [
        checks.Warning(
            f"The address of PayRam's webhook {said}.",
            hint='Add path("payram/", include("django_payram.urls")) to the URLs, outside of i18n_patterns.',
            id="django_payram.W008",
        )
    ]


def check_deployment(**_kwargs: Any) -> Messages:
    """W003 to W006 (deploy): what is dangerous in production."""
    return [warning for check in DANGERS for warning in warnings_of(check)]


def warnings_of(check: str) -> Messages:
    """Return the warnings of one check, such as W004, one for each project that deserves it."""
    is_dangerous, message, hint = DANGERS[check]
    return [
        checks.Warning(f"PAYRAM[{project.name!r}]{message}", hint=hint, id=f"django_payram.{check}")
        for project in _usable_projects()
        if is_dangerous(project)
    ]


# Check: whether it is so, what is the matter, what to do.
DANGERS: dict[str, tuple[Callable[[conf.Project], bool], str, str]] = {
    "W003": (
        lambda project: project.base_url.startswith("http://"),
        "['BASE_URL'] uses http: everyone on the way can read the key.",
        "Use https. The same key can create payouts.",
    ),
    "W004": (
        lambda project: any(len(key) < conf.SHORTEST_KEY for key in project.accepted_keys),
        f" has a key of fewer than {conf.SHORTEST_KEY} characters.",
        "Make a new key in PayRam's dashboard.",
    ),
    "W005": (
        lambda project: conf.is_local(project.base_url),
        "['BASE_URL'] points at this machine, where payram_sandbox listens.",
        "Its money is pretended. Use the address of your PayRam server, or silence this if it runs here.",
    ),
    "W006": (
        lambda project: not project.confirm_webhooks,
        "['CONFIRM_WEBHOOKS'] is False: who has read one webhook can forge the next.",
        "Each webhook carries the key. Leave the option True, so that PayRam is asked before money counts.",
    ),
}


def register() -> None:
    """Register every check with Django."""
    for check in (
        check_setting,
        check_receivers,
        check_relations,
        check_ssl_redirect,
        check_policy,
        check_webhook_address,
    ):
        checks.register(check, "django_payram")
    checks.register(check_deployment, "django_payram", deploy=True)


def _is_exempt_from_redirects() -> bool:
    """Return whether both forms of the webhook's address are, as SecurityMiddleware tells it."""
    try:
        path = path_of("webhook").lstrip("/")
    except (NoReverseMatch, ImproperlyConfigured):
        return False
    forms = (path, path.rstrip("/"))
    return all(any(re.search(pattern, form) for pattern in settings.SECURE_REDIRECT_EXEMPT) for form in forms)


def _webhook_patterns(patterns: Iterable[Any], *, in_language: bool = False) -> Iterator[bool]:
    """Yield of each address that leads to the webhook's view whether it begins with a language."""
    for entry in patterns:
        if isinstance(entry, URLResolver):
            below = in_language or isinstance(entry.pattern, LocalePrefixPattern)
            yield from _webhook_patterns(entry.url_patterns, in_language=below)
        elif getattr(getattr(entry.callback, "view_class", None), "is_payram_webhook", False):
            yield in_language


def _usable_projects() -> Iterable[conf.Project]:
    try:
        return conf.projects()
    except ImproperlyConfigured:
        return []
