"""Surroundings in which a shop may run. The whole suite passes in each of them, and in many at once.

    SURROUNDINGS=atomic pytest         one of them
    SURROUNDINGS=atomic,csrf pytest    several at once
    SURROUNDINGS=all pytest            all that go together; ``first`` and ``second`` are the two runs in CI

Each changes the settings here; ``tests.clients`` changes how the test client reaches the shop, ``tests.conftest`` which
databases a test may use.
"""

from __future__ import annotations

APP = "django_payram"


def atomic(settings):
    """Every request in a transaction, on every database."""
    return {"DATABASES": {alias: {**one, "ATOMIC_REQUESTS": True} for alias, one in settings["DATABASES"].items()}}


def login(settings):
    """Nobody gets in without having logged in."""
    return {"MIDDLEWARE": [*settings["MIDDLEWARE"], "django.contrib.auth.middleware.LoginRequiredMiddleware"]}


def csrf(settings):
    """The test client checks tokens as a shop in production does."""
    return {}


def noslash(settings):
    """No redirects to addresses that end in a slash."""
    return {"APPEND_SLASH": False}


def https(settings):
    """Redirects to https, behind a proxy that ends TLS and says so."""
    return {"SECURE_SSL_REDIRECT": True, "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}


def tls(settings):
    """Redirects to https, by a server that ends TLS itself; the webhook is exempt from the redirect."""
    return {"SECURE_SSL_REDIRECT": True, "SECURE_REDIRECT_EXEMPT": [r"^payram/webhook/?$"]}


def cache(settings):
    """Every page that may be stored is stored."""
    update, fetch = (f"django.middleware.cache.{name}CacheMiddleware" for name in ("Update", "FetchFrom"))
    return {"MIDDLEWARE": [update, *settings["MIDDLEWARE"], fetch]}


def people(settings):
    """Users without a user name, whose keys are UUIDs."""
    return {"INSTALLED_APPS": [*settings["INSTALLED_APPS"], "tests.people"], "AUTH_USER_MODEL": "people.Person"}


def naive(settings):
    """Times without a time zone."""
    return {"USE_TZ": False}


def databases(settings):
    """Payments in a database of their own, orders and everything else in the first."""
    default = settings["DATABASES"]["default"]
    name = default["NAME"] if ":memory:" in str(default["NAME"]) else f"{default['NAME']}_payments"
    return {
        "DATABASES": {**settings["DATABASES"], "payments": {**default, "NAME": name}},
        "DATABASE_ROUTERS": ["tests.surroundings.PaymentsRouter"],
    }


def pgbouncer(settings):
    """A PgBouncer in transaction mode stands before the database, and forgets what a session has set."""
    each = settings["DATABASES"].items()
    return {"DATABASES": {alias: {**one, "DISABLE_SERVER_SIDE_CURSORS": True} for alias, one in each}}


def asgi(settings):
    """The test client's requests go through Django's asynchronous handler and its middleware."""
    return {}


def uuids(settings):
    """The keys of orders are UUIDs."""
    return {"ORDER_KEY": "uuid"}


def texts(settings):
    """The keys of orders are text."""
    return {"ORDER_KEY": "text"}


# Databases come first: what changes all of them must find all of them.
TABLE = {
    each.__name__: each
    for each in (
        databases,
        atomic,
        login,
        csrf,
        noslash,
        https,
        tls,
        cache,
        people,
        naive,
        asgi,
        uuids,
        texts,
        pgbouncer,
    )
}
GROUPS = {
    "all": tuple(name for name in TABLE if name not in {"tls", "texts", "pgbouncer"}),
    "first": ("atomic", "login", "csrf", "noslash", "https", "cache", "people", "uuids"),
    "second": ("databases", "atomic", "naive", "asgi", "tls", "texts"),
}
EITHER_OR = ({"https", "tls"}, {"uuids", "texts"})


def chosen(text):
    """Return the names that the variable SURROUNDINGS asks for, in the order of the table."""
    asked = {name for word in filter(None, text.split(",")) for name in GROUPS.get(word, (word,))}
    if unknown := asked - set(TABLE):
        raise ValueError(f"Unknown in SURROUNDINGS: {sorted(unknown)}. Known are {[*TABLE, *GROUPS]}.")
    for pair in EITHER_OR:
        if pair <= asked:
            raise ValueError(f"In SURROUNDINGS stand both of {sorted(pair)}, of which a shop can have one.")
    return tuple(name for name in TABLE if name in asked)


def surround(settings, names):
    """Change the settings to those of the surroundings."""
    for name in names:
        settings.update(TABLE[name](settings))


class PaymentsRouter:
    """What a shop writes to keep payments in a database of their own."""

    def db_for_read(self, model, **hints):
        return "payments" if model._meta.app_label == APP else "default"

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        # Payments refer to content types, so both databases have them.
        if app_label == "contenttypes":
            return True
        return (app_label == APP) == (db == "payments")
