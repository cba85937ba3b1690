"""The options of a PayRam project: how each is read, what it defaults to, and which check reports it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


LONGEST_DEADLINE = 50
"""Seconds. A call must have ended before its attempt counts as crashed, or a second click makes a second link, and
before the lease ends of the payment that it asks about."""


class Secret(str):
    """A key, or a signature made with it, that does not show itself: error reports print what frames hold."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[key]'"


def sealed(setting: object) -> object:
    """Return the setting with secrets in the place of its keys. What is no dict is returned as it is."""
    if not isinstance(setting, dict):
        return setting
    return {name: _secret(value) if name in SECRET_OPTIONS else sealed(value) for name, value in setting.items()}


def _secret(value: object) -> object:
    if isinstance(value, str):
        return Secret(value)
    return [*map(_secret, value)] if isinstance(value, list | tuple) else value


# Each reader takes the value as written and returns it as used, or raises ValueError with what is allowed.


def _base_url(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be the address of your PayRam server, such as https://pay.example.com")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as exc:
        raise ValueError("is not a web address") from exc
    # The scheme in lower case only, as _plain_http and the checks look for it.
    if not value.startswith(("https://", "http://")) or not parts.hostname or value != value.strip():
        raise ValueError("must start with https:// and name a host")
    if parts.username is not None or "?" in value or "#" in value:
        raise ValueError("must not hold a user name, a query or a fragment")
    if parts.path.rstrip("/").endswith("/api/v1"):
        raise ValueError("must not end with /api/v1, which is added to it")
    return value.rstrip("/")


def _keys(value: object) -> tuple[str, ...]:
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise ValueError("must be a string, or a list of strings during a rotation")  # noqa: TRY004
    for key in given:
        if not isinstance(key, str) or not key.strip():
            raise ValueError("holds a blank key, which would match nothing")
        if not key.isascii() or not key.isprintable() or key != key.strip():
            raise ValueError("holds a key with white space around it or characters that no key has")
    return tuple(map(Secret, given))


def _api_keys(value: object) -> tuple[str, ...]:
    keys = _keys(value if value is not None else "")
    if not keys:
        raise ValueError("is an empty list, so PayRam cannot be asked")
    return keys


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be True or False")  # noqa: TRY004
    return value


def _seconds(value: object, *, most: int = 600) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise ValueError(f"must be a number of seconds above 0 and up to {most}")
    return value


def _deadline(value: object) -> float:
    return _seconds(value, most=LONGEST_DEADLINE)


def _timeout(value: object) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("must be a pair of seconds: connect, read")
    return _seconds(value[0]), _seconds(value[1])


def _percent(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise ValueError("must be a number from 0 to 100")
    return value


def _hosts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of host names")  # noqa: TRY004
    for host in value:
        if not isinstance(host, str) or not host or "/" in host or ":" in host:
            raise ValueError("must hold host names only, without scheme, port and path")
    return tuple(host.lower() for host in value)


def _prefix(value: object) -> str:
    if not isinstance(value, str) or len(value) > 32 or not value.isprintable():
        raise ValueError("must be a string of up to 32 printable characters")
    return value


class Option(NamedTuple):
    """One option: its default as one would write it, how it is read, and which check reports it."""

    default: object
    read: Callable[[object], object]
    check: str


SECRET_OPTIONS = ("API_KEY", "WEBHOOK_KEYS")

OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        "BASE_URL": Option(None, _base_url, "E003"),
        "API_KEY": Option(None, _api_keys, "E004"),
        "WEBHOOK_KEYS": Option([], _keys, "E004"),
        "CONFIRM_WEBHOOKS": Option(True, _flag, "E005"),
        "REQUIRE_SIGNATURE": Option(False, _flag, "E005"),
        "TIMEOUT": Option((5, 15), _timeout, "E005"),
        "DEADLINE": Option(30, _deadline, "E005"),
        "CHECKOUT_HOSTS": Option([], _hosts, "E005"),
        "SHORTFALL_PERCENT": Option(3, _percent, "E005"),
        "ENABLED": Option(True, _flag, "E005"),
        "ALLOW_HTTP": Option(False, _flag, "E005"),
        "CUSTOMER_ID_PREFIX": Option("", _prefix, "E005"),
    }
)
