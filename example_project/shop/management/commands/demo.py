"""Run the whole example on this machine: the shop, and a pretend PayRam to pay with."""

from __future__ import annotations

import secrets
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, call_command

from shop import processes, seed
from shop.processes import HOST, Child, StopSignal

if TYPE_CHECKING:
    from argparse import ArgumentParser

READY_WITHIN = 60
ADMIN = "admin"
API_VERSIONS = ("2026", "2025-11", "faq", "2024")

WELCOME = """
  Copper Kettle is open.

    Shop         {shop}/
    Admin        {shop}/admin/
                 {login}
    Pretend PayRam
      payments   {sandbox}/
      webhooks   {sandbox}/sandbox/deliveries

  Order something, press "Pay with crypto" and pay with pretend money.
  The actions on the admin's orders add express delivery, note a payment by card, and send money back.
  Press Ctrl-C to stop.
"""


class Command(BaseCommand):
    """Prepares the database, starts the shop and the sandbox, and stops both together."""

    help = "Runs the example shop together with a pretend PayRam, ready to buy something."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--port", type=int, default=8000, help="Port of the shop; 0: any free one.")
        parser.add_argument("--sandbox-port", type=int, default=8001, help="Port of the pretend PayRam; 0: any.")
        parser.add_argument(
            "--api-version", choices=API_VERSIONS, default=API_VERSIONS[0], help="Which PayRam to pretend."
        )
        parser.add_argument(
            "--noinput",
            "--no-input",
            action="store_true",
            help="For scripts; the demo never asks anything.",
        )

    def handle(self, *, port: int, sandbox_port: int, api_version: str, **options: Any) -> None:
        """Run until Ctrl-C, SIGTERM, or the end of one of the two servers."""
        stop = StopSignal()
        ports = self._ports(port, sandbox_port)
        call_command("migrate", verbosity=0, interactive=False)
        seed.fill_shelves()
        with ExitStack() as running:
            shop, sandbox = self._start(running, *ports, api_version=api_version)
            if processes.wait_until_ready((sandbox, shop), stop=stop, timeout=READY_WITHIN):
                self._welcome(shop, sandbox)
                ended = processes.first_to_end((sandbox, shop), stop=stop)
            else:
                ended = next((child for child in (sandbox, shop) if child.has_ended), None)
        self._say_goodbye(ended, stop)

    def _ports(self, port: int, sandbox_port: int) -> list[int]:
        if not settings.DEBUG:
            raise CommandError("The demo needs DEBUG=True: it takes pretend money.")
        try:
            return processes.free_ports(port, sandbox_port)
        except processes.BusyPortError as exc:
            raise CommandError(
                f"Port {exc.port} is not free. Choose another with --port or --sandbox-port (0: any free one)."
            ) from exc

    def _login(self) -> str:
        """Make the admin's user unless there is one; return how to log in."""
        users = get_user_model()
        if users.objects.filter(username=ADMIN).exists():
            return f'user "{ADMIN}", as before; "manage.py changepassword {ADMIN}" sets a new password'
        password = secrets.token_urlsafe(12)
        users.objects.create_superuser(ADMIN, "admin@example.com", password)
        return f'user "{ADMIN}", password "{password}" (shown only this once)'

    def _start(self, running: ExitStack, port: int, sandbox_port: int, *, api_version: str) -> tuple[Child, Child]:
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
        environment = {
            "PAYRAM_BASE_URL": f"http://{HOST}:{sandbox_port}",
            "PAYRAM_API_KEY": settings.DEMO_PAYRAM_KEY,
            "PYTHONUNBUFFERED": "1",
            "DJANGO_RUNSERVER_HIDE_WARNING": "true",
        }
        sandbox = processes.start(
            "pretend PayRam",
            port=sandbox_port,
            command=[*manage, *_sandbox_arguments(port, sandbox_port, api_version)],
            environment=environment,
        )
        running.callback(sandbox.stop)
        shop = processes.start(
            "shop",
            port=port,
            command=[*manage, "runserver", "--noreload", f"{HOST}:{port}"],
            environment=environment,
        )
        running.callback(shop.stop)
        return shop, sandbox

    def _welcome(self, shop: Child, sandbox: Child) -> None:
        addresses = {
            "shop": f"http://{HOST}:{shop.port}",
            "sandbox": f"http://{HOST}:{sandbox.port}",
        }
        self.stdout.write(WELCOME.format(login=self._login(), **addresses))
        self.stdout.flush()

    def _say_goodbye(self, ended: Child | None, stop: StopSignal) -> None:
        if stop.received:
            self.stdout.write("The shop is closed. Until next time.")
            return
        if ended is None:
            raise CommandError(f"The servers did not answer within {READY_WITHIN} seconds.")
        raise CommandError(
            f"The {ended.name} ended by itself with exit code {ended.process.returncode}; the other was stopped."
        )


def _sandbox_arguments(port: int, sandbox_port: int, api_version: str) -> list[str]:
    shop = f"http://{HOST}:{port}/payram"
    return [
        "payram_sandbox",
        f"--port={sandbox_port}",
        f"--webhook-url={shop}/webhook/",
        f"--success-url={shop}/return/",
        f"--cancel-url={shop}/return/",
        f"--data={_beside_the_database() / 'sandbox.json'}",
        f"--api-version={api_version}",
    ]


def _beside_the_database() -> Path:
    database = settings.DATABASES["default"]
    is_file = database["ENGINE"] == "django.db.backends.sqlite3"
    return Path(database["NAME"]).resolve().parent if is_file else settings.BASE_DIR
