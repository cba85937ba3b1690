"""What the pages say of the shop itself: its name, its address, and where customers ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.apps import apps
from django.contrib.sites.requests import RequestSite
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.urls import get_script_prefix

from django_payram import conf

if TYPE_CHECKING:
    from django.http import HttpRequest

    from django_payram.models import Payment


@dataclass(frozen=True)
class ShopFacts:
    """What a customer is told of the shop. ``name`` and ``contact`` are ``""`` when the settings do not say."""

    name: str
    url: str
    contact: str
    contact_url: str


def shop_facts(request: HttpRequest, payment: Payment | None = None) -> ShopFacts:
    """Return what the options ``SHOP_NAME``, ``SHOP_URL`` and ``CONTACT`` say, or Django's site where it has one."""
    try:
        project = conf.project(conf.DEFAULT_PROJECT if payment is None else payment.project)
    except ImproperlyConfigured:
        return ShopFacts("", get_script_prefix(), "", "")
    contact = project.contact
    contact_url = (
        contact if contact.startswith(("https://", "http://")) else f"mailto:{contact}" if "@" in contact else ""
    )
    return ShopFacts(
        project.shop_name or _site_name(request), project.shop_url or get_script_prefix(), contact, contact_url
    )


def _site_name(request: HttpRequest) -> str:
    if not apps.is_installed("django.contrib.sites"):
        return ""
    from django.contrib.sites.shortcuts import get_current_site  # noqa: PLC0415 - its model needs the app

    try:
        site = get_current_site(request)
    except (ObjectDoesNotExist, ImproperlyConfigured):
        # No site is chosen by SITE_ID, and none has the name of the host.
        return ""
    return "" if isinstance(site, RequestSite) else str(site.name)
