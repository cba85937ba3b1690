"""``manage.py payram_sandbox`` as a process of its own."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command

from django_payram.management.commands import payram_sandbox
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
KEY = "00112233445566778899aabbccddeeff"
ORDER = {"customerEmail": "buyer@example.org", "customerId": "order-1042", "amountInUSD": 49.99}


@contextmanager
def running(*options):
    """The command as a child; yields process and address."""
    child = subprocess.Popen(
        [sys.executable, "-m", "django", "payram_sandbox", "--port", "0", *options],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = child.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line + child.stderr.read()
        yield child, found[0]
    finally:
        child.kill()
        child.communicate()


def create(url, key):
    return requests.post(f"{url}/api/v1/payment", json=ORDER, headers={"API-Key": key}, timeout=PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_and_stops_cleanly(number):
    with running("--no-webhooks") as (child, url):
        assert requests.get(url, timeout=PATIENCE).text == "Welcome to Payram Core"
        assert create(url, KEY).status_code == 200
        child.send_signal(number)
        out, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0
    assert "has stopped" in out
    assert err == ""


def test_key_api_version_data_and_fault_are_taken(tmp_path):
    file = tmp_path / "books.json"
    options = ("--no-webhooks", "--key", "another", "--api-version", "faq", "--data", str(file))
    with running(*options, "--fault", "broken") as (_child, url):
        assert create(url, "another").status_code == 500
    with running(*options) as (_child, url):
        assert create(url, KEY).json() == {"code": 1, "message": "Unauthorized access"}
        reference = create(url, "another").json()["reference_id"]
    with running(*options) as (_child, url):
        answer = requests.get(f"{url}/api/v1/payment/reference/{reference}", timeout=PATIENCE)
        assert answer.json()["payment_state"] == "OPEN"


def test_a_busy_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=str(port)):
            call_command("payram_sandbox", port=port, key=KEY)


@pytest.mark.parametrize("projects", [None, {}, {"default": {}}, {"default": {"API_KEY": [" "]}}, "nonsense"])
def test_a_missing_key_is_explained(settings, projects):
    settings.PAYRAM = projects
    with pytest.raises(CommandError, match="--key"):
        call_command("payram_sandbox", port=0)


def test_a_broken_data_file_is_named(tmp_path):
    file = tmp_path / "books.json"
    file.write_text("{")
    with pytest.raises(CommandError, match=re.escape(str(file))):
        call_command("payram_sandbox", port=0, key=KEY, data=str(file))


@pytest.fixture
def serve(monkeypatch):
    """Serve and stop at once; return what was written to the terminal as trouble."""

    @contextmanager
    def stopped():
        stop = threading.Event()
        stop.set()
        yield stop

    monkeypatch.setattr(payram_sandbox, "stop_signal", stopped)

    def run(**options):
        err = io.StringIO()
        call_command("payram_sandbox", port=0, stdout=io.StringIO(), stderr=err, **options)
        return err.getvalue()

    return run


def test_a_sandbox_that_others_can_reach_is_warned_about(serve):
    assert "Whoever can reach 0.0.0.0 can pay with pretend money here." in serve(host="0.0.0.0")
    assert serve(host="localhost") == ""


@pytest.mark.parametrize(
    ("base_url", "debug", "key", "warned"),
    [
        ("https://pay.example.com", False, "", True),
        ("https://pay.example.com", True, "", False),
        ("https://pay.example.com", False, "another", False),
        ("http://127.0.0.1:8001", False, "", False),
        (None, False, "", False),
    ],
)
def test_a_real_servers_key_in_production_is_warned_about(serve, settings, base_url, debug, key, warned):
    """A shop that believes webhooks would believe those of the sandbox."""
    settings.DEBUG = debug
    settings.PAYRAM = {"default": {"BASE_URL": base_url, "API_KEY": KEY}}
    said = serve(key=key)
    assert ("webhooks from here look as if they came from there" in said) is warned
    assert KEY not in said
    assert bool(said) is warned
