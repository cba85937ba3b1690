"""``manage.py payram_sandbox``: a pretend PayRam server for one's own machine."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from django_payram.conf import DEFAULT_PROJECT, LOCAL_HOSTS, SETTING, is_local
from django_payram.conf.options import Secret, sealed
from django_payram.sandbox import API_VERSIONS, FAULTS, Sandbox

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

SHOP = "http://127.0.0.1:8000/payram"


class Command(BaseCommand):
    """Serves the sandbox and sends its webhooks until Ctrl-C or SIGTERM."""

    help = "Runs a pretend PayRam server: real links, real webhooks, pretend money."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One option for everything that can be set at PayRam."""
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on.")
        parser.add_argument(
            "--allowed-host",
            action="append",
            default=[],
            metavar="NAME",
            help="Answer under this name too, not only under those of this machine; may be repeated.",
        )
        parser.add_argument("--port", type=int, default=8001, help="Port; 0 takes a free one.")
        parser.add_argument("--key", type=_key, default="", help="API key; default: that of PAYRAM's default.")
        parser.add_argument("--webhook-url", default=f"{SHOP}/webhook/", help="Where webhooks go.")
        parser.add_argument("--success-url", default=f"{SHOP}/return/", help="After paying.")
        parser.add_argument("--cancel-url", default=f"{SHOP}/return/", help="After expiry.")
        parser.add_argument("--data", help="File in which the payments survive a restart.")
        parser.add_argument("--api-version", choices=list(API_VERSIONS), default="2026", help="API version of PayRam.")
        parser.add_argument("--no-webhooks", action="store_true", help="Send no webhooks.")
        parser.add_argument(
            "--fault",
            action="append",
            choices=list(FAULTS),
            default=[],
            metavar="KIND",
            help="Answer badly; may be repeated, the last that fits counts: %(choices)s.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until told to stop."""
        sandbox = build(options)
        host, port = options["host"], options["port"]
        for risk in risks(options):
            self.stderr.write(self.style.WARNING(risk))
        with stop_signal() as stop:
            try:
                server = sandbox.serve(host=host, port=port, deliver=True)
                with server:
                    self.stdout.write(f"The PayRam sandbox listens on {sandbox.url}/")
                    self.stdout.flush()
                    stop.wait()
            except OSError as exc:
                raise CommandError(f"Cannot listen on {host} port {port}: {exc.strerror or exc}.") from exc
        self.stdout.write("The PayRam sandbox has stopped.")


def build(options: dict[str, Any]) -> Sandbox:
    """The sandbox that the options describe; raises CommandError."""
    try:
        return Sandbox(
            api_key=options["key"] or key_of_settings(),
            webhook_url=options["webhook_url"],
            success_url=options["success_url"],
            cancel_url=options["cancel_url"],
            api_version=options["api_version"],
            data=options["data"],
            webhooks=not options["no_webhooks"],
            faults=options["fault"],
            allowed_hosts=[address(options["host"]), *options["allowed_host"]],
        )
    except (ValueError, OSError) as exc:
        raise CommandError(str(exc)) from exc


def address(host: str) -> str:
    """The address to listen on as a browser writes it."""
    return f"[{host}]" if ":" in host else host


def risks(options: dict[str, Any]) -> Iterator[str]:
    """What is dangerous beyond one's own machine."""
    if options["host"] not in LOCAL_HOSTS:
        yield f"Whoever can reach {options['host']} can pay with pretend money here."
    base_url = _default_project().get("BASE_URL")
    if not options["key"] and not settings.DEBUG and isinstance(base_url, str) and not is_local(base_url):
        yield (
            f'The key of PAYRAM["default"] is that of {base_url}: webhooks from here look as if they came from there. '
            "Give another one with --key."
        )


def _key(text: str) -> Secret:
    return Secret(text.strip())


def key_of_settings() -> str:
    """The first API key of ``PAYRAM["default"]``; raises CommandError when there is none."""
    given = _default_project().get("API_KEY")
    keys = given if isinstance(given, list) else [given]
    key = next((one for one in keys if isinstance(one, str) and one.strip()), None)
    if key is None:
        raise CommandError('There is no API_KEY in PAYRAM["default"]; set it, or give --key.')
    return key


def _default_project() -> dict[str, object]:
    """What the setting says of the default project, usable or not."""
    projects = sealed(getattr(settings, SETTING, None))
    project = projects.get(DEFAULT_PROJECT) if isinstance(projects, dict) else None
    return project if isinstance(project, dict) else {}


@contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, while the block runs."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
