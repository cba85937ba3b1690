"""The doctor opens a page of ours at the shop's public address and reads its headers."""

from __future__ import annotations

import pytest

from django_payram import doctor
from django_payram.doctor.connection import check_pages
from tests.doctor.serving import always, answering, levels, messages


def found_at(app):
    with answering(app) as url:
        return list(check_pages(doctor.Scope(public_url=url, round_trip=True)))


def page(policy=None, status="200 OK"):
    return always(status, b"<!doctype html>", **({"Content_Security_Policy": policy} if policy else {}))


@pytest.fixture(autouse=True)
def _payram(settings):
    settings.PAYRAM = {"default": {**settings.PAYRAM["default"], "BASE_URL": "https://pay.example.com"}}


@pytest.mark.parametrize(
    "policy", [None, "default-src 'self'", "default-src 'self'; form-action 'self' https://pay.example.com"]
)
def test_a_page_that_lets_customers_go_on_is_fine(policy):
    assert levels(found_at(page(policy))) == {"page": "ok"}


def test_a_policy_that_keeps_them_is_named():
    """F94."""
    found = found_at(page("default-src 'self'; form-action 'self'"))
    assert levels(found) == {"page": "problem"}
    assert "lets no form lead to PayRam" in messages(found)["page"]


@pytest.mark.parametrize("status", ["404 Not Found", "500 Internal Server Error"])
def test_a_page_that_is_not_there_is_named(status):
    found = found_at(page(status=status))
    assert levels(found) == {"page": "problem"}
    assert f"with status {status[:3]}" in messages(found)["page"]


def test_each_project_is_looked_at(settings):
    settings.PAYRAM["eu"] = {**settings.PAYRAM["default"], "BASE_URL": "https://eu.example.com", "API_KEY": "k" * 32}
    found = found_at(page("form-action https://pay.example.com"))
    assert [(finding.project, str(finding.level)) for finding in found] == [("default", "ok"), ("eu", "problem")]


def test_no_page_is_opened_unless_asked_for():
    assert list(check_pages(doctor.Scope(public_url="http://127.0.0.1:1"))) == []
    assert list(check_pages(doctor.Scope(round_trip=True))) == []
