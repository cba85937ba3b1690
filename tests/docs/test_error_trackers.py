"""Sentry, set up as the guide says: what its events hold of a webhook."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT


def shop(*blocks):
    command = [sys.executable, "-m", "tests.docs.sentry_shop", *blocks]
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": "sqlite://:memory:"}
    done = subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def guided():
    return shop("drop the headers", "sentry")


def texts(event):
    return [one["value"] for one in event.get("exception", {}).get("values", [])]


def test_sentry_keeps_no_key_no_signature_and_no_customer(guided):
    """Neither of a receiver that fails, nor of an error nobody expected, nor in a trace."""
    text = json.dumps(guided["events"])
    for secret in guided["secrets"]:
        assert secret not in text


def test_sentry_is_told_of_each_failure(guided):
    """With what helps: the words, the frames, the request and the payment."""
    assert [status[:3] for status in guided["statuses"]] == ["500", "500", "500"]
    errors = [one for one in guided["events"] if one.get("type") != "transaction"]
    (record,) = [one for one in errors if "logentry" in one]
    assert record["logentry"]["message"].startswith("A receiver of %s failed for payment %s.")
    assert record["extra"]["reference"] == record["request"]["data"]["reference_id"]
    assert {"payment", "project"} <= set(record["extra"])
    assert [texts(one) for one in errors].count(["[e-mail] is no member, and [key] is no name."]) == 2
    traces = [one for one in guided["events"] if one.get("type") == "transaction"]
    assert len(traces) == 3
    for event in guided["events"]:
        if "request" in event:
            assert event["request"]["headers"]["Api-Key"] == "[removed]"
            assert event["request"]["url"] == "http://testserver/payram/webhook/"


def test_without_the_guide_sentry_keeps_them():
    """What the tests above look for is found where it is."""
    text = json.dumps((found := shop())["events"])
    assert all(secret in text for secret in found["secrets"])
