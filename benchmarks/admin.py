"""The admin's pages, against a plain list of as many rows that counts nothing; filtered ones, against a filtered one.

python -m benchmarks.admin --payments 1000000 --rounds 7

Every page is also measured with fewer payments (--few), because none may grow with their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from benchmarks import rows
from benchmarks.measuring.arguments import positive
from benchmarks.measuring.command import Benchmark, main
from benchmarks.measuring.results import Comparison, Results, at_most, compared
from benchmarks.measuring.rounds import interleaved
from benchmarks.measuring.statements import counted
from benchmarks.stage.environment import host
from benchmarks.stage.load import request, seconds

if TYPE_CHECKING:
    import argparse

    from benchmarks.stage.environment import Environment

PLAIN = "/plain/django_payram/payment/"
FILTERED = f"{PLAIN}?project__exact=default"
"""All rows again, but with Django's own work for a filter: each link of a row keeps it."""
LIST = "/admin/django_payram/payment/"
EVENTS = "/admin/django_payram/paymentevent/"
MOST_OF_PLAIN, MOST_OF_FEW = 1.2, 3
ROWS_OF_TEN_PAGES = 500
TENTH = "the tenth page"
STATUSES = ("waiting", "confirming", "partly_paid", "held", "paid", "overpaid", "expired", "refunded", "withdrawn")
NO_LISTS = frozenset({"what came in", "the connection"})
"""Pages that look at all payments, of which no goal is told against a list: the first is to take a second at most."""
LOOKED_UP = 500
"""The number of a payment that is in every history."""


def pages() -> dict[str, str]:
    """Return the address of every page, by what a merchant would call it."""
    mail = f"buyer{LOOKED_UP}@example.org"
    queries = {
        **{f"filtered by status: {status}": {"status": status} for status in STATUSES},
        "filtered by review": {"review": "partial"},
        "filtered by what needs review": {"review": "any"},
        "paid in a month": {"paid_at__year": "2026", "paid_at__month": "10"},
        "searched by reference": {"q": rows.reference(LOOKED_UP)},
        "searched by e-mail": {"q": mail.upper()},
        "searched by the beginning of an e-mail": {"q": mail[:7]},
        "searched, and not found": {"q": "nobody@example.org"},
        TENTH: {"p": "10"},
    }
    return {
        "the list": LIST,
        **{name: f"{LIST}?{urlencode(query)}" for name, query in queries.items()},
        "events": EVENTS,
        "events, filtered by outcome": f"{EVENTS}?outcome__exact=unmatched",
        "events, searched by reference": f"{EVENTS}?{urlencode({'q': rows.reference(LOOKED_UP)})}",
        "the inbox": f"{LIST}inbox/",
        "what came in": f"{LIST}overview/",
        "the connection": f"{LIST}doctor/",
    }


class Visitor:
    """A superuser with a browser."""

    def __init__(self, environment: Environment, *, clicks: int) -> None:
        from django.contrib.auth import get_user_model  # noqa: PLC0415 - Django is set up only now
        from django.test import Client  # noqa: PLC0415

        self.environment, self.clicks = environment, clicks
        self.user, _new = get_user_model().objects.get_or_create(username="merchant", is_staff=True, is_superuser=True)
        client = Client()
        client.force_login(self.user)
        self._cookie = f"sessionid={client.cookies['sessionid'].value}"

    @property
    def has_few_payments(self) -> bool:
        """Whether there are fewer than ten pages of them."""
        from django_payram.models import Payment  # noqa: PLC0415 - Django is set up only now

        return Payment.objects.all()[:ROWS_OF_TEN_PAGES].count() < ROWS_OF_TEN_PAGES

    def milliseconds(self, path: str) -> float:
        """Return how long the page takes."""
        headers = {"Cookie": self._cookie, "Accept": "text/html"}
        return seconds(self.environment.shop.url, request("GET", path, headers=headers), times=self.clicks) * 1000

    def statements(self, path: str) -> int:
        """Return the SQL statements of the page, its session and user included."""
        return counted("get", path, user=self.user, headers={"Host": host(self.environment.shop.url)})


def measured(visitor: Visitor, *, rounds: int) -> dict[str, list[float]]:
    """Return milliseconds of the plain list and of every page, round by round."""
    paths = {"plain": PLAIN, "plain, filtered": FILTERED, **pages()}
    if visitor.has_few_payments:
        del paths[TENTH]
    contestants = {name: (lambda path=path: visitor.milliseconds(path)) for name, path in paths.items()}
    return interleaved(contestants, rounds=rounds, title="admin")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take sizes."""
    parser.add_argument("--payments", type=positive, default=1_000_000, help="rows there are (default: %(default)s)")
    parser.add_argument("--few", type=positive, default=10_000, help="rows to compare with (default: %(default)s)")
    parser.add_argument("--rounds", type=positive, default=7, help="rounds (default: %(default)s)")
    add_shared_arguments(parser)


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what a run of all benchmarks takes as well."""
    parser.add_argument("--clicks", type=positive, default=5, help="visits of a page in a round (default: %(default)s)")


def measure(options: argparse.Namespace, environment: Environment) -> Results:
    """Compare pages with the plain list, and with themselves on few payments."""
    visitor = Visitor(environment, clicks=options.clicks)
    rows.history(environment.database, upto=min(options.few, options.payments))
    few = measured(visitor, rounds=options.rounds)
    rows.history(environment.database, upto=options.payments)
    many = measured(visitor, rounds=options.rounds)
    return Results(
        comparisons=[
            *against_plain(visitor, many, payments=options.payments),
            *against_few(many, few, payments=options.payments, fewer=options.few),
        ]
    )


def against_plain(visitor: Visitor, many: dict[str, list[float]], *, payments: int) -> list[Comparison]:
    """Return each page's comparison with the plain list."""
    return [
        compared(
            "admin",
            name,
            "ms",
            product=many[name],
            floor=many["plain, filtered" if "?" in path else "plain"],
            floor_name="the plain list, filtered" if "?" in path else "the plain list",
            goal=None if name in NO_LISTS else at_most(MOST_OF_PLAIN),
            statements=visitor.statements(path),
            payments=payments,
        )
        for name, path in pages().items()
        if name in many
    ]


def against_few(
    many: dict[str, list[float]], few: dict[str, list[float]], *, payments: int, fewer: int
) -> list[Comparison]:
    """Return each page's comparison with itself on few payments."""
    return [
        compared(
            "admin, growing",
            name,
            "ms",
            product=many[name],
            floor=few[name],
            floor_name=f"at {fewer:,} payments",
            goal=None if name in NO_LISTS else at_most(MOST_OF_FEW),
            payments=payments,
        )
        for name in pages()
        if name in few
    ]


BENCHMARK = Benchmark("admin", __doc__, add_arguments, measure)

if __name__ == "__main__":
    main(BENCHMARK)
